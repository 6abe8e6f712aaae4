// SPDX-License-Identifier: Apache-2.0
//
// Servers with names of a directory of the program's own.
#include "grove/node/gen_server.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Step {
  using Reply = int;
  std::string name;
};
struct Count {
  using Reply = int;
};

class Listed : public GenServer {
 public:
  using Handles = grove::Handles<Count>;
  int handle_call(Count) { return 0; }
};

/// A directory of the program's own (OTP: a `via` module).
class Phonebook final : public Directory {
 public:
  Result<void> register_name(Context& owner, const Via& name) override {
    if (pids_.contains(to_string(name.key))) return Error{Errc::name_taken, ""};
    pids_[to_string(name.key)] = owner.self();
    return {};
  }
  void unregister_name(Context&, const Value& key) override { pids_.erase(to_string(key)); }
  std::optional<Pid> whereis(const Value& key) const override {
    const auto place = pids_.find(to_string(key));
    return place == pids_.end() ? std::nullopt : std::optional{place->second};
  }

 private:
  std::map<std::string, Pid> pids_;
};

const Via k_via_self{"phonebook", "narcissus"};

class CallsItself : public GenServer {
 public:
  using Handles = grove::Handles<Count, Step>;
  Task<int> handle_call(Step step) {
    try {
      if (step.name == "pid") co_return co_await context().call<Count>(self());
      if (step.name == "via") co_return co_await context().call<Count>(k_via_self);
      co_return co_await context().call<Count>(step.name);
    } catch (const ProcessExit& failed) {
      co_return failed.reason() == ExitReason::symbol("calling_self") ? 1 : 0;
    }
  }
  int handle_call(Count) { return 99; }
};

// GEN-15.
TEST(ServerRef, ToOneselfByPidAndNameIsAnErrorAndNoDeadlock) {
  LocalWorld world;
  EXPECT_TRUE(world.node().add_directory("phonebook", std::make_shared<Phonebook>()));
  world.run([](Context& context) -> Task<> {
    const StartResult server = co_await start_server<CallsItself>(context, named("narcissus"));
    EXPECT_EQ(co_await context.call<Step>(server.pid, "pid"), 1);
    EXPECT_EQ(co_await context.call<Step>(server.pid, "narcissus"), 1);
    const StartResult via = co_await start_server<CallsItself>(context, named(k_via_self));
    EXPECT_EQ(co_await context.call<Step>(via.pid, "via"), 1);
  });
}

// NAM-1 to NAM-4.
TEST(Via, ADirectoryOfTheProgramNamesServers) {
  LocalWorld world;
  EXPECT_TRUE(world.node().add_directory("phonebook", std::make_shared<Phonebook>()));
  EXPECT_FALSE(world.node().add_directory("phonebook", std::make_shared<Phonebook>()));
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Via name{"phonebook", 112};
    const StartResult server = co_await start_server<Listed>(context, named(name));
    EXPECT_EQ(co_await context.call<Count>(name), 0);
    const StartResult again = co_await start_server<Listed>(context, named(name));
    EXPECT_EQ(again.status, StartResult::Status::already_started);
    EXPECT_EQ(again.pid, server.pid);
    const Ref ref = context.monitor(name);
    co_await stop_server(context, name);
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, ref);
    const Via unknown{"no such directory", 1};
    const StartResult nowhere = co_await start_server<Listed>(context, named(unknown));
    EXPECT_EQ(nowhere.status, StartResult::Status::failed);
  });
}

/// Its init comes to nothing, in one of several ways.
class NoServer : public GenServer {
 public:
  explicit NoServer(std::string how) : how_{std::move(how)} {
    if (how_ == "constructor") throw std::runtime_error{how_};
  }
  Task<Init> init() {
    co_await context().sleep_for(1ms);
    if (how_ == "throws") throw std::runtime_error{how_};
    if (how_ == "ignore") co_return Init::ignore();
    if (how_ == "exits") context().stop(ExitReason::symbol(how_));
    co_return how_ == "stops" ? Init::stop(ExitReason::symbol(how_)) : Init::ok();
  }

 private:
  std::string how_;
};

TEST(Via, IsGivenBackBeforeTheStarterHearsThatThereIsNoServer) {
  LocalWorld world;
  EXPECT_TRUE(world.node().add_directory("phonebook", std::make_shared<Phonebook>()));
  world.run([](Context& context) -> Task<> {
    const auto phonebook = context.node().directory("phonebook");
    for (const char* how : {"constructor", "throws", "ignore", "exits", "stops"}) {
      SCOPED_TRACE(how);
      ServerOptions options = named(Via{"phonebook", how});
      options.link = false;
      const std::string way{how};
      const StartResult started = co_await start_server<NoServer>(context, options, way);
      EXPECT_EQ(started.status,
                way == "ignore" ? StartResult::Status::ignored : StartResult::Status::failed);
      EXPECT_EQ(phonebook->whereis(how), std::nullopt);
    }
  });
}

}  // namespace
}  // namespace grove
