// SPDX-License-Identifier: Apache-2.0
#include "grove/node/registry.hpp"

#include "grove/node/sys.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Read {
  using Reply = int;
};
struct Bump {};

class Counter : public GenServer {
 public:
  using Handles = grove::Handles<Read, Bump>;
  int handle_call(Read) { return count_; }
  void handle_cast(Bump) { ++count_; }

 private:
  int count_ = 0;
};

/// Waits for `pid` to end.
Task<ExitReason> end_of(Context& context, Pid pid) {
  const Ref ref = context.monitor(pid);
  const auto is_it = [ref](const Down& down) { return down.ref == ref; };
  const Down down = co_await context.receive<Down>(is_it);
  co_return down.reason;
}

/// Lets others run until they wait.
Task<> settle(Context& context) {
  for (int turns = 0; turns < 3; ++turns) co_await context.sleep_for(1ms);
}

/// A process that does what it is told.
struct Do {
  using Reply = std::string;
  std::function<void(Context&)> what;
};
class Actor : public GenServer {
 public:
  using Handles = grove::Handles<Do>;
  std::string handle_call(Do order) {
    order.what(context());
    return "done";
  }
};

Task<Pid> actor(Context& context) {
  ServerOptions options;
  options.link = false;
  StartResult started = co_await start_server<Actor>(context, options);
  co_return started.pid;
}

/// Has `pid` do `what` and waits until it has.
Task<> let(Context& context, Pid pid, std::function<void(Context&)> what) {
  co_await context.call<Do>(pid, what);
}

std::string text(const std::vector<RegistryEntry>& entries) {
  std::string out;
  for (const RegistryEntry& entry : entries) out += to_string(entry.value) + ' ';
  return out;
}
std::string text(const std::vector<Value>& values) {
  std::string out;
  for (const Value& value : values) out += to_string(value) + ' ';
  return out;
}

/// The rules hold whatever the number of partitions.
class Registries : public testing::TestWithParam<unsigned> {
 protected:
  [[nodiscard]] static RegistryOptions options() {
    RegistryOptions some;
    some.partitions = GetParam();
    return some;
  }
  static Task<Registry> start(Context& context, RegistryKind kind) {
    const StartResult started = co_await start_registry(context, "r", kind, options());
    EXPECT_TRUE(started.ok()) << to_string(started);
    co_return Registry{context, "r"};
  }
  LocalWorld world_;
};

INSTANTIATE_TEST_SUITE_P(Partitions, Registries, testing::Values(1U, 8U),
                         testing::PrintToStringParamName());

TEST_P(Registries, GiveAUniqueKeyToOneProcessAndNameItToOthers) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::unique);
    EXPECT_EQ(r.register_key("k", 1).holder(), context.self());
    const Registration again = r.register_key("k", 2);
    EXPECT_EQ(again.error().code, Errc::name_taken);
    EXPECT_EQ(again.holder(), context.self());
    const Pid other = co_await actor(context);
    Pid holder;
    co_await let(context, other, [&](Context&) { holder = r.register_key("k", 3).holder(); });
    EXPECT_EQ(holder, context.self());
    EXPECT_TRUE(r.keys(other).empty());
    EXPECT_EQ(r.lookup("k"), (std::vector<RegistryEntry>{{context.self(), 1}}));
    EXPECT_EQ(r.whereis("k"), context.self());
    EXPECT_EQ(r.count(), 1U);
  });
}

TEST_P(Registries, TakeKeysOfOtherTypesForOtherKeys) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::unique);
    EXPECT_TRUE(r.register_key(1, "integer"));
    EXPECT_TRUE(r.register_key(1.0, "real"));
    EXPECT_TRUE(r.register_key("1", "string"));
    EXPECT_EQ(text(r.lookup(1)), "\"integer\" ");
    EXPECT_EQ(text(r.lookup(1.0)), "\"real\" ");
  });
}

TEST_P(Registries, GiveADuplicateKeyToManyAndToOneSeveralTimes) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::duplicate);
    const Pid other = co_await actor(context);
    EXPECT_TRUE(r.register_key("k", 1));
    co_await let(context, other, [&](Context&) { EXPECT_TRUE(r.register_key("k", 2)); });
    EXPECT_TRUE(r.register_key("k", 3));
    EXPECT_TRUE(r.register_key("j", 4));
    EXPECT_EQ(text(r.lookup("k")), "1 2 3 ");
    EXPECT_EQ(text(r.keys(context.self())), R"("k" "k" "j" )");
    EXPECT_EQ(text(r.values("k", context.self())), "1 3 ");
    EXPECT_EQ(text(r.values("k", other)), "2 ");
  });
}

TEST_P(Registries, UnregisterTheCallersEntriesAndNobodyElses) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::duplicate);
    const Pid other = co_await actor(context);
    for (const int value : {1, 2}) EXPECT_TRUE(r.register_key("k", value));
    co_await let(context, other, [&](Context&) {
      EXPECT_TRUE(r.register_key("k", 3));
      r.unregister("nobody's");
    });
    r.unregister("k");
    EXPECT_EQ(text(r.lookup("k")), "3 ");
    EXPECT_TRUE(r.keys(context.self()).empty());
    r.unregister("k");
    EXPECT_EQ(text(r.lookup("k")), "3 ");
  });
}

TEST_P(Registries, UnregisterOfTheCallersEntriesThoseThatMatch) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::duplicate);
    const Pid other = co_await actor(context);
    for (const int value : {1, 2, 2}) EXPECT_TRUE(r.register_key("k", value));
    co_await let(context, other, [&](Context&) { EXPECT_TRUE(r.register_key("k", 2)); });
    // The function may use the registry: it runs under no lock.
    r.unregister_match("k", [&](const Value& value) { return value == Value{2} && r.count() > 0; });
    EXPECT_EQ(text(r.lookup("k")), "1 2 ");
    EXPECT_EQ(text(r.keys(context.self())), "\"k\" ");
  });
}

TEST_P(Registries, UnregisterNoEntryThatTheFunctionHasNotSeen) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::unique);
    // So often that the memory of the first entry is soon another's.
    for (int times = 1; times < 300; ++times) {
      EXPECT_TRUE(r.register_key("k", "old"));
      r.unregister_match("k", [&](const Value&) {
        for (int i = 0; i < times; ++i) {
          r.unregister("k");
          EXPECT_TRUE(r.register_key("k", "new"));
        }
        return true;
      });
      EXPECT_EQ(text(r.lookup("k")), "\"new\" ") << times;
      r.unregister("k");
    }
  });
}

TEST_P(Registries, UpdateAValueForItsOwnerAlone) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::unique);
    EXPECT_TRUE(r.register_key("k", 1));
    const auto plus_one = [](const Value& value) { return Value{*value.as_integer() + 1}; };
    const auto updated = r.update_value("k", plus_one);
    EXPECT_EQ(updated->now, Value{2});
    EXPECT_EQ(updated->before, Value{1});
    int calls = 0;
    const auto counts = [&](const Value&) { return Value{++calls}; };
    EXPECT_EQ(r.update_value("j", counts).error().code, Errc::not_found);
    const Pid other = co_await actor(context);
    co_await let(context, other, [&](Context&) {
      EXPECT_EQ(r.update_value("k", counts).error().code, Errc::not_found);
    });
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(text(r.lookup("k")), "2 ");
  });
}

TEST_P(Registries, OfDuplicateKeysHaveNoValueToUpdate) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::duplicate);
    EXPECT_THROW((void)r.update_value("k", [](const Value& v) { return v; }), ProcessExit);
  });
}

TEST_P(Registries, DispatchToAllEntriesOfAKeyAndNotAtAllToNone) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::duplicate);
    for (const int value : {1, 2, 3}) EXPECT_TRUE(r.register_key("k", value));
    EXPECT_TRUE(r.register_key("j", 4));
    std::vector<std::string> calls;
    const auto note = [&](const std::vector<RegistryEntry>& all) { calls.push_back(text(all)); };
    r.dispatch("k", note);
    r.dispatch("nobody's", note);
    EXPECT_EQ(calls, std::vector<std::string>{"1 2 3 "});
    const auto fails = [](const auto&) { throw std::runtime_error{"no"}; };
    EXPECT_THROW(r.dispatch("k", fails), std::runtime_error);
  });
}

TEST_P(Registries, FilterEntriesByKeyPidAndValue) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::duplicate);
    const Pid self = context.self();
    const Pid other = co_await actor(context);
    for (const int value : {1, 2, 3}) EXPECT_TRUE(r.register_key("k", value));
    co_await let(context, other, [&](Context&) { EXPECT_TRUE(r.register_key("j", 4)); });
    const auto is_large = [](const Pid&, const Value& v) { return *v.as_integer() >= 2; };
    EXPECT_EQ(text(r.match("k", is_large)), "2 3 ");
    EXPECT_EQ(r.count_match("k", is_large), 2U);
    const auto is_others = [&](const Value&, const Pid& pid, const Value&) { return pid != self; };
    EXPECT_EQ(r.select(is_others), (std::vector<RegistryRow>{{"j", other, 4}}));
    EXPECT_EQ(r.count_select([](const Value& key, const auto&...) { return key == Value{"k"}; }),
              3U);
  });
}

TEST_P(Registries, LoseTheEntriesOfAProcessHoweverItEnds) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::unique);
    for (const ExitReason& reason : {ExitReason::normal(), ExitReason::shutdown(),
                                     ExitReason::kill(), ExitReason::symbol("x")}) {
      const Pid owner = co_await actor(context);
      co_await let(context, owner, [&](Context&) {
        EXPECT_TRUE(r.register_key("k"));
        EXPECT_TRUE(r.register_key("j"));
      });
      co_await let(context, owner, [&](Context& its) { its.stop(reason); });
      co_await end_of(context, owner);
      EXPECT_TRUE(r.lookup("k").empty());
      EXPECT_TRUE(r.keys(owner).empty());
      co_await settle(context);
      EXPECT_EQ(r.count(), 0U);
    }
  });
}

TEST_P(Registries, LinkWhoHasKeysUntilTheLastHasGone) {
  world_.run([](Context& context) -> Task<> {
    (void)co_await start(context, RegistryKind::unique);
    const Pid server = *context.whereis("r");
    const Pid owner = co_await actor(context);
    const Registry r{context, "r"};
    std::vector<std::string> links;
    const auto note = [&] {
      context.node().inspect({owner}, [&, server](const std::vector<ProcessInfo>& rows) {
        links.push_back(std::to_string(std::ranges::count(rows.at(0).links, server)));
      });
    };
    note();
    co_await let(context, owner, [&](Context&) {
      EXPECT_TRUE(r.register_key("k"));
      EXPECT_TRUE(r.register_key("j"));
    });
    note();
    co_await let(context, owner, [&](Context&) { r.unregister("k"); });
    note();
    co_await let(context, owner, [&](Context&) { r.unregister("j"); });
    note();
    co_await settle(context);
    EXPECT_EQ(links, (std::vector<std::string>{"0", "1", "1", "0"}));
  });
}

TEST_P(Registries, TakeTheirRegistrantsWithThemWhenTheyAreKilled) {
  world_.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Registry r = co_await start(context, RegistryKind::unique);
    const Pid has = co_await actor(context);
    const Pid had = co_await actor(context);
    const Pid refused = co_await actor(context);
    co_await let(context, has, [&](Context&) { EXPECT_TRUE(r.register_key("k")); });
    co_await let(context, refused, [&](Context&) { EXPECT_FALSE(r.register_key("k")); });
    co_await let(context, had, [&](Context&) {
      EXPECT_TRUE(r.register_key("j"));
      r.unregister("j");
    });
    context.exit(*context.whereis("r"), ExitReason::kill());
    EXPECT_EQ(co_await end_of(context, has), ExitReason::killed());
    EXPECT_TRUE(context.node().is_alive(had));
    EXPECT_TRUE(context.node().is_alive(refused));
    EXPECT_THROW((void)r.lookup("k"), ProcessExit);
  });
}

TEST_P(Registries, StayLinkedToWhoStartedThem) {
  world_.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Registry r = co_await start(context, RegistryKind::unique);
    EXPECT_TRUE(r.register_key("k"));
    r.unregister("k");
    const Pid server = *context.whereis("r");
    context.exit(server, ExitReason::kill());
    const Exit exit = co_await context.receive<Exit>();
    EXPECT_EQ(exit.from, server);
  });
}

TEST_P(Registries, GiveTheKeyOfADeadProcessAwayBeforeTheyHaveHeardOfItsEnd) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::unique);
    const Pid owner = co_await actor(context);
    co_await let(context, owner, [&](Context&) { EXPECT_TRUE(r.register_key("k", "old")); });
    const Pid server = *context.whereis("r");
    co_await sys::suspend(context, server);
    context.exit(owner, ExitReason::kill());
    co_await end_of(context, owner);
    EXPECT_EQ(r.whereis("k"), std::nullopt);
    EXPECT_TRUE(r.lookup("k").empty());
    EXPECT_EQ(r.count(), 1U);
    EXPECT_TRUE(r.register_key("k", "new"));
    EXPECT_EQ(r.count(), 1U);
    co_await sys::resume(context, server);
    co_await settle(context);
    EXPECT_EQ(text(r.lookup("k")), "\"new\" ");
    EXPECT_EQ(r.whereis("k"), context.self());
    EXPECT_EQ(text(r.keys(context.self())), "\"k\" ");
  });
}

TEST_P(Registries, KeepTheEntriesOfALivingProcessThatSendsThemAnExitSignal) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::unique);
    const Pid owner = co_await actor(context);
    co_await let(context, owner, [&](Context& its) {
      EXPECT_TRUE(r.register_key("k"));
      its.exit(*its.whereis("r"), ExitReason::symbol("not_the_end"));
    });
    co_await settle(context);
    EXPECT_EQ(r.whereis("k"), owner);
  });
}

TEST_P(Registries, ForgetAKeyThatIsNoNumberAsAnyOther) {
  world_.run([](Context& context) -> Task<> {
    const Registry r = co_await start(context, RegistryKind::unique);
    const Value none{std::numeric_limits<double>::quiet_NaN()};
    EXPECT_TRUE(r.register_key(none));
    EXPECT_FALSE(r.register_key(none));
    r.unregister(none);
    EXPECT_EQ(r.count(), 0U);
    const Pid owner = co_await actor(context);
    co_await let(context, owner, [&](Context&) { EXPECT_TRUE(r.register_key(none)); });
    EXPECT_EQ(r.whereis(none), owner);
    context.exit(owner, ExitReason::kill());
    co_await end_of(context, owner);
    co_await settle(context);
    EXPECT_EQ(r.count(), 0U);
  });
}

// -- as names ---------------------------------------------------------------------------------

TEST(RegistryNames, AreTakenByAServerBeforeItsStartReturns) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    co_await start_registry(context, "counters", RegistryKind::unique);

    const Via name{"counters", 17};
    co_await start_server<Counter>(context, named(name));
    context.cast(name, Bump{});
    const int count = co_await context.call<Read>(name);
    EXPECT_EQ(count, 1);
    EXPECT_EQ(text(Registry(context, "counters").lookup(17)), "nil ");
  });
}

TEST(RegistryNames, HaveAValueBesideThem) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    co_await start_registry(context, "r", RegistryKind::unique);
    const ServerOptions options = named(Via{"r", "k", "eu"});
    co_await start_server<Counter>(context, options);
    EXPECT_EQ(text(Registry(context, "r").lookup("k")), "\"eu\" ");
  });
}

TEST(RegistryNames, OfARunningServerAreAlreadyStarted) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    co_await start_registry(context, "r", RegistryKind::unique);
    const ServerOptions options = named(Via{"r", "k"});
    const StartResult first = co_await start_server<Counter>(context, options);
    const StartResult second = co_await start_server<Counter>(context, options);
    EXPECT_EQ(second.status, StartResult::Status::already_started);
    EXPECT_EQ(second.pid, first.pid);
  });
}

TEST(RegistryNames, ThatNobodyHasAreNoprocAndNobodys) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    co_await start_registry(context, "r", RegistryKind::unique);
    for (const Via& name : {Via{"r", "k"}, Via{"no registry", "k"}}) {
      try {
        (void)co_await context.call<Read>(name);
        ADD_FAILURE() << "somebody answered";
      } catch (const ProcessExit& exit) {
        EXPECT_EQ(exit.reason(), ExitReason::noproc());
      }
      context.cast(name, Bump{});
      context.send(name, Bump{});
      context.monitor(name);
      const Down down = co_await context.receive<Down>();
      EXPECT_EQ(down.reason, ExitReason::noproc());
    }
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_no_name), 4U);
}

TEST(RegistryNames, AreMonitoredAndSentTo) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    co_await start_registry(context, "r", RegistryKind::unique);
    const Pid named = context.spawn([](Context& child) -> Task<> {
      EXPECT_TRUE(Registry(child, "r").register_key("k"));
      co_await child.receive<Bump>();
    });
    co_await settle(context);
    const Via name{"r", "k"};
    context.monitor(name);
    context.send(name, Bump{});
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.pid, named);
    EXPECT_TRUE(down.reason.is_normal());
    EXPECT_EQ(down.name, "\"k\"");
  });
}

TEST(RegistryNames, OfOneKeyAreFreeEachTimeItsServerHasEnded) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    co_await start_registry(context, "r", RegistryKind::unique);
    ServerOptions options = named(Via{"r", "k"});
    options.link = false;
    for (int round = 0; round < 100; ++round) {
      const StartResult started = co_await start_server<Counter>(context, options);
      EXPECT_TRUE(started.ok()) << round << ' ' << to_string(started);
      if (round % 2 == 0) {
        co_await stop_server(context, started.pid);
      } else {
        context.exit(started.pid, ExitReason::kill());
        co_await end_of(context, started.pid);
      }
    }
  });
}

TEST(RegistryNames, OfADuplicateRegistryAreRefused) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    co_await start_registry(context, "r", RegistryKind::duplicate);
    const ServerOptions options = named(Via{"r", "k"});
    const StartResult started = co_await start_server<Counter>(context, options);
    EXPECT_EQ(started.status, StartResult::Status::failed);
    EXPECT_NE(to_string(started.reason).find("bad_name"), std::string::npos);
    EXPECT_TRUE(Registry(context, "r").register_key("k"));
    EXPECT_EQ(context.resolve(Via{"r", "k"}), std::nullopt);
  });
}

TEST(RegistryNames, AreGivenBackByAServerThatIgnoresItsStart) {
  class Ignoring : public GenServer {
   public:
    Init init() { return Init::ignore(); }
  };
  LocalWorld{}.run([](Context& context) -> Task<> {
    co_await start_registry(context, "r", RegistryKind::unique);
    const ServerOptions options = named(Via{"r", "k"});
    const StartResult started = co_await start_server<Ignoring>(context, options);
    EXPECT_EQ(started.status, StartResult::Status::ignored);
    EXPECT_EQ(Registry(context, "r").count(), 0U);
  });
}

}  // namespace
}  // namespace grove
