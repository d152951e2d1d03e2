#include "core/recycled.h"

#include <doctest/doctest.h>

#include <string>
#include <thread>

#include "tests/heap_count.h"

using namespace bantam;

TEST_CASE("recycled: a block of a size class is taken again, last given back first") {
  if (!HeapCount::works()) {
    MESSAGE("this build asks the system for every block");
    return;
  }
  void* a = take_block(200);
  void* b = take_block(129);
  give_block(a, 200);
  give_block(b, 129);
  void* again = take_block(256);  // 129 to 256 bytes are one class
  CHECK(again == b);
  CHECK(take_block(130) == a);
  give_block(again, 256);
  give_block(a, 130);
}

TEST_CASE("recycled: blocks that one thread takes and another gives back go round, and outlive both") {
  if (!HeapCount::works()) {
    MESSAGE("this build asks the system for every block");
    return;
  }
  constexpr int kBlocks = 1000;  // more than a thread keeps
  List<void*> blocks(kBlocks);
  const auto round = [&] {
    std::thread([&] {
      for (void*& p : blocks) p = take_block(5000);
    }).join();
    std::thread([&] {
      for (void* p : blocks) give_block(p, 5000);
    }).join();
  };
  round();
  const HeapCount heap;
  for (int i = 0; i < 5; ++i) round();
  CHECK(heap.ours() < 100);  // threads, none of the 5000 blocks
}

TEST_CASE("recycled: what is larger than the largest class, and nothing, are blocks too") {
  void* large = take_block(size_t(1) << 20);
  static_cast<char*>(large)[(1 << 20) - 1] = 1;
  give_block(large, size_t(1) << 20);
  void* nothing = take_block(0);
  CHECK(nothing != nullptr);
  give_block(nothing, 0);
}

TEST_CASE("closure: copies share what they call, which goes with the last of them") {
  const auto alive = std::make_shared<int>(7);
  {
    Closure<int(int)> f = [alive](int x) { return x * *alive; };
    CHECK(alive.use_count() == 2);
    const Closure<int(int)> copy = f;
    CHECK(alive.use_count() == 2);
    CHECK(f(2) == 14);
    const Closure<int(int)> moved = std::move(f);
    f = nullptr;
    CHECK_FALSE(bool(f));
    CHECK(copy(3) == 21);
    CHECK(moved(4) == 28);
    f = copy;
    Closure<int(int)>& itself = f;
    f = itself;
    CHECK(f(1) == 7);
  }
  CHECK(alive.use_count() == 1);
}

TEST_CASE("closure: takes functions and hands references on") {
  const Closure<size_t(const std::string&)> length = +[](const std::string& s) { return s.size(); };
  CHECK(length("four") == 4);
  const Closure<void(std::string&)> add = [](std::string& s) { s += "!"; };
  std::string s = "a";
  add(s);
  CHECK(s == "a!");
}
