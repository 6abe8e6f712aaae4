// SPDX-License-Identifier: Apache-2.0
//
// Calls of functions on other nodes: a test each for what OTP's erpc promises.
#include "grove/node/erpc.hpp"

#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace erpc_test {

using namespace grove;
using namespace std::chrono_literals;
using testkit::SimWorld;

struct Point {
  int x = 0;
  std::vector<std::string> tags;
};

struct Ready {
  Pid pid;
};

int add(int a, int b) { return a + b; }
std::string where(Context& context, const std::string& greeting) {
  return greeting + context.node().name();
}
Task<Point> move_later(Context& context, Point from, std::chrono::milliseconds wait) {
  co_await context.sleep_for(wait);
  from.x += 1;
  from.tags.push_back(context.node().name());
  co_return from;
}
void fail() { throw std::runtime_error{"out of range"}; }
void leave(Context& context, std::string reason) { context.exit(ExitReason::symbol(reason)); }
Task<> be_killed(Context& context) {
  context.exit(context.self(), ExitReason::kill());
  co_return;
}
Task<> wait_to_be_ended(Context& context, Pid to) {
  const Ready ready{context.self()};
  context.send(to, ready);
  co_await context.sleep_for(1h);
}
/// Tells `to` that it has run, after a while.
Task<> tell(Context& context, Pid to, std::chrono::milliseconds wait) {
  co_await context.sleep_for(wait);
  context.send<std::string>(to, "ran on " + context.node().name());
}
/// A list in a list, and so on.
Value nested(int depth) {
  Value value;
  for (int level = 0; level < depth; ++level) value = Value::list({value});
  return value;
}
Value nest(Value inner) { return Value::list({std::move(inner)}); }
int not_there() { return 0; }

}  // namespace erpc_test

GROVE_MESSAGE(erpc_test::Point, "test.erpc.point", x, tags)
GROVE_MESSAGE(erpc_test::Ready, "test.erpc.ready", pid)
GROVE_REMOTE(erpc_test::add, "test.erpc.add")
GROVE_REMOTE(erpc_test::where, "test.erpc.where")
GROVE_REMOTE(erpc_test::move_later, "test.erpc.move_later")
GROVE_REMOTE(erpc_test::fail, "test.erpc.fail")
GROVE_REMOTE(erpc_test::leave, "test.erpc.leave")
GROVE_REMOTE(erpc_test::be_killed, "test.erpc.be_killed")
GROVE_REMOTE(erpc_test::wait_to_be_ended, "test.erpc.wait_to_be_ended")
GROVE_REMOTE(erpc_test::tell, "test.erpc.tell")
GROVE_REMOTE(erpc_test::nest, "test.erpc.nest")

// Without a registration: both nodes of a simulated cluster are one program.
template <>
struct grove::detail::RemoteFunction<erpc_test::not_there> {
  static constexpr bool k_declared = true;
  static constexpr std::string_view k_name = "test.erpc.not_there";
  static constexpr std::string_view k_answer_name = "test.erpc.not_there/answer";
};

namespace erpc_test {
namespace {

class Erpc : public testing::Test {
 protected:
  Erpc() {
    for (const char* name : {"a", "b", "c"}) world.add_node(name);
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  SimWorld world{5};
};

/// Why a call failed, and its cause; "value" if it did not.
template <class R>
Task<std::string> failure_of(Task<R> call) {
  try {
    co_await call;
  } catch (const erpc::Error& error) {
    co_return std::string{to_string(error.failure())} + ' ' + to_string(error.cause());
  }
  co_return "value";
}
/// The same, and what it would end its process with.
template <class R>
Task<std::string> reason_of(Task<R> call) {
  try {
    co_await call;
  } catch (const ProcessExit& exit) {
    co_return to_string(exit.reason());
  }
  co_return "value";
}

// RPC-1.
TEST_F(Erpc, ReturnsTheValueOfAnyFunction) {
  world.run("a", [](Context& context) -> Task<> {
    for (const std::string node : {"b", "a"}) {
      const int sum = co_await erpc::call<add>(context, node, 5s, 1, 2);
      EXPECT_EQ(sum, 3);
      const std::string there = co_await erpc::call<where>(context, node, 5s, "on ");
      EXPECT_EQ(there, "on " + node);
      const Point from{1, {"x"}};
      const Point to = co_await erpc::call<move_later>(context, node, 5s, from, 10ms);
      EXPECT_EQ(to.x, 2);
      EXPECT_EQ(to.tags, (std::vector<std::string>{"x", node}));
      co_await erpc::call<tell>(context, node, 5s, context.self(), 0ms);
      const std::string ran = co_await context.receive<std::string>();
      EXPECT_EQ(ran, "ran on " + node);
    }
  });
}

// RPC-1, RPC-2.
TEST_F(Erpc, TellsAnExceptionAnExitAndASignalApart) {
  world.run("a", [](Context& context) -> Task<> {
    for (const std::string node : {"b", "a"}) {
      EXPECT_EQ(co_await failure_of(erpc::call<fail>(context, node, 5s)),
                "exception {error,\"std::runtime_error\",\"out of range\"}");
      EXPECT_EQ(co_await reason_of(erpc::call<fail>(context, node, 5s)),
                "{exception,{error,\"std::runtime_error\",\"out of range\"}}");
      EXPECT_EQ(co_await failure_of(erpc::call<leave>(context, node, 5s, "bye")), "exit bye");
      EXPECT_EQ(co_await reason_of(erpc::call<leave>(context, node, 5s, "bye")), "{exception,bye}");
      EXPECT_EQ(co_await failure_of(erpc::call<be_killed>(context, node, 5s)), "signal killed");
      EXPECT_EQ(co_await reason_of(erpc::call<be_killed>(context, node, 5s)), "{signal,killed}");
    }
  });
}

TEST_F(Erpc, ASignalIsOneThoughItReadsAsARefusal) {
  world.run("a", [](Context& context) -> Task<> {
    for (const std::string node : {"b", "a"}) {
      for (const char* word : {"undef", "nodedown"}) {
        auto request = erpc::send_request<wait_to_be_ended>(context, node, context.self());
        const Ready ready = co_await context.receive<Ready>();
        context.exit(ready.pid, ExitReason{Value::tuple({Value::symbol(word), "c"})});
        const std::string failure =
            co_await failure_of(erpc::receive_response(context, std::move(request), 5s));
        EXPECT_EQ(failure, std::string{"signal {"} + word + ",\"c\"}");
      }
    }
  });
}

TEST_F(Erpc, OfWhatIsNotDeclaredThereIsUndefined) {
  world.run("a", [](Context& context) -> Task<> {
    EXPECT_EQ(co_await failure_of(erpc::call<not_there>(context, "b", 5s)),
              "undefined {undef,\"test.erpc.not_there\"}");
  });
}

// RPC-3.
TEST_F(Erpc, SaysWhenTheNodeIsAwayOrGoesMeanwhile) {
  auto lost = world["a"].node().async([](Context& context) -> Task<std::string> {
    EXPECT_EQ(co_await failure_of(erpc::call<add>(context, "nowhere", 5s, 1, 2)),
              "noconnection noconnection");
    EXPECT_THROW((void)erpc::send_request<add>(context, "no node", 1, 2), ProcessExit);
    const Point from{1, {}};
    co_return co_await reason_of(erpc::call<move_later>(context, "b", std::nullopt, from, 1h));
  });
  world.run_for(1s);
  world.kill("b");
  world.run_for(1min);
  EXPECT_EQ(SimWorld::ready(lost), "{erpc,noconnection}");
}

// RPC-4.
TEST_F(Erpc, ItsTimeoutHoldsWhenNothingComesThrough) {
  world.cut("a", "b");  // in silence: the request never arrives
  world.run("a", [](Context& context) -> Task<> {
    const Clock::TimePoint before = context.node().clock().now();
    EXPECT_EQ(co_await reason_of(erpc::call<add>(context, "b", 500ms, 1, 2)), "{erpc,timeout}");
    EXPECT_EQ(context.node().clock().now() - before, Clock::Duration{500ms});
  });
}

// RPC-5.
TEST_F(Erpc, AfterATimeoutTheWorkGoesOnAndNoAnswerComes) {
  world.run("a", [](Context& context) -> Task<> {
    const Point from{1, {}};
    for (const auto wait : {0ms, 1000ms}) {  // given up before, and after, it has begun there
      EXPECT_EQ(co_await failure_of(erpc::call<tell>(context, "b", wait, context.self(), 2000ms)),
                "timeout timeout");
      EXPECT_EQ(co_await failure_of(erpc::call<move_later>(context, "b", wait, from, 2000ms)),
                "timeout timeout");
      const std::string ran = co_await context.receive<std::string>();
      EXPECT_EQ(ran, "ran on b");
      const EnvelopePtr nothing = co_await context.receive_any(1min);
      EXPECT_EQ(nothing, nullptr);
    }
  });
}

// RPC-6.
TEST_F(Erpc, AMulticallGivesEachNodesOutcomeInTheirOrder) {
  world.run("a", [](Context& context) -> Task<> {
    const std::vector<std::string> nodes{"c", "nowhere", "a", "b"};
    auto all = co_await erpc::multicall<where>(context, nodes, 5s, "on ");
    EXPECT_EQ(all.size(), 4U);
    if (all.size() != 4) co_return;
    EXPECT_EQ(all[0].value(), "on c");
    EXPECT_EQ(all[1].error()->failure(), erpc::Failure::noconnection);
    EXPECT_EQ(all[2].value(), "on a");
    EXPECT_EQ(all[3].value(), "on b");

    const Clock::TimePoint before = context.node().clock().now();
    const auto late = co_await erpc::multicall<tell>(context, nodes, 500ms, context.self(), 2000ms);
    EXPECT_EQ(context.node().clock().now() - before, Clock::Duration{500ms});
    for (std::size_t at = 0; at < late.size(); ++at) {
      EXPECT_EQ(late[at].error()->failure(),
                at == 1 ? erpc::Failure::noconnection : erpc::Failure::timeout);
    }
    std::vector<std::string> ran;
    for (int i = 0; i < 3; ++i) ran.push_back(co_await context.receive<std::string>());
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
  });
}

// RPC-7.
TEST_F(Erpc, ACastReturnsAtOnceAndIsSilent) {
  world.run("a", [](Context& context) -> Task<> {
    erpc::cast<tell>(context, "b", context.self(), 1ms);
    erpc::cast<tell>(context, "nowhere", context.self(), 1ms);
    erpc::cast<fail>(context, "b");
    erpc::cast<not_there>(context, "b");
    const std::string ran = co_await context.receive<std::string>();
    EXPECT_EQ(ran, "ran on b");
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
  });
}

// RPC-8.
TEST_F(Erpc, AResponseIsTakenOnceAndWaitingDoesNotGiveItUp) {
  world.run("a", [](Context& context) -> Task<> {
    const Point from{1, {}};
    auto first = erpc::send_request<move_later>(context, "b", from, 2000ms);
    auto second = erpc::send_request<add>(context, "c", 1, 2);
    auto early = co_await erpc::wait_response(context, first, 100ms);
    EXPECT_FALSE(early);
    const int sum = co_await erpc::receive_response(context, std::move(second), 5s);
    EXPECT_EQ(sum, 3);
    auto outcome = co_await erpc::wait_response(context, first, 5s);
    EXPECT_TRUE(outcome);
    EXPECT_EQ(outcome ? outcome->value().x : 0, 2);
    EXPECT_THROW((void)co_await erpc::wait_response(context, first, 5s), ProcessExit);
    { const auto dropped = erpc::send_request<add>(context, "c", 1, 2); }
    const EnvelopePtr nothing = co_await context.receive_any(1min);
    EXPECT_EQ(nothing, nullptr);
  });
}

TEST_F(Erpc, WhatCannotBeSentIsNotWaitedForInVain) {
  world.run("a", [](Context& context) -> Task<> {
    // Too deep for a request, which is refused; for an answer, which is deeper: it has run.
    for (const auto& [depth, failed] : {std::pair{60, "refused"}, std::pair{31, "signal"}}) {
      const std::string failure =
          co_await failure_of(erpc::call<nest>(context, "b", std::nullopt, nested(depth)));
      EXPECT_TRUE(
          failure.starts_with(std::string{failed} + " {error,\"unsendable\",\"test.erpc.nest"))
          << failure;
    }
  });
}

TEST(ErpcToABusyPeer, IsRefusedAndNothingHasRun) {
  SimWorld world{5};
  world.configure([](ClusterConfig& config) {
    config.times.silence = 2h;
    config.flow = {.budget_bytes = 1U << 20U, .when_busy = BusyPolicy::fail, .slow_after = 1h};
  });
  world.add_node("a");
  world.add_node("b");
  EXPECT_TRUE(world.run_until([&world] { return world.all_connected(); }, 10s));
  const Pid sink = world["b"].node().spawn([](Context& context) -> Task<> {
    for (;;) co_await context.receive_any();
  });
  world.cut("a", "b");
  world.run("a", [sink](Context& context) -> Task<> {
    const auto fill = [sink](Context& own) {
      for (int i = 0; i < 30; ++i) own.send(sink, std::string(100'000, 'x'));
    };
    EXPECT_THROW(fill(context), ProcessExit);
    EXPECT_EQ(co_await failure_of(erpc::call<add>(context, "b", 5s, 1, 2)), "refused busy");
    EXPECT_EQ(co_await reason_of(erpc::call<add>(context, "b", 5s, 1, 2)), "{erpc,busy}");
  });
}

}  // namespace
}  // namespace erpc_test
