// How much work tests do. A build that watches memory or threads runs five to ten times slower: it walks all code once,
// and the numbers are the plain build's matter.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BANTAM_TESTS_WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BANTAM_TESTS_WATCHED 1
#endif
#endif

namespace bantam {

#ifdef BANTAM_TESTS_WATCHED
inline constexpr bool kWatched = true;
#else
inline constexpr bool kWatched = false;
#endif

}  // namespace bantam
