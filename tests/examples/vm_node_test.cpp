// SPDX-License-Identifier: Apache-2.0
//
// examples/vm_lifecycle on real threads and a real disk: a node that is killed in mid creation, as
// a program of its own that is started again on its file, and a store that is killed as it writes.
#include "examples/vm_world.hpp"
#include "support/real_world.hpp"
#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <signal.h>
#include <spawn.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern char** environ;

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::FolderIn;
using testkit::Lines;
using testkit::RealWorld;
using testkit::TemporaryFolder;

constexpr const char* k_child_flag = "--child-node";
constexpr int k_machines = 8;

/// Writes down each step as it is asked for.
Task<> diary_step(Context& context, std::string diary, std::string step, std::string id) {
  std::ofstream{diary, std::ios::app} << step + ' ' + id + '\n' << std::flush;
  co_await context.sleep_for(std::chrono::milliseconds{20 + 5 * std::stoi(id)});
}
vm::Cloud cloud_with(const std::string& diary) {
  return [diary](Context& context, std::string step, std::string id) {
    return diary_step(context, diary, step, id);
  };
}

/// Waits until all machines run.
Task<> wait_until_all_run(Context& context) {
  for (;;) {
    const std::string all;
    int running = 0;
    try {
      for (const vm::Machine& machine : co_await context.call<vm::Load>("store", all)) {
        if (machine.state == "running") ++running;
      }
    } catch (const ProcessExit&) {
      running = 0;  // the store is being restarted
    }
    if (running == k_machines) co_return;
    co_await context.sleep_for(5ms);
  }
}

/// Asks until there is an answer.
Task<std::string> create(Context& context, std::string id) {
  const std::string size = "small";
  for (;;) {
    try {
      co_return co_await context.call<vm::Create>("manager", id, size);
    } catch (const ProcessExit&) {
      // The manager is being restarted.
    }
    co_await context.sleep_for(5ms);
  }
}

/// Runs the application on `file`, creates the machines that are not there, waits until all run.
Task<> create_all(Context& context, std::string file, std::string diary) {
  const vm::Cloud cloud = cloud_with(diary);
  const StartResult top = co_await start_supervisor(context, vm::application(file, cloud));
  if (!top.ok()) throw ProcessExit{top.reason};
  for (int i = 1; i <= k_machines; ++i) {
    const std::string id = std::to_string(i);
    if (co_await create(context, id) == "ok") {
      std::ofstream{diary, std::ios::app} << "created " + id + '\n' << std::flush;
    }
  }
  co_await wait_until_all_run(context);
  co_await stop_server(context, top.pid);
}

/// A running child program. It ends when all machines run, or tells so and stays to be killed.
class Child {
 public:
  Child(const std::string& file, const std::string& diary, const std::string& then) {
    Lines words{"child", k_child_flag, file, diary, then};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, arguments.data(), environ), 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  /// Waits until it has ended. Returns: whether by itself and with 0.
  [[nodiscard]] bool ends_well() const {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  void kill() const {
    EXPECT_EQ(::kill(pid_, SIGKILL), 0);
    EXPECT_FALSE(ends_well());
  }

 private:
  pid_t pid_ = 0;
};

Lines lines_of(const std::string& file) {
  Lines lines;
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// What a file holds that no node uses.
std::vector<vm::Machine> records(const std::string& file) {
  testkit::LocalWorld world;
  return world.run([file](Context& context) -> Task<std::vector<vm::Machine>> {
    const StartResult store = co_await start_link<vm::Store>(context, file);
    const std::string all;
    co_return co_await context.call<vm::Load>(store.pid, all);
  });
}
vm::Machine record_of(const std::vector<vm::Machine>& machines, const std::string& id) {
  for (const vm::Machine& machine : machines) {
    if (machine.id == id) return machine;
  }
  return {};
}
bool has(const vm::Machine& machine, const std::string& step) {
  return (' ' + machine.steps).find(' ' + step + ' ') != std::string::npos;
}

/// Nothing that others could know of is missing in the records.
void expect_complete(const Lines& diary, const std::vector<vm::Machine>& machines) {
  for (const std::string& line : diary) {
    const std::size_t space = line.find(' ');
    const vm::Machine machine = record_of(machines, line.substr(space + 1));
    EXPECT_NE(machine.state, "") << line;
    if (line.starts_with("configure")) {
      EXPECT_TRUE(has(machine, "instance") && has(machine, "dns")) << line;
    }
  }
}
/// No step that `before` has is in what the diary has from line `first` on.
void expect_no_repetition(const Lines& diary, std::size_t first,
                          const std::vector<vm::Machine>& before) {
  for (std::size_t at = first; at < diary.size(); ++at) {
    const std::size_t space = diary[at].find(' ');
    const vm::Machine machine = record_of(before, diary[at].substr(space + 1));
    EXPECT_FALSE(has(machine, diary[at].substr(0, space))) << diary[at];
  }
}

/// After how many lines of the diary the node is killed, twice.
class KilledNode : public testing::TestWithParam<std::pair<std::size_t, std::size_t>> {};

TEST_P(KilledNode, GoesOnWithEachMachineWhereItsRecordEnds) {
  const TemporaryFolder folder{FolderIn::disk};
  const std::string file = folder / "vm.db";
  const std::string diary = folder / "diary";
  std::vector<vm::Machine> before;
  std::size_t seen = 0;
  const std::unique_ptr<Clock> clock = make_system_clock();
  for (const std::size_t kill_after : {GetParam().first, GetParam().second}) {
    const Child child{file, diary, folder / "done"};
    EXPECT_TRUE(testkit::wait_until(*clock, [&] {
      return lines_of(diary).size() >= seen + kill_after || !lines_of(folder / "done").empty();
    }));
    child.kill();
    const Lines lines = lines_of(diary);
    expect_no_repetition(lines, seen, before);
    before = records(file);
    expect_complete(lines, before);
    seen = lines.size();
  }
  EXPECT_TRUE((Child{file, diary, "end"}.ends_well()));
  const Lines lines = lines_of(diary);
  expect_no_repetition(lines, seen, before);
  const std::vector<vm::Machine> after = records(file);
  EXPECT_EQ(after.size(), static_cast<std::size_t>(k_machines));
  for (const vm::Machine& machine : after) {
    EXPECT_EQ(machine.state, "running");
    EXPECT_LE(machine.attempts, 3);
    for (const char* step : {"instance", "dns", "configure"}) EXPECT_TRUE(has(machine, step));
  }
}

INSTANTIATE_TEST_SUITE_P(Early, KilledNode, testing::Values(std::pair{1, 3}, std::pair{4, 2}));
INSTANTIATE_TEST_SUITE_P(InTheMidst, KilledNode,
                         testing::Values(std::pair{10, 10}, std::pair{15, 4}, std::pair{20, 6}));

TEST(KilledStore, LosesNothingInTheMidstOfAWrite) {
  for (std::size_t round = 0; round < 5; ++round) {
    const TemporaryFolder folder{FolderIn::disk};
    const std::string diary = folder / "diary";
    const std::string file = folder / "vm.db";
    {
      RealWorld world{2};
      world.run([=](Context& context) -> Task<> {
        context.spawn_monitor(create_all, file, diary);
        while (lines_of(diary).size() < 2 + 5 * round) co_await context.sleep_for(1ms);
        if (const auto store = context.whereis("store")) context.exit(*store, ExitReason::kill());
        const Down down = co_await context.receive<Down>();
        EXPECT_EQ(down.reason, ExitReason::normal());
      });
    }
    const std::vector<vm::Machine> after = records(file);
    expect_complete(lines_of(diary), after);
    for (const vm::Machine& machine : after) EXPECT_EQ(machine.state, "running");
  }
}

int child_main(const std::string& file, const std::string& diary, const std::string& then) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  RealWorld world{2};
  world.run([=](Context& context) { return create_all(context, file, diary); });
  if (then == "end") return 0;
  std::ofstream{then} << "done" << std::endl;
  for (;;) pause();
}

}  // namespace

int run_child(char** words) { return child_main(words[2], words[3], words[4]); }

}  // namespace grove

int main(int argc, char** argv) {
  if (argc == 5 && std::string{argv[1]} == "--child-node") return grove::run_child(argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
