// SPDX-License-Identifier: Apache-2.0
//
// What is large goes in pieces: others overtake it, the order between two processes holds, and
// nobody sees a part.
#include "grove/node/gen_server.hpp"

#include "cluster/flow_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace grove::flow_test {
namespace {

TEST_F(FlowWorld, HeartbeatsAndOthersOvertakeALargeTransfer) {
  start();
  set_rate(10 * k_mib);
  const Diary diary = make_diary();
  const Pid diarist = diarist_on_b(diary);
  a().spawn([diarist](Context& context) -> Task<> {
    context.send<Chunk>(diarist, 1U, 1U, bytes_of(100 * k_mib));
    context.send<Chunk>(diarist, 1U, 2U, Bytes{});
    co_return;
  });
  const Clock::TimePoint begin = world.clock().now();
  world.run_for(1s);
  std::vector<std::string> expected;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    a().spawn([diarist, i](Context& context) -> Task<> {
      context.send<Chunk>(diarist, 2U, i, Bytes{});
      co_return;
    });
    expected.push_back("2/" + std::to_string(i));
    EXPECT_TRUE(world.run_until([&] { return *diary == expected; }, 1500ms));
  }
  EXPECT_TRUE(world.run_until([&] { return diary->size() == 7; }, 60s));
  EXPECT_GT(world.clock().now() - begin, 9s);  // silence ends a session after four
  EXPECT_EQ(diary->at(5), "1/1");
  EXPECT_EQ(diary->at(6), "1/2");
  EXPECT_EQ(world.total(Metric::sessions_down), 0U);
  EXPECT_EQ(world.total(Metric::sessions_slow), 0U);
}

/// Sends chunks of any size, by pid and by name, then ends.
Task<> send_any(Context& context, std::uint64_t sender, std::uint64_t seed, Pid to) {
  Random random{seed * 100 + sender};
  for (std::uint64_t number = 1; number <= 12; ++number) {
    const std::size_t size = random.below(3) == 0 ? k_mib + random.below(k_mib) : random.below(500);
    const Chunk chunk{sender, number, bytes_of(size, number)};
    if (random.below(2) == 0) {
      context.send(RemoteName{"diarist", "b"}, chunk);
    } else {
      context.send(to, chunk);
    }
    if (random.below(3) == 0) co_await context.sleep_for(1ms);
  }
  context.exit(to, ExitReason::symbol("done"));
}

void expect_order(std::uint64_t seed) {
  SimWorld world{seed};
  world.add_node("a");
  world.add_node("b");
  ASSERT_TRUE(world.run_until([&] { return world.all_connected(); }, 10s));
  world.network().set_faults({.bytes_per_second = 50 * k_mib});
  const Diary diary = make_diary();
  const Pid diarist = world["b"].node().spawn(keep_diary, diary, false);
  ASSERT_TRUE(world["b"].node().register_name("diarist", diarist));
  world.run_for(1ms);
  for (std::uint64_t sender = 1; sender <= 3; ++sender) {
    world["a"].node().spawn(send_any, sender, seed, diarist);
  }
  ASSERT_TRUE(world.run_until([&] { return diary->size() == 3 * 13; }, 60s)) << "seed " << seed;
  std::map<char, std::uint64_t> last;
  int exits = 0;
  for (const std::string& line : *diary) {
    if (line == "exit:done") {  // some sender's, behind all of its chunks
      ++exits;
      EXPECT_GE(
          std::ranges::count(last, std::uint64_t{12}, [](auto& entry) { return entry.second; }),
          exits);
    } else {
      EXPECT_EQ(line.substr(2), std::to_string(++last[line[0]])) << "seed " << seed;
    }
  }
  EXPECT_EQ(exits, 3);
  EXPECT_EQ(world.total(Metric::sessions_down), 0U);
}

TEST(Flow, TheOrderOfASendersSignalsHoldsWhateverTheirSize) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) expect_order(seed);
}

TEST_F(FlowWorld, WhoEndsMidwayIsHeardAfterItsMessage) {
  start();
  set_rate(10 * k_mib);
  const Diary diary = make_diary();
  const Pid diarist = diarist_on_b(diary, true);
  const Pid sender = a().spawn([diarist](Context& context) -> Task<> {
    context.send<Chunk>(diarist, 1U, 1U, Bytes{});
    co_await context.sleep_for(100ms);
    context.send<Chunk>(diarist, 1U, 2U, bytes_of(20 * k_mib));
    co_await context.sleep_for(1h);
  });
  world.run_for(500ms);
  EXPECT_EQ(diary->size(), 1U);  // half of it is there: nobody sees it
  a().exit(sender, ExitReason::kill());
  EXPECT_TRUE(world.run_until([&] { return diary->size() == 3; }, 60s));
  EXPECT_EQ(*diary, (std::vector<std::string>{"1/1", "1/2", "down:killed"}));
}

TEST_F(FlowWorld, ALostSessionLeavesNothingOfAMessageThatCameInPart) {
  start();
  set_rate(10 * k_mib);
  const Diary diary = make_diary();
  const Pid diarist = diarist_on_b(diary, true);
  auto memory = std::make_shared<std::vector<std::byte>>(30 * k_mib);
  const std::weak_ptr<std::vector<std::byte>> held = memory;
  a().spawn([diarist, bytes = Bytes{memory, *memory}](Context& context) mutable -> Task<> {
    context.send<Chunk>(diarist, 1U, 1U, Bytes{});
    context.send<Chunk>(diarist, 1U, 2U, std::move(bytes));
    co_await context.sleep_for(1h);
  });
  memory.reset();
  world.run_for(1s);
  EXPECT_FALSE(held.expired());
  world.partition({{"a"}, {"b"}});
  EXPECT_TRUE(world.run_until([&] { return diary->size() == 2; }, 30s));
  EXPECT_EQ(*diary, (std::vector<std::string>{"1/1", "down:noconnection"}));
  world.run_for(10s);
  world.heal();  // what the partition held is stale now
  world.run_for(10s);
  EXPECT_TRUE(held.expired());
  EXPECT_EQ(diary->size(), 2U);
}

TEST_F(FlowWorld, AllNamesReachANewNodeHoweverManyThereAre) {
  world.add_node("a");
  const auto idle = [](Context& context) -> Task<> { co_await context.sleep_for(9h); };
  const std::string long_name(230, 'n');
  for (int i = 0; i < 6'000; ++i) {
    ASSERT_TRUE(a().register_name(long_name + std::to_string(i), a().spawn(idle), Scope::cluster));
  }
  world.add_node("b");
  EXPECT_TRUE(world.run_until([&] { return b().global_names().size() == 6'000; }, 10s));
}

TEST_F(FlowWorld, AMessageBeyondTheLongestIsADeadLetter) {
  start([](ClusterConfig& config) { config.flow.message_bytes_max = 4 * k_mib; });
  const Diary diary = make_diary();
  const Pid diarist = diarist_on_b(diary);
  a().spawn([diarist](Context& context) -> Task<> {
    context.send<Chunk>(diarist, 1U, 1U, bytes_of(4 * k_mib));
    context.send<Chunk>(diarist, 1U, 2U, bytes_of(4 * k_mib - 100));
    co_return;
  });
  EXPECT_TRUE(world.run_until([&] { return diary->size() == 1; }, 10s));
  EXPECT_EQ(diary->front(), "1/2");
  EXPECT_EQ(a().metrics().get(Metric::dead_letters_unsendable), 1U);
}

TEST_F(FlowWorld, WhoIsSentMoreThanItsLongestEndsTheSession) {
  world.configure([](ClusterConfig& config) { config.flow.message_bytes_max = 16 * k_mib; });
  world.add_node("a");
  world.configure([](ClusterConfig& config) { config.flow.message_bytes_max = 4 * k_mib; });
  world.add_node("b");
  ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  const Diary diary = make_diary();
  const Pid diarist = diarist_on_b(diary);
  a().spawn([diarist](Context& context) -> Task<> {
    context.send<Chunk>(diarist, 1U, 1U, bytes_of(8 * k_mib));
    co_return;
  });
  EXPECT_TRUE(world.run_until([&] { return b().metrics().get(Metric::sessions_down) == 1; }, 10s));
  EXPECT_EQ(b().metrics().get(Metric::frames_malformed), 1U);
  EXPECT_TRUE(diary->empty());
}

}  // namespace
}  // namespace grove::flow_test
