// SPDX-License-Identifier: Apache-2.0
//
// A registry as a process: under a supervisor, killed and started again; its listeners; its meta.
#include "grove/node/registry.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Ask {
  using Reply = int;
};
class Answering : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  int handle_call(Ask) { return 42; }
};

Task<> end_of(Context& context, Pid pid) {
  const Ref ref = context.monitor(pid);
  const auto is_it = [ref](const Down& down) { return down.ref == ref; };
  co_await context.receive<Down>(is_it);
}

TEST(RegistryProcess, IsThereWhenItsStartReturnsAndGoneWhenItHasEnded) {
  LocalWorld world;
  world.run([&](Context& context) -> Task<> {
    context.trap_exit(true);
    const Registry r{context, "r"};
    EXPECT_THROW((void)r.lookup("k"), ProcessExit);
    const StartResult started = co_await start_registry(context, "r", RegistryKind::unique);
    EXPECT_EQ(context.whereis("r"), started.pid);
    EXPECT_TRUE(r.register_key("k"));
    co_await stop_server(context, started.pid);
    EXPECT_EQ(world.node().directory("r"), nullptr);
    try {
      (void)r.register_key("k");
      ADD_FAILURE() << "there is no registry";
    } catch (const ProcessExit& exit) {
      EXPECT_EQ(to_string(exit.reason()), R"({unknown_registry,"r"})");
    }
  });
}

TEST(RegistryProcess, IsAlreadyStartedUnderItsName) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    const StartResult first = co_await start_registry(context, "r", RegistryKind::unique);
    EXPECT_TRUE(Registry(context, "r").register_key("k"));
    const StartResult second = co_await start_registry(context, "r", RegistryKind::duplicate);
    EXPECT_EQ(second.status, StartResult::Status::already_started);
    EXPECT_EQ(second.pid, first.pid);
    EXPECT_EQ(Registry(context, "r").count(), 1U);
  });
}

TEST(RegistryProcess, EndsWithTheDirectorysNameWhenTheProgramHasTakenThat) {
  class Nowhere : public Directory {
   public:
    Result<void> register_name(Context&, const Via&) override { return {}; }
    void unregister_name(Context&, const Value&) override {}
    [[nodiscard]] std::optional<Pid> whereis(const Value&) const override { return {}; }
  };
  LocalWorld world;
  ASSERT_TRUE(world.node().add_directory("r", std::make_shared<Nowhere>()));
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const StartResult started = co_await start_registry(context, "r", RegistryKind::unique);
    EXPECT_EQ(started.reason, ExitReason::symbol("name_taken"));
  });
  EXPECT_NE(world.node().directory("r"), nullptr);
}

TEST(RegistryProcess, TakesItsNameAgainWhenItsSupervisorRestartsIt) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    SupervisorSpec app;
    app.children.push_back(registry("names", RegistryKind::unique));
    app.children.push_back(child<Answering>("answering").as(Via{"names", "answer"}));
    app.intensity = {100, 1s};
    co_await start_supervisor(context, app);
    const Registry names{context, "names"};
    const Via name{"names", "answer"};
    for (int round = 0; round < 50; ++round) {
      const Pid server = *context.whereis("names");
      context.exit(server, ExitReason::kill());
      co_await end_of(context, server);
      co_await context.sleep_for(1s);
      EXPECT_NE(context.whereis("names"), server);
      const int answer = co_await context.call<Ask>(name);
      EXPECT_EQ(answer, 42);
      EXPECT_EQ(names.count(), 1U);
    }
  });
}

TEST(RegistryProcess, EndsWithItsParent) {
  LocalWorld world;
  world.run([&](Context& context) -> Task<> {
    const Pid parent = context.spawn([](Context& child) -> Task<> {
      co_await start_registry(child, "r", RegistryKind::unique);
      co_await child.receive<Exit>();
    });
    co_await context.sleep_for(1ms);
    const Pid server = *context.whereis("r");
    context.exit(parent, ExitReason::shutdown());
    co_await end_of(context, server);
    EXPECT_EQ(world.node().directory("r"), nullptr);
  });
}

TEST(RegistryMeta, IsKeptWithTheRegistry) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    co_await start_registry(context, "r", RegistryKind::duplicate);
    const Registry r{context, "r"};
    EXPECT_EQ(r.meta("limit"), std::nullopt);
    r.put_meta("limit", 1);
    r.put_meta("limit", 2);
    EXPECT_EQ(r.meta("limit"), Value{2});
    r.delete_meta("limit");
    EXPECT_EQ(r.meta("limit"), std::nullopt);
  });
}

// -- listeners --------------------------------------------------------------------------------

std::string text(const RegistryEvent& event) {
  const bool came = event.kind == RegistryEvent::Kind::registered;
  return event.registry + (came ? " + " : " - ") + to_string(event.key) + ' ' +
         to_string(event.value);
}

TEST(RegistryListeners, HearOfEachEntryThatComesAndGoes) {
  LocalWorld{}.run([](Context& context) -> Task<> {
    EXPECT_TRUE(context.register_name("ear", context.self()));
    RegistryOptions options;
    options.listeners = {"ear", "nobody"};
    co_await start_registry(context, "r", RegistryKind::unique, options);
    const Registry r{context, "r"};
    EXPECT_TRUE(r.register_key("k", 1));
    EXPECT_FALSE(r.register_key("k", 2));
    r.unregister("nobody's");
    r.unregister("k");
    const Pid owner = context.spawn([](Context& child) -> Task<> {
      EXPECT_TRUE(Registry(child, "r").register_key("j", 3));
      child.exit(ExitReason::shutdown());
      co_return;
    });
    co_await context.sleep_for(1ms);
    for (const char* expected : {R"(r + "k" 1)", R"(r - "k" 1)", R"(r + "j" 3)", R"(r - "j" 3)"}) {
      const RegistryEvent event = co_await context.receive<RegistryEvent>();
      EXPECT_EQ(text(event), expected);
      EXPECT_EQ(event.pid, event.key == Value{"j"} ? owner : context.self());
    }
    EXPECT_FALSE(co_await context.receive_for<RegistryEvent>(1s));
  });
}

struct Noise {};

TEST(RegistryListeners, HearOfAllThoughTheirMailboxIsFull) {
  for (const MailboxPolicy policy :
       {MailboxPolicy::drop_newest, MailboxPolicy::drop_oldest, MailboxPolicy::fail}) {
    SCOPED_TRACE(static_cast<int>(policy));
    LocalWorld{}.run([policy](Context& context) -> Task<> {
      const auto listen = [](Context& own, Pid boss) -> Task<> {
        (void)own.register_name("ear", own.self());
        co_await own.sleep_for(1s);
        for (int i = 0; i < 2; ++i) {
          const auto event = co_await own.receive_for<RegistryEvent>(1s);
          own.send(boss, event ? text(*event) : std::string{"nothing"});
        }
      };
      SpawnOptions bounded{.mailbox = {.messages = 2, .policy = policy}};
      const Pid ear = context.spawn_opt(bounded, listen, context.self()).pid;
      co_await context.sleep_for(1ms);  // it has its name
      RegistryOptions options;
      options.listeners = {"ear"};
      const StartResult r = co_await start_registry(context, "r", RegistryKind::unique, options);
      for (int i = 0; i < 2; ++i) context.node().send(ear, Noise{});
      context.spawn([](Context& child) -> Task<> {
        EXPECT_TRUE(Registry(child, "r").register_key("k", 1));
        co_return;
      });
      co_await context.sleep_for(1ms);
      for (int i = 0; i < 2; ++i) context.node().send(ear, Noise{});
      EXPECT_EQ(co_await context.receive<std::string>(), R"(r + "k" 1)");
      EXPECT_EQ(co_await context.receive<std::string>(), R"(r - "k" 1)");
      EXPECT_TRUE(context.node().is_alive(r.pid));
    });
  }
}

TEST(RegistryStarter, ThatHasUnlinkedItIsClearedAwayAsWell) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto start = [](Context& own) -> Task<> {
      const StartResult started = co_await start_registry(own, "r", RegistryKind::duplicate);
      own.unlink(started.pid);
      for (int i = 0; i < 3; ++i) (void)Registry{own, "r"}.register_key("key");
    };
    context.spawn_monitor(start);
    co_await context.receive<Down>();
    co_await context.sleep_for(1s);
    const Registry registry{context, "r"};
    EXPECT_EQ(registry.count(), 0U);
  });
}

}  // namespace
}  // namespace grove
