// SPDX-License-Identifier: Apache-2.0
//
// A program's signals: whatever thread one arrives at, no system call of it restarts by itself.
#include "grove/node/gen_server.hpp"

#include "integration/messages.hpp"
#include "integration/real_node.hpp"
#include "integration/squarer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace grove {
namespace {

using integration::Square;
using testkit::RealNode;

std::atomic<std::uint64_t> g_handled{0};  // signals

/// While it lives, all threads of this program but its own get one signal after the other.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action {};
    action.sa_handler = [](int) { ++g_handled; };
    sigaction(SIGUSR1, &action, &before_);
    thread_ = std::thread{[this] {
      while (!stopped_) {
        for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task"}) {
          const long id = std::stol(task.path().filename().string());
          if (id != gettid()) syscall(SYS_tgkill, getpid(), id, SIGUSR1);
        }
        std::this_thread::yield();
      }
    }};
  }
  ~SignalStorm() {
    stopped_ = true;
    thread_.join();
    std::signal(SIGUSR1, SIG_IGN);  // discards those that a thread has not taken in yet
    sigaction(SIGUSR1, &before_, nullptr);
  }
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;

 private:
  std::atomic<bool> stopped_{false};
  struct sigaction before_ {};
  std::thread thread_;
};

TEST(Signals, DisturbNoSession) {
  constexpr int k_calls = 3000;
  RealNode a{"a", {}};
  ASSERT_TRUE(a.start());
  RealNode b{"b", {.seeds = {a.address()}}};
  ASSERT_TRUE(b.start());
  ASSERT_TRUE(a.wait_for_sessions(1));
  ASSERT_TRUE(b.wait_for_sessions(1));
  a.run(integration::start_squarer);
  {
    const SignalStorm storm;
    const int wrong = b.run([](Context& context) -> Task<int> {
      int wrong_so_far = 0;
      for (int i = 0; i < k_calls; ++i) {
        const RemoteName squarer{"squarer", "a"};
        if (co_await context.call<Square>(squarer, i) != i * i) ++wrong_so_far;
      }
      co_return wrong_so_far;
    });
    EXPECT_EQ(wrong, 0);
  }
  EXPECT_GT(g_handled, 0U);
  for (RealNode* node : {&a, &b}) EXPECT_EQ(node->count(Metric::sessions_down), 0U);
}

}  // namespace
}  // namespace grove
