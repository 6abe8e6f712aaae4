// SPDX-License-Identifier: Apache-2.0
//
// Tables under real threads: nobody sees half an entry, and nobody is in a table that has gone.
#include "grove/node/table.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;

struct Twins {
  std::string left;
  std::string right;
};
struct Done {
  int reads = 0;
};
struct Start {
  Table<int, Twins> table;
};

class TableStress : public testing::TestWithParam<unsigned> {
 protected:
  TableStress()
      : clock_{make_system_clock()},
        scheduler_{make_thread_scheduler(GetParam())},
        node_{{.name = "tables", .clock = clock_.get(), .scheduler = scheduler_.get()}} {}
  ~TableStress() override {
    node_.kill_all();
    EXPECT_TRUE(node_.wait_until_empty(1min));
  }

  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Scheduler> scheduler_;
  Node node_;
};

INSTANTIATE_TEST_SUITE_P(Workers, TableStress, testing::Values(1U, 2U, 4U),
                         testing::PrintToStringParamName());

/// Reads until the table has gone. Returns: how many entries it saw.
int read_to_the_end(const Table<int, Twins>& table) {
  int seen = 0;
  for (;;) {
    for (int key = 0; key < 32; ++key) {
      const auto twins = table.lookup(key);
      if (!twins && twins.error().code == Errc::noproc) return seen;
      if (!twins) continue;
      EXPECT_EQ(twins->left, twins->right);
      ++seen;
    }
    const auto odd = table.find_first([](int, const Twins& t) { return t.left != t.right; });
    EXPECT_FALSE(odd);
  }
}

Task<> write_and_end(Context& context, std::vector<Pid> readers, int rounds,
                     std::atomic<int>* reading) {
  const auto table = context.new_table<int, Twins>("twins").value();
  for (const Pid& reader : readers) context.send(reader, Start{table});
  while (reading->load() == 0) {  // an outside thread has it too
    context.send(context.self(), Done{});
    co_await context.receive<Done>();
  }
  for (int round = 0; round < rounds; ++round) {
    const std::string text = "a text that is not inline " + std::to_string(round);
    EXPECT_TRUE(table.insert(round % 32, Twins{text, text}));
    if (round % 3 == 0) {
      EXPECT_TRUE(table.erase(round % 32));
    }
    if (round % 500 == 499) {
      EXPECT_TRUE(table.clear());
    }
    if (round % 100 == 99) {
      const auto grow = [](Twins& t) { t.left = t.right = t.left + "x"; };
      EXPECT_TRUE(table.update(round % 32, grow, Twins{text, text}));
      context.send(context.self(), Done{});
      co_await context.receive<Done>();
    }
  }
}

TEST_P(TableStress, ReadersSeeWholeEntriesUntilTheWriterEnds) {
  std::atomic<int> reading{0};
  std::thread outside{[&] {
    for (;;) {
      const auto table = node_.find_table<int, Twins>("twins");
      if (!table) {
        std::this_thread::yield();
        continue;
      }
      reading = 1;
      read_to_the_end(*table);
      return;
    }
  }};
  node_
      .async([&reading](Context& context) -> Task<> {
        const unsigned workers = GetParam();  // one stays free for the writer
        std::vector<Pid> readers;
        for (unsigned i = 1; i < workers; ++i) {
          readers.push_back(context.spawn([boss = context.self()](Context& reader) -> Task<> {
            const Start start = co_await reader.receive<Start>();
            reader.send(boss, Done{read_to_the_end(start.table)});
          }));
        }
        const Spawned writer = context.spawn_monitor(write_and_end, readers, 5000, &reading);
        const auto is_writer = [&](const Down& down) { return down.pid == writer.pid; };
        const Down down = co_await context.receive<Down>(is_writer);
        EXPECT_TRUE(down.reason.is_normal());
        for (std::size_t i = 0; i < readers.size(); ++i) co_await context.receive<Done>();
      })
      .get();
  outside.join();
  EXPECT_TRUE(node_.tables().empty());
}

TEST_P(TableStress, NoUpdateOfAPublicTableIsLost) {
  constexpr int k_updates = 2000;
  node_
      .async([](Context& context) -> Task<> {
        const auto counters =
            context.new_table<int, int>("counters", {.access = Access::public_}).value();
        for (int i = 0; i < 4; ++i) {
          context.spawn([counters, boss = context.self()](Context& child) -> Task<> {
            for (int n = 0; n < k_updates; ++n) {
              EXPECT_TRUE(counters.update(
                  n % 5, [](int& count) { ++count; }, 0));
            }
            child.send(boss, Done{});
            co_return;
          });
        }
        for (int i = 0; i < 4; ++i) co_await context.receive<Done>();
        int sum = 0;
        EXPECT_TRUE(counters.for_each([&sum](int, int count) { sum += count; }));
        EXPECT_EQ(sum, 4 * k_updates);
      })
      .get();
}

TEST_P(TableStress, ANameGoesWithItsOwnerWhileOthersLookForIt) {
  std::atomic<bool> stop{false};
  std::thread outside{[&] {
    while (!stop) {
      if (const auto table = node_.find_table<int, int>("brief")) (void)table->insert(1, 1);
      (void)node_.tables();
    }
  }};
  node_
      .async([](Context& context) -> Task<> {
        for (int round = 0; round < 300; ++round) {
          const Spawned owner = context.spawn_monitor([](Context& child) -> Task<> {
            const auto table = child.new_table<int, int>("brief", {.access = Access::public_});
            EXPECT_TRUE(table);
            EXPECT_TRUE(table->insert(2, 2));
            co_return;
          });
          const Down down = co_await context.receive<Down>();
          EXPECT_EQ(down.pid, owner.pid);
          EXPECT_TRUE(down.reason.is_normal());
        }
      })
      .get();
  stop = true;
  outside.join();
}

}  // namespace
}  // namespace grove
