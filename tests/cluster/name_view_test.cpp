// SPDX-License-Identifier: Apache-2.0
//
// NameView, also from many threads.
#include "name_view.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace grove::cluster {
namespace {

Pid pid(std::uint32_t index) { return {NodeId{1}, index, 1}; }
std::string name(std::uint32_t index) { return "name-" + std::to_string(index); }

TEST(NameView, FindsWhatWasSetLast) {
  NameView view;
  EXPECT_EQ(view.find("x"), std::nullopt);
  EXPECT_EQ(view.set("x", pid(1)), Pid{});
  EXPECT_EQ(view.set("x", pid(2)), pid(1));
  EXPECT_EQ(view.find("x"), pid(2));
  EXPECT_EQ(view.set("x", {}), pid(2));
  EXPECT_EQ(view.set("x", {}), Pid{});
  EXPECT_EQ(view.find("x"), std::nullopt);
}

TEST(NameView, KeepsAllWhileItGrowsAndNamesComeAndGo) {
  NameView view;
  for (std::uint32_t i = 1; i <= 5000; ++i) view.set(name(i), pid(i));
  for (std::uint32_t round = 0; round < 5; ++round) {
    for (std::uint32_t i = 1; i <= 5000; i += 2) view.set(name(i), {});
    for (std::uint32_t i = 1; i <= 5000; i += 2) view.set(name(i), pid(i));
  }
  EXPECT_EQ(view.size(), 5000U);
  for (std::uint32_t i = 1; i <= 5000; ++i) ASSERT_EQ(view.find(name(i)), pid(i));
}

TEST(NameView, ReadersSeeOldOrNewAndNeverWhatIsGone) {
  constexpr std::uint32_t k_rounds = 3000;
  NameView view;
  std::atomic<std::uint32_t> done{0};  // rounds that every reader must see
  std::atomic<bool> stop{false};
  view.set("stays", pid(7));
  std::vector<std::thread> readers;
  std::atomic<std::uint64_t> wrong{0};
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop.load()) {
        const std::uint32_t before = done.load();
        const auto moving = view.find("moves");
        if (before > 0 && (!moving || moving->index < before)) ++wrong;
        if (view.find("stays") != pid(7)) ++wrong;
        if (view.find("never")) ++wrong;
      }
    });
  }
  for (std::uint32_t round = 1; round <= k_rounds; ++round) {
    view.set("moves", pid(round));
    done.store(round);
    view.set(name(round), pid(round));  // it grows meanwhile
    view.set(name(round / 2), {});
  }
  stop.store(true);
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong.load(), 0U);
}

}  // namespace
}  // namespace grove::cluster
