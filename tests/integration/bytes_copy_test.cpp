// SPDX-License-Identifier: Apache-2.0
//
// Over real sockets a large binary is not copied by Grove, on neither side. A program of its own:
// it counts its large allocations, and libzmq does not allocate what the receiver gets by operator
// new.
#include "grove/core/bytes.hpp"

#include "integration/real_node.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

namespace grove::integration {

constexpr std::size_t k_size = std::size_t{1} << 20U;

struct Picture {
  std::string title;
  Bytes pixels;
};

std::atomic<std::uint64_t> g_large{0};  // allocations of at least half of k_size

}  // namespace grove::integration

GROVE_MESSAGE(grove::integration::Picture, "integration.picture", title, pixels)

/// Not inlined: the compiler would see std::free() beside an operator new, and call it a mistake.
[[gnu::noinline]] static void* take(std::size_t size) noexcept {
  if (size >= grove::integration::k_size / 2) ++grove::integration::g_large;
  return std::malloc(size);
}
[[gnu::noinline]] static void give_back(void* memory) noexcept { std::free(memory); }

void* operator new(std::size_t size) {
  void* const memory = take(size);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return take(size); }
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }

namespace grove::integration {
namespace {

using testkit::RealNode;

Task<> show(Context& context, Pid gallery, Bytes pixels, int times) {
  for (int i = 0; i < times; ++i) context.send<Picture>(gallery, "the sea", pixels);
  co_return;
}

Task<bool> look(Context& context, std::promise<Pid>* ready, std::byte wanted, int times) {
  ready->set_value(context.self());
  bool right = true;
  for (int i = 0; i < times; ++i) {
    const auto picture = co_await context.receive<Picture>();
    const auto pixels = picture.pixels.span();
    right = right && pixels.size() == k_size && pixels.front() == wanted && pixels.back() == wanted;
  }
  co_return right;
}

TEST(Bytes, AreNotCopiedOnTheWayToAnotherNode) {
  constexpr int k_times = 20;
  RealNode a{"a", {.cookie = ""}};  // with one, libzmq decrypts from one buffer into another
  ASSERT_TRUE(a.start());
  RealNode b{"b", {.seeds = {a.address()}, .cookie = ""}};
  ASSERT_TRUE(b.start());
  ASSERT_TRUE(a.wait_for_sessions(1));
  ASSERT_TRUE(b.wait_for_sessions(1));
  std::promise<Pid> ready;
  auto seen = b.node().async(
      [&ready](Context& context) { return look(context, &ready, std::byte{7}, k_times); });
  const Pid gallery = ready.get_future().get();
  const Bytes pixels{std::vector<std::byte>(k_size, std::byte{7})};
  EXPECT_GT(g_large.exchange(0), 0U) << "those bytes are counted";
  a.node().spawn(show, gallery, pixels, k_times);
  EXPECT_TRUE(testkit::value_of(seen));
  EXPECT_EQ(g_large, 0U);
}

}  // namespace
}  // namespace grove::integration
