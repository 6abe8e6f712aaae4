// SPDX-License-Identifier: Apache-2.0
#include "grove/node/gen_server.hpp"

#include "integration/messages.hpp"
#include "integration/real_node.hpp"
#include "integration/squarer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using integration::Number;
using integration::Square;
using integration::start_squarer;
using testkit::RealNode;
using testkit::RealNodeOptions;
using testkit::value_of;

Task<> sit(Context& context) {
  for (;;) co_await context.receive_any();
}

/// The DOWNs of one monitor: the first, and all that came until somebody said enough.
Task<std::vector<ExitReason>> watch(Context& context, Pid pid, std::promise<Pid>* ready) {
  context.monitor(pid);
  ready->set_value(context.self());
  std::vector<ExitReason> reasons;
  for (;;) {
    const EnvelopePtr next = co_await context.receive_any();
    if (const Down* down = next->message.get<Down>()) {
      reasons.push_back(down->reason);
    } else if (next->message.is<Number>()) {
      co_return reasons;
    }
  }
}

class ZmqCluster : public testing::Test {
 protected:
  RealNode& add(const std::string& name, RealNodeOptions options = {}) {
    nodes.push_back(std::make_unique<RealNode>(name, options));
    const auto bound = nodes.back()->start();
    EXPECT_TRUE(bound) << bound.error().detail;
    return *nodes.back();
  }
  /// Nodes a and b, connected.
  void pair_up() {
    a = &add("a");
    b = &add("b", {.seeds = {a->address()}});
    ASSERT_TRUE(a->wait_for_sessions(1));
    ASSERT_TRUE(b->wait_for_sessions(1));
  }
  std::vector<std::unique_ptr<RealNode>> nodes;
  RealNode* a = nullptr;
  RealNode* b = nullptr;
};

// -- membership -----------------------------------------------------------------------------

TEST_F(ZmqCluster, OneSeedMakesAFullMesh) {
  pair_up();
  RealNode& c = add("c", {.seeds = {a->address()}});
  for (const auto& node : nodes) {
    EXPECT_TRUE(node->wait_for_sessions(2)) << node->node().name();
    EXPECT_EQ(node->members().size(), 3U);
  }
  EXPECT_TRUE(c.wait([&c] {  // one that did not run for a moment is suspect for another
    const std::vector<Member> members = c.members();
    return std::all_of(members.begin(), members.end(),
                       [](const Member& one) { return one.state == Member::State::up; });
  }));
  for (const Member& member : c.members()) EXPECT_EQ(member.self, member.name == "c");
  for (const auto& node : nodes) {
    EXPECT_EQ(node->count(Metric::sessions_down), 0U) << node->node().name();
    EXPECT_EQ(node->count(Metric::frames_malformed), 0U) << node->node().name();
  }
}

TEST_F(ZmqCluster, ANodeJoinsLaterAndBeforeItsSeed) {
  RealNode& early = add("early");
  const std::string address = [] {  // of a node that is not there any more
    RealNode gone{"gone", {}};
    return gone.start().value();
  }();
  EXPECT_TRUE(early.cluster().join(address));
  EXPECT_TRUE(early.wait_for_log(address));
  RealNode& late = add("late", {.listen = address});
  EXPECT_TRUE(early.wait_for_sessions(1));
  EXPECT_TRUE(late.wait_for_sessions(1));
  EXPECT_EQ(early.cluster().join("no address").error().code, Errc::bad_address);
}

TEST_F(ZmqCluster, ANodeThatLeavesIsToldFromOneThatFails) {
  pair_up();
  auto left = std::make_shared<std::promise<void>>();
  auto heard = left->get_future();
  b->cluster().leave([left] { left->set_value(); });
  value_of(heard);
  EXPECT_TRUE(a->wait_for_sessions(0));
  for (const Member& member : a->members()) {
    EXPECT_TRUE(member.self || member.state == Member::State::left) << member.name;
  }
}

// -- signals --------------------------------------------------------------------------------

TEST_F(ZmqCluster, MessagesCallsLinksAndMonitorsCross) {
  pair_up();
  const Pid squarer = b->run(start_squarer);
  const int answer = a->run([squarer](Context& context) -> Task<int> {
    co_return co_await context.call<Square>(squarer, 12);
  });
  EXPECT_EQ(answer, 144);
  const Pid there = b->node().spawn(sit);
  const ExitReason linked = a->run([there](Context& context) -> Task<ExitReason> {
    context.trap_exit(true);
    context.link(there);
    context.exit(there, ExitReason::symbol("boom"));
    const Exit exit = co_await context.receive<Exit>();
    co_return exit.reason;
  });
  EXPECT_EQ(linked, ExitReason::symbol("boom"));
  const ExitReason monitored = a->run([there](Context& context) -> Task<ExitReason> {
    context.monitor(there);
    const Down down = co_await context.receive<Down>();
    co_return down.reason;
  });
  EXPECT_EQ(monitored, ExitReason::noproc());
  const Pid other = b->node().spawn(sit);
  a->node().spawn([other](Context& context) -> Task<> {
    context.link(other);
    context.exit(ExitReason::symbol("bang"));
    co_return;
  });
  EXPECT_TRUE(b->wait([&] { return !b->node().is_alive(other); }));
}

TEST_F(ZmqCluster, NamesAreVisibleEverywhereAndGoWithTheirProcess) {
  pair_up();
  add("c", {.seeds = {a->address()}});
  for (const auto& node : nodes) ASSERT_TRUE(node->wait_for_sessions(2));
  const Pid holder = b->node().spawn(sit);
  ASSERT_TRUE(b->node().register_name("held", holder, Scope::cluster));
  for (const auto& node : nodes) {
    EXPECT_TRUE(node->wait([&] { return node->node().whereis("held", Scope::cluster) == holder; }))
        << node->node().name();
  }
  b->node().exit(holder, ExitReason::kill());
  for (const auto& node : nodes) {
    EXPECT_TRUE(node->wait([&] {
      return !node->node().whereis("held", Scope::cluster).has_value();
    })) << node->node().name();
  }
}

/// Sends `count` numbers and waits for an answer.
Task<int> send_numbers(Context& context, Pid to, int count) {
  for (int i = 0; i < count; ++i) context.send(to, Number{i, {}});
  co_return co_await context.call_for<Square>(testkit::k_patience, to, 3);
}
/// Answers when all have come, in order.
class Counter : public GenServer {
 public:
  using Handles = grove::Handles<Square, Number>;
  void handle_info(const Number& number) {
    in_order = in_order && number.value == received;
    ++received;
  }
  int handle_call(Square) { return in_order ? received : -1; }
  int received = 0;
  bool in_order = true;
};
Task<Pid> start_counter(Context& context) {
  ServerOptions options;
  options.link = false;
  const StartResult result = co_await start_server<Counter>(context, options);
  co_return result.pid;
}

// Its turn goes on, and with it the gathering of what it has to say of names.
TEST_F(ZmqCluster, WhoHearsOfANameThroughOthersFindsItBeforeItsGiversTurnEnds) {
  pair_up();
  std::promise<std::optional<Pid>> found;
  auto seen = found.get_future();
  std::promise<Pid> looking;
  auto looker = looking.get_future();
  auto done = b->node().async([&](Context& context) -> Task<> {
    looking.set_value(context.self());
    co_await context.receive<Number>();
    found.set_value(context.whereis("third", Scope::cluster));
  });
  const Pid there = value_of(looker);
  const bool in_time = a->run([&](Context& context) -> Task<bool> {
    const Pid other = context.spawn(
        [](Context& between, Pid to) -> Task<> {
          auto number = co_await between.receive<Number>();
          between.send(to, std::move(number));
        },
        there);
    for (const char* name : {"first", "second", "third"}) {
      EXPECT_TRUE(context.register_name(name, context.spawn(sit), Scope::cluster));
    }
    context.send(other, Number{1, {}});
    co_return seen.wait_for(testkit::k_patience) == std::future_status::ready;
  });
  EXPECT_TRUE(in_time);
  value_of(done);
  EXPECT_TRUE(value_of(seen));
}

TEST_F(ZmqCluster, AHundredThousandMessagesEachWayArriveInOrderAndComplete) {
  pair_up();
  const Pid at_a = a->run(start_counter);
  const Pid at_b = b->run(start_counter);
  auto there = a->node().async(
      [at_b](Context& context) -> Task<int> { return send_numbers(context, at_b, 100'000); });
  auto back = b->node().async(
      [at_a](Context& context) -> Task<int> { return send_numbers(context, at_a, 100'000); });
  EXPECT_EQ(value_of(there), 100'000);
  EXPECT_EQ(value_of(back), 100'000);
  EXPECT_EQ(a->count(Metric::sessions_down), 0U);
}

TEST_F(ZmqCluster, AMessageIsNotHeldBackByTheNextProcessThatNeverReturns) {
  a = &add("a", {.workers = 1});
  b = &add("b", {.seeds = {a->address()}});
  ASSERT_TRUE(a->wait_for_sessions(1));
  ASSERT_TRUE(b->wait_for_sessions(1));
  std::promise<void> arrived;
  const Pid receiver = b->node().spawn([&arrived](Context& context) -> Task<> {
    co_await context.receive<Number>();
    arrived.set_value();
  });
  std::promise<void> returned;
  a->node().spawn([&, gone = arrived.get_future().share()](Context& context) -> Task<> {
    context.spawn([gone, &returned](Context&) -> Task<> {
      gone.wait();
      returned.set_value();
      co_return;
    });
    context.send(receiver, Number{1, {}});
    co_return;
  });
  auto end = returned.get_future();
  value_of(end);
}

TEST_F(ZmqCluster, AStuckProcessIsDownElsewhereAtOnceWhenItIsKilled) {
  pair_up();
  std::promise<void> begun;
  std::promise<void> end;
  const Pid stuck =
      a->node().spawn([&begun, released = end.get_future().share()](Context&) -> Task<> {
        begun.set_value();
        released.wait();
        co_return;
      });
  auto inside = begun.get_future();
  value_of(inside);
  auto reason = b->node().async([stuck](Context& context) -> Task<ExitReason> {
    context.monitor(stuck);
    context.exit(stuck, ExitReason::kill());
    const Down down = co_await context.receive<Down>();
    co_return down.reason;
  });
  EXPECT_EQ(value_of(reason), ExitReason::killed());
  end.set_value();
}

TEST_F(ZmqCluster, LargeMessagesArriveWhole) {
  pair_up();
  auto whole = std::make_shared<std::promise<Pid>>();
  auto receiver = whole->get_future();
  auto sizes = b->node().async([whole](Context& context) -> Task<std::vector<std::size_t>> {
    whole->set_value(context.self());
    std::vector<std::size_t> received;
    for (int i = 0; i < 4; ++i) {
      const Number number = co_await context.receive<Number>();
      received.push_back(number.padding.size());
    }
    co_return received;
  });
  const Pid to = value_of(receiver);
  const std::vector<std::size_t> sent{0, 65'536, 1'000'000, 15'000'000};
  for (const std::size_t size : sent) {
    Number number{1, std::vector<std::byte>(size, std::byte{7})};
    a->node().send(to, std::move(number));
  }
  EXPECT_EQ(value_of(sizes), sent);
}

// -- ends -----------------------------------------------------------------------------------

TEST_F(ZmqCluster, AnAbruptEndIsOneDownAndTheNameGoesAndTheSamePortComesBack) {
  pair_up();
  const Pid there = b->node().spawn(sit);
  ASSERT_TRUE(b->node().register_name("held", there, Scope::cluster));
  ASSERT_TRUE(a->wait([&] { return a->node().whereis("held", Scope::cluster) == there; }));
  std::promise<Pid> ready;
  auto watcher = ready.get_future();
  auto downs =
      a->node().async([there, &ready](Context& context) { return watch(context, there, &ready); });
  const Pid watching = value_of(watcher);
  b->pull_the_cable();
  ASSERT_TRUE(a->wait_for_sessions(0));
  ASSERT_TRUE(a->wait_for_count(Metric::downs_noconnection, 1));
  EXPECT_EQ(a->node().whereis("held", Scope::cluster), std::nullopt);
  const std::string address = b->address();
  nodes.pop_back();
  // It knows nobody: a comes back to it by itself.
  RealNode& again = add("b", {.listen = address});
  EXPECT_TRUE(a->wait_for_sessions(1));
  EXPECT_TRUE(again.wait_for_sessions(1));
  EXPECT_GT(again.node().life(), node_life(there.node));
  EXPECT_EQ(a->node().whereis("held", Scope::cluster), std::nullopt);
  a->node().send(watching, Number{});
  EXPECT_EQ(value_of(downs), std::vector<ExitReason>{ExitReason::noconnection()});
  EXPECT_EQ(a->count(Metric::downs_noconnection), 1U);
}

TEST_F(ZmqCluster, NodesComeAndGoWithoutLeavingAnythingBehind) {
  a = &add("a");
  for (int i = 0; i < 10; ++i) {
    RealNode passing{"passing", {.seeds = {a->address()}}};
    ASSERT_TRUE(passing.start());
    ASSERT_TRUE(a->wait_for_sessions(1));
    ASSERT_TRUE(passing.wait_for_sessions(1));
    passing.pull_the_cable();
    ASSERT_TRUE(a->wait_for_sessions(0));
  }
  EXPECT_EQ(a->count(Metric::sessions_up), 10U);
  EXPECT_EQ(a->count(Metric::sessions_down), 10U);
}

// -- refusals -------------------------------------------------------------------------------

TEST_F(ZmqCluster, ATakenPortIsSaidToBeTaken) {
  a = &add("a");
  RealNode second{"second", {.listen = a->address()}};
  const auto bound = second.start();
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Errc::address_in_use);
  EXPECT_NE(bound.error().detail.find(a->address()), std::string::npos);
}

TEST_F(ZmqCluster, AddressesThatAreNoneAreRefused) {
  for (const char* address : {"nowhere", "127.0.0.1:", "127.0.0.1:70000", ":1", "192.0.2.1:0",
                              "no-such-host.invalid:0"}) {
    RealNode node{"node", {.listen = address}};
    const auto bound = node.start();
    ASSERT_FALSE(bound) << address;
    EXPECT_EQ(bound.error().code, Errc::bad_address) << address;
  }
}

TEST_F(ZmqCluster, WithoutACookieOnlyLoopbackIsListenedOn) {
  for (const char* address :
       {"0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0", "127.host.invalid:0"}) {
    for (const bool listens : {true, false}) {
      RealNode node{"node", listens ? testkit::RealNodeOptions{.listen = address, .cookie = ""}
                                    : testkit::RealNodeOptions{.cookie = "", .advertise = address}};
      const auto bound = node.start();
      ASSERT_FALSE(bound) << address;
      const bool is_none = !listens && (std::string_view{address} == "0.0.0.0:0" ||
                                        std::string_view{address} == "[::]:0");
      EXPECT_EQ(bound.error().code, is_none ? Errc::bad_address : Errc::refused) << address;
      EXPECT_EQ(bound.error().detail.find("GROVE_COOKIE") == std::string::npos, is_none) << address;
    }
  }
  a = &add("a", {.cookie = ""});
  b = &add("b", {.seeds = {a->address()}, .cookie = ""});
  EXPECT_TRUE(b->wait_for_sessions(1));
}

TEST_F(ZmqCluster, AWrongCookieNeverJoinsAndBothLogsSaySo) {
  a = &add("a", {.cookie = "right"});
  b = &add("b", {.seeds = {a->address()}, .cookie = "wrong"});
  EXPECT_TRUE(a->wait_for_log("wrong cookie"));
  EXPECT_TRUE(b->wait_for_log("handshake refused, probably the cookie"));
  EXPECT_TRUE(a->wait_for_count(Metric::handshakes_refused, 3));  // it tries again and again
  EXPECT_TRUE(b->wait_for_count(Metric::handshakes_refused, 3));
  EXPECT_EQ(a->count(Metric::sessions_up), 0U);
  EXPECT_EQ(b->count(Metric::sessions_up), 0U);
  EXPECT_EQ(a->members().size(), 1U);
}

TEST_F(ZmqCluster, WithAndWithoutACookieNeverJoinAndBothLogsSaySo) {
  for (const bool listener_has_one : {true, false}) {
    a = &add("a", {.cookie = listener_has_one ? "cookie" : ""});
    b = &add("b", {.seeds = {a->address()}, .cookie = listener_has_one ? "" : "cookie"});
    RealNode* with = listener_has_one ? a : b;
    RealNode* without = listener_has_one ? b : a;
    // Who notices hangs up at once, so that the other side may never know for sure.
    EXPECT_TRUE(with->wait_for_log(with == a ? "refused a stranger" : "probably the cookie"));
    EXPECT_TRUE(without->wait_for_log(without == a ? "refused a stranger" : "it has a cookie"));
    EXPECT_TRUE(a->wait_for_count(Metric::handshakes_refused, 2));
    EXPECT_EQ(a->count(Metric::sessions_up), 0U);
    EXPECT_EQ(b->count(Metric::sessions_up), 0U);
    nodes.clear();
  }
}

TEST_F(ZmqCluster, AnotherClusterNeverJoins) {
  a = &add("a", {.cluster = "one"});
  b = &add("b", {.seeds = {a->address()}, .cluster = "two"});
  EXPECT_TRUE(b->wait_for_count(Metric::handshakes_refused, 2));
  EXPECT_TRUE(a->has_logged("another cluster"));
  EXPECT_TRUE(b->has_logged("another cluster"));
  EXPECT_EQ(a->count(Metric::sessions_up), 0U);
}

}  // namespace
}  // namespace grove
