// Of cmd/run/interrupt.h. It lies here to be the first of its folder: it forks, and in the child of a process that has
// threads by then ThreadSanitizer delivers no signals.
#include "cmd/run/interrupt.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace bantam;

namespace {

// Runs `body` in a child and returns its exit status.
template <class F> int status_of(F body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("interrupt: the first SIGINT or SIGTERM asks, a second SIGINT ends the process at once") {
  CHECK(status_of([] {
          catch_interrupts();
          return interrupt_signal();
        }) == 0);
  CHECK(status_of([] {
          catch_interrupts();
          raise(SIGINT);
          return interrupt_signal() == SIGINT ? 7 : 8;
        }) == 7);
  CHECK(status_of([] {
          catch_interrupts();
          raise(SIGTERM);
          return interrupt_signal() == SIGTERM ? 7 : 8;
        }) == 7);
  CHECK(status_of([] {
          catch_interrupts();
          raise(SIGINT);
          raise(SIGINT);
          return 9;
        }) == 130);
}
