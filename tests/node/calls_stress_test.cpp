// SPDX-License-Identifier: Apache-2.0
//
// Calls beside a full mailbox, and streams whose tasks end late, on real threads.
#include "grove/node/async_stream.hpp"
#include "grove/node/gen_server.hpp"

#include "support/real_world.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <latch>
#include <thread>
#include <utility>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::RealWorld;

struct Ping {
  int number = 0;
};

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}

/// Adds up what it is called with.
class Adder : public GenServer {
 public:
  struct Add {
    using Reply = std::uint64_t;
    std::uint64_t by = 0;
  };
  using Handles = grove::Handles<Add>;
  std::uint64_t handle_call(Add add) { return sum_ += add.by; }

 private:
  std::uint64_t sum_ = 0;
};

// Calls that looked at each waiting message would take hours: CTest would end these two.
constexpr int k_queued = 500'000;
constexpr std::uint64_t k_calls = 1'000'000;

TEST(Calls, CostNoMoreWhenTheirCallersMailboxIsFull) {
  RealWorld world{1};
  world.run([](Context& context) -> Task<> {
    for (int i = 0; i < k_queued; ++i) context.send(context.self(), Ping{i});
    const StartResult adder = co_await start_link<Adder>(context);
    std::uint64_t sum = 0;
    const std::uint64_t one = 1;
    for (std::uint64_t i = 0; i < k_calls; ++i) {
      sum = co_await context.call<Adder::Add>(adder.pid, one);
    }
    EXPECT_EQ(sum, k_calls);
    const Ping first = co_await context.receive<Ping>();
    EXPECT_EQ(first.number, 0);
  });
}

TEST(Calls, AreAbandonedAtNoMoreCostWhenTheMailboxIsFull) {
  RealWorld world{1};
  world.run([](Context& context) -> Task<> {
    for (int i = 0; i < k_queued; ++i) context.send(context.self(), Ping{i});
    const Pid silent = context.spawn(wait_for_ever);
    for (std::uint64_t i = 0; i < k_calls; ++i) {
      const auto dropped = context.send_request<Adder::Add>(silent, std::uint64_t{1});
      if (i % 1'000 == 0) co_await context.sleep_for(0ms);
    }
    const Ping first = co_await context.receive<Ping>();
    EXPECT_EQ(first.number, 0);
  });
}

struct Begin {};

/// Asks more than it wants to know now.
class Asker : public GenServer {
 public:
  using Handles = grove::Handles<Begin, Ping>;
  static constexpr int k_kept = 50'000;

  Asker(Pid adder, Pid boss) : adder_{adder}, boss_{boss} {}
  void handle_info(Begin) {
    for (int i = 0; i < k_kept; ++i) {
      open_.push_back(context().send_request<Adder::Add>(adder_, std::uint64_t{1}));
    }
  }
  void handle_info(Ping ping) {
    if (ping.number == k_queued) context().send(boss_, ping);
  }

 private:
  Pid adder_;
  Pid boss_;
  std::vector<Request<std::uint64_t>> open_;
};

// To look at each answer for each message would be 25 billion steps.
TEST(Calls, WhoseAnswersAreKeptHoldUpNoMessages) {
  RealWorld world{1};
  world.run([](Context& context) -> Task<> {
    const StartResult adder = co_await start_link<Adder>(context);
    const StartResult asker = co_await start_link<Asker>(context, adder.pid, context.self());
    context.send(asker.pid, Begin{});
    context.send(asker.pid, Ping{k_queued});
    co_await context.receive<Ping>();
    const std::uint64_t one = 1;
    co_await context.call<Adder::Add>(adder.pid, one);  // now all are answered
    for (int i = 0; i <= k_queued; ++i) context.send(asker.pid, Ping{i});
    co_await context.receive<Ping>();
  });
}

// -- tasks ----------------------------------------------------------------------------------

// Whoever lets go of a task looks for its answer, while the watchdog acts on signals in its place.
TEST(Tasks, AreLetGoInCodeThatDoesNotReturnForLongWhileSignalsCome) {
  RealWorld world{ThreadSchedulerOptions{.workers = 2, .stuck_after = 1ms}};
  std::promise<Pid> owner;
  std::atomic<bool> done{false};
  std::thread other{[&] {
    const Pid pid = owner.get_future().get();
    while (!done) world.node().exit(pid, ExitReason::normal());  // which is ignored
  }};
  world.run([&](Context& context) -> Task<> {
    owner.set_value(context.self());
    const AsyncTask<int> over{context.self(), {}, context.make_ref()};
    for (int i = 0; i < 1'000'000; ++i) EXPECT_FALSE(over.ignore());
    co_return;
  });
  done = true;
  other.join();
}

// -- streams --------------------------------------------------------------------------------

/// Its copies in other processes end only after the gate has opened.
struct EndsLate {
  EndsLate(std::latch* opens, const Pid& starter) : gate{opens}, owner{starter} {}
  EndsLate(const EndsLate&) = default;
  EndsLate(EndsLate&& other) noexcept
      : gate{std::exchange(other.gate, nullptr)}, owner{other.owner} {}
  ~EndsLate() {
    const Context* const running = Context::running();
    if (gate != nullptr && running != nullptr && running->self() != owner) gate->wait();
  }
  std::latch* gate;
  Pid owner;
};

TEST(Streams, AValueThatHasComeIsInTimeThoughItsTaskHasNotEnded) {
  std::latch gate{1};
  RealWorld world{2};
  world.run([&gate](Context& context) -> Task<> {
    const auto work = [late = EndsLate{&gate, context.self()}](int item) { return item; };
    const std::vector<int> items{7};
    const StreamOptions options{.timeout = 50ms, .on_timeout = OnTimeout::exit};
    auto stream = async_stream(context, items, work, options);
    const auto outcome = co_await stream.next();
    EXPECT_TRUE(outcome && outcome->ok());
    gate.count_down();
  });
}

}  // namespace
}  // namespace grove
