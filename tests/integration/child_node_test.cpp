// SPDX-License-Identifier: Apache-2.0
//
// A node in another program, so that it can be killed and stopped as the machine does it. The
// child is this test's own program, started with `--child-node`.
#include "grove/node/inspect.hpp"

#include "integration/messages.hpp"
#include "integration/real_node.hpp"
#include "support/resident_bytes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
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

using integration::Number;
using testkit::RealNode;
using testkit::RealNodeOptions;
using testkit::value_of;

constexpr const char* k_child_flag = "--child-node";

/// A running child program.
class Child {
 public:
  Child(const std::string& listen, const std::string& seed) {
    std::vector<std::string> words{"child", k_child_flag, listen, seed};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, arguments.data(), environ), 0);
  }
  ~Child() { kill(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void signal(int number) const { EXPECT_EQ(::kill(pid_, number), 0); }
  /// SIGKILL, and waits until it is gone.
  void kill() {
    if (pid_ == 0) return;
    signal(SIGKILL);
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it had ended by itself";
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

/// A node with one process that takes whatever comes, known as "sink".
int child_main(const std::string& listen, const std::string& seed) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  RealNode node{"child", {.seeds = {seed}, .listen = listen}};
  if (!node.start()) return 1;
  node.node().spawn([](Context& context) -> Task<> {
    (void)context.register_name("sink", context.self(), Scope::cluster);
    for (;;) co_await context.receive_any();
  });
  for (;;) pause();
}

class ChildNode : public testing::Test {
 protected:
  void start(const RealNodeOptions& options = {}) {
    parent = std::make_unique<RealNode>("parent", options);
    ASSERT_TRUE(parent->start());
  }
  [[nodiscard]] Pid sink_of(Life older) {
    Pid sink;
    EXPECT_TRUE(parent->wait([&] {
      sink = parent->node().whereis("sink", Scope::cluster).value_or(Pid{});
      return sink && node_life(sink.node) > older;
    }));
    return sink;
  }
  [[nodiscard]] std::string child_address() {
    for (const Member& member : parent->members()) {
      if (member.name == "child") return member.address;
    }
    return {};
  }
  std::unique_ptr<RealNode> parent;
};

TEST_F(ChildNode, AKilledProgramIsOneDownAndItsNameGoesAndItComesBackOnItsPort) {
  start();
  Child child{"127.0.0.1:0", parent->address()};
  const Pid sink = sink_of(Life{});
  const std::string address = child_address();
  std::promise<void> ready;
  auto watching = ready.get_future();
  auto downs =
      parent->node().async([sink, &ready](Context& context) -> Task<std::vector<ExitReason>> {
        EXPECT_TRUE(context.register_name("watcher", context.self()));
        context.monitor(sink);
        ready.set_value();
        std::vector<ExitReason> reasons;
        for (;;) {
          const EnvelopePtr next = co_await context.receive_any();
          if (const Down* down = next->message.get<Down>()) {
            reasons.push_back(down->reason);
          } else if (next->message.is<Number>()) {
            co_return reasons;
          }
        }
      });
  value_of(watching);
  child.kill();
  ASSERT_TRUE(parent->wait_for_count(Metric::downs_noconnection, 1));
  EXPECT_EQ(parent->node().whereis("sink", Scope::cluster), std::nullopt);
  EXPECT_EQ(parent->cluster().sessions(), 0U);
  Child again{address, "127.0.0.1:1"};  // it cannot find us: we find it
  const Pid next_sink = sink_of(node_life(sink.node));
  EXPECT_NE(next_sink, sink);
  parent->node().send(parent->node().whereis("watcher").value(), Number{});
  EXPECT_EQ(value_of(downs), std::vector<ExitReason>{ExitReason::noconnection()});
}

TEST_F(ChildNode, APeerThatDoesNotReadLosesItsSessionBeforeItCostsMuch) {
  start({.flow = {.slow_after = std::chrono::seconds{1}}});
  Child child{"127.0.0.1:0", parent->address()};
  const Pid sink = sink_of(Life{});
  child.signal(SIGSTOP);
  auto sent = parent->node().async([sink](Context& context) -> Task<std::size_t> {
    context.monitor(sink);
    std::size_t bytes = 0;
    for (;;) {
      Number number{0, std::vector<std::byte>(64'000)};
      bytes += number.padding.size();
      context.send(sink, std::move(number));
      const auto down = co_await context.receive_for<Down>(std::chrono::milliseconds{1});
      if (!down) continue;
      EXPECT_EQ(down->reason, ExitReason::noconnection());
      co_return bytes;
    }
  });
  EXPECT_LT(value_of(sent), FlowConfig{}.budget_bytes + 100'000);
  EXPECT_TRUE(parent->has_logged("too slow"));
  EXPECT_EQ(parent->count(Metric::sessions_slow), 1U);
  EXPECT_EQ(parent->cluster().sessions(), 0U);
  child.signal(SIGCONT);  // and when it reads again, it is welcome again
  EXPECT_TRUE(parent->wait_for_count(Metric::sessions_up, 2));
  EXPECT_EQ(sink_of(Life{}), sink) << "it was never dead";
}

// -- memory while a peer is stopped ---------------------------------------------------------

constexpr std::size_t k_mib = std::size_t{1} << 20U;
constexpr std::size_t k_sizes[] = {100, 64'000, 500'000, 2'000'000};
/// Beside the budget, in which all counts that waits or is under way (ZeroMQ has no limits of its
/// own, but is never given more than the window, a part of the budget): a message of each sender
/// beyond it, 2.6 MB; what two workers have in hand, a message and its packed copy, 8 MB; and what
/// the allocator keeps.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t k_slack = 1024 * k_mib;  // and shadows of it all, and what is freed yet kept
#else
constexpr std::size_t k_slack = 12 * k_mib;
#endif

/// What the senders have in common with their test.
struct Load {
  std::atomic<std::uint64_t> tries = 0;  // to send, whatever came of them
  std::atomic<bool> over = false;
};
/// Looks nobody up: it goes on when there is no session.
Task<> send_until_over(Context& context, Pid sink, std::size_t size, std::shared_ptr<Load> load) {
  while (!load->over) {
    context.send<Number>(sink, 0, std::vector<std::byte>(size));
    load->tries.fetch_add(1, std::memory_order_relaxed);
    co_await context.sleep_for(std::chrono::microseconds{100});
  }
}

class StoppedPeer : public ChildNode {
 protected:
  /// As the environment says, or five seconds.
  static std::chrono::milliseconds time_stopped() {
    const char* const text = std::getenv("GROVE_STOPPED_SECONDS");
    return std::chrono::seconds{text == nullptr ? 5 : std::stoi(text)};
  }
  /// A message of each size to the sink, and its answer to a question behind them.
  [[nodiscard]] bool exchange() {
    return parent->run([to = sink](Context& context) -> Task<bool> {
      for (const std::size_t size : k_sizes) {
        context.send<Number>(to, 0, std::vector<std::byte>(size));
      }
      try {
        co_return co_await is_alive(context, to);
      } catch (const ProcessExit&) {  // there is no session, or no room in it
        co_return false;
      }
    });
  }
  /// Waits, and sends from outside, which nothing suspends; keeps the most memory there was.
  [[nodiscard]] bool wait_and_measure(const std::function<bool()>& done, Clock::Duration patience) {
    const auto look = [&] {
      parent->node().send(sink, Number{0, std::vector<std::byte>(k_sizes[1])});
      peak = std::max(peak, testkit::resident_bytes());
      return done();
    };
    return testkit::wait_until(parent->clock(), look, patience);
  }
  /// A sender of each size, to a child that is stopped; if it is to be `given_up`, for so long from
  /// the end of its session.
  void expect_bounded_memory(RealNodeOptions options, bool given_up) {
    const std::chrono::milliseconds stopped = time_stopped();
    options.flow.budget_bytes = 32 * k_mib;
    start(options);
    Child child{"127.0.0.1:0", parent->address()};
    sink = sink_of(Life{});
    ASSERT_TRUE(exchange());
    const std::size_t baseline = testkit::resident_bytes();
    child.signal(SIGSTOP);
    const auto load = std::make_shared<Load>();
    for (const std::size_t size : k_sizes) {
      parent->node().spawn(send_until_over, sink, size, load);
    }
    if (given_up) {  // until then the senders may be suspended
      EXPECT_TRUE(wait_and_measure([&] { return downs() > 0; }, testkit::k_patience));
    }
    constexpr int parts = 10;
    for (int part = 1; part <= parts; ++part) {
      const std::uint64_t tries = load->tries;
      const Clock::TimePoint end = parent->clock().now() + stopped / parts;
      EXPECT_TRUE(wait_and_measure([&] { return parent->clock().now() >= end; },
                                   stopped + testkit::k_patience));
      EXPECT_GT(load->tries, tries) << "nobody sent in part " << part << " of " << parts;
    }
    EXPECT_LT(peak, baseline + options.flow.budget_bytes + k_slack)
        << "from " << baseline / k_mib << " MiB to " << peak / k_mib << " MiB";
    EXPECT_GT(parent->count(Metric::dead_letters_peer_busy), 0U) << "there was room all the time";
    load->over = true;
    child.signal(SIGCONT);  // all goes on
    EXPECT_TRUE(parent->wait([this] { return exchange(); }));
    EXPECT_EQ(sink_of(Life{}), sink) << "it was never dead";
    EXPECT_EQ(downs() > 0, given_up) << parent->last_logged("is down");
    RecordProperty("baseline_mib", std::to_string(baseline / k_mib));
    RecordProperty("peak_mib", std::to_string(peak / k_mib));
  }
  [[nodiscard]] std::uint64_t downs() const { return parent->count(Metric::sessions_down); }

  Pid sink;
  std::size_t peak = 0;
};

TEST_F(StoppedPeer, CostsNoMoreThanItsBudgetWhileItsSessionLasts) {
  RealNodeOptions options;
  options.flow.slow_after = std::chrono::hours{1};
  options.flow.when_busy = BusyPolicy::drop;  // or the senders would be suspended all the time
  expect_bounded_memory(options, false);
}

TEST_F(StoppedPeer, CostsNoMoreThanItsBudgetWhileItIsRedialled) {
  expect_bounded_memory({.times = {}}, true);
  EXPECT_GT(parent->count(Metric::dead_letters_no_connection), 0U);
}

}  // namespace

int run_child(int count, char** words) {
  return count == 4 && std::string{words[1]} == k_child_flag ? child_main(words[2], words[3]) : -1;
}

}  // namespace grove

int main(int argc, char** argv) {
  if (argc > 1 && std::string{argv[1]} == "--child-node") return grove::run_child(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
