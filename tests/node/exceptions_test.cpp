// SPDX-License-Identifier: Apache-2.0
//
// Exceptions from everywhere that a program's code runs. One process may end of them; its node
// lives on.
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct Note {};
struct Ask {
  using Reply = int;
};

Task<> do_nothing(Context&) { co_return; }

/// How a process that runs `code` ends.
Task<ExitReason> end_of(Context& context, std::function<Task<>(Context&)> code) {
  const Spawned child = context.spawn_monitor(std::move(code));
  const auto is_it = [child](const Down& down) { return down.ref == child.ref; };
  const auto down = co_await context.receive_for<Down>(1min, is_it);
  co_return down ? down->reason : ExitReason::symbol("still there");
}

struct Mute : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

// OTP: an uncaught error is {Reason, Stack}, a throw {{nocatch, V}, Stack}; here {error, type,
// text}.
TEST(Exceptions, OfAnyKindEndTheirProcess) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    ExitReason reason = co_await end_of(context, [](Context&) -> Task<> {
      throw 42;
      co_return;
    });
    EXPECT_EQ(reason, ExitReason::error("unknown", "an exception that is no std::exception"));
    reason = co_await end_of(context, [](Context&) -> Task<> {
      throw Mute{};
      co_return;
    });
    EXPECT_NE(to_string(reason).find("Mute"), std::string::npos) << to_string(reason);
    reason = co_await end_of(context, [](Context&) -> Task<> {
      throw std::bad_alloc{};
      co_return;
    });
    EXPECT_EQ(reason, ExitReason::error("std::bad_alloc", "std::bad_alloc"));
  });
  EXPECT_EQ(world.log().count(LogLevel::error), 3U);
}

struct ThrowingHandler final : Handler {
  explicit ThrowingHandler(bool at_once) {
    if (at_once) throw std::runtime_error("in its constructor");
  }
  void handle(Context&, Envelope&) override { throw std::runtime_error("in its handler"); }
};

TEST(Exceptions, OfAHandlersConstructorAndOfItsHandlerEndIt) {  // OTP: as any error
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.spawn_monitor<ThrowingHandler>(true);
    Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::error("std::runtime_error", "in its constructor"));
    const Spawned second = context.spawn_monitor<ThrowingHandler>(false);
    context.send(second.pid, Note{});
    down = co_await context.receive<Down>();
    EXPECT_EQ(down.reason, ExitReason::error("std::runtime_error", "in its handler"));
  });
}

enum class Where { constructor, init, init_task, call, call_task, terminate, terminate_task };

class ThrowingServer : public GenServer {
 public:
  using Handles = grove::Handles<Ask>;
  explicit ThrowingServer(Where where) : where_{where} { fail(Where::constructor); }
  Task<> init() {
    fail(Where::init);
    co_await context().sleep_for(1ms);
    fail(Where::init_task);
  }
  Task<int> handle_call(Ask) {
    fail(Where::call);
    co_await context().sleep_for(1ms);
    fail(Where::call_task);
    stop(ExitReason::symbol("asked"));
    co_return 1;
  }
  Task<> terminate(ExitReason) {
    fail(Where::terminate);
    co_await context().sleep_for(1ms);
    fail(Where::terminate_task);
  }

 private:
  void fail(Where here) const {
    if (here == where_) throw std::runtime_error("boom");
  }
  Where where_;
};

// OTP: {error, Reason} from start when it is before the end of init; the caller of a call, and
// links, get the reason; what terminate throws is the reason.
TEST(Exceptions, OfAServerEndItWithThatReasonWhereverTheyAre) {
  const ExitReason boom = ExitReason::error("std::runtime_error", "boom");
  for (int i = 0; i <= static_cast<int>(Where::terminate_task); ++i) {
    const auto where = static_cast<Where>(i);
    LocalWorld world;
    world.run([&](Context& context) -> Task<> {
      SCOPED_TRACE(i);
      context.trap_exit(true);
      const StartResult server = co_await start_link<ThrowingServer>(context, where);
      if (where <= Where::init_task) {
        EXPECT_EQ(server.status, StartResult::Status::failed);
        EXPECT_EQ(server.reason, boom);
      } else {
        EXPECT_TRUE(server.ok());
        try {
          co_await context.call<Ask>(server.pid);
          EXPECT_GE(where, Where::terminate);  // answered before it ends
        } catch (const ProcessExit& exit) {
          EXPECT_EQ(exit.reason(), boom);
        }
      }
      const Exit exit = co_await context.receive<Exit>();
      EXPECT_EQ(exit.reason, boom) << to_string(exit.reason);
    });
    EXPECT_EQ(world.node().process_count(), 0U);
  }
}

// OTP has no predicates, and refuses to call functions in guards: that cannot happen there.
TEST(Exceptions, OfAReceivesPredicateEndTheProcess) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const ExitReason reason = co_await end_of(context, [](Context& own) -> Task<> {
      own.send(own.self(), Note{});
      const auto fails = [](const Note&) -> bool { throw std::runtime_error("boom"); };
      co_await own.receive<Note>(fails);
    });
    EXPECT_EQ(reason, ExitReason::error("std::runtime_error", "boom"));
  });
}

// Destructors that may throw. A Handler's or GenServer's cannot (its base's destructor is
// noexcept, so the compiler refuses), nor can a capture's or a server's argument.
static_assert(std::is_nothrow_destructible_v<Handler> && std::is_nothrow_destructible_v<GenServer>);
struct ThrowsAtItsEnd {
  ThrowsAtItsEnd() = default;
  ThrowsAtItsEnd(const ThrowsAtItsEnd&) = delete;
  ~ThrowsAtItsEnd() noexcept(false) { throw std::runtime_error("in a destructor"); }
};

// OTP has no destructors.
TEST(Exceptions, OfALocalsDestructorAreTheReasonWhenItsScopeEnds) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const ExitReason reason = co_await end_of(context, [](Context&) -> Task<> {
      const ThrowsAtItsEnd bad;
      co_return;
    });
    EXPECT_EQ(reason, ExitReason::error("std::runtime_error", "in a destructor"));
  });
}

struct BadCopy {
  BadCopy() = default;
  BadCopy(const BadCopy&) { throw std::runtime_error("cannot be copied"); }
};
struct NoMemory {
  NoMemory() = default;
  NoMemory(const NoMemory&) { throw std::bad_alloc{}; }
};
template <class Bad>
Task<> take_bad(Context&, Bad) {
  co_return;
}
template <class Bad>
struct TakesBad final : Handler {
  explicit TakesBad(Bad) {}
  void handle(Context&, Envelope&) override {}
};

// OTP: spawn fails with system_limit or the VM ends; arguments cannot fail to be copied.
TEST(Exceptions, OfASpawnsArgumentStartNothing) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const std::size_t before = context.node().process_count();
    std::uint32_t highest = 0;
    for (int i = 0; i < 1000; ++i) {
      const BadCopy bad;
      const NoMemory none;
      EXPECT_THROW(context.spawn_link(take_bad<BadCopy>, bad), std::runtime_error);
      EXPECT_THROW(context.spawn_monitor(take_bad<NoMemory>, none), std::bad_alloc);
      EXPECT_THROW(context.spawn_link<TakesBad<BadCopy>>(bad), std::runtime_error);
      EXPECT_THROW(context.node().spawn(take_bad<NoMemory>, none), std::bad_alloc);
      EXPECT_THROW(context.spawn([bad](Context&) -> Task<> { co_return; }), std::runtime_error);
    }
    EXPECT_EQ(context.node().process_count(), before);
    for (int i = 0; i < 10; ++i) highest = std::max(highest, context.spawn(do_nothing).index);
    EXPECT_LT(highest, 1000U);  // their places were given back
    const EnvelopePtr nothing = co_await context.receive_any(1s);
    EXPECT_EQ(nothing, nullptr);
  });
}

}  // namespace
}  // namespace grove
