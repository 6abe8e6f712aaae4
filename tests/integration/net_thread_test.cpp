// SPDX-License-Identifier: Apache-2.0
//
// The thread that reads the network runs a process now and then, and is held up by none.
#include "grove/node/gen_server.hpp"

#include "integration/messages.hpp"
#include "integration/real_node.hpp"
#include "integration/squarer.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <latch>
#include <memory>
#include <thread>
#include <utility>

namespace grove {
namespace {

using namespace std::chrono_literals;
using integration::Number;
using integration::Square;
using integration::start_squarer;
using testkit::RealNode;
using testkit::value_of;

/// Does something with each message.
class Doing final : public Handler {
 public:
  explicit Doing(std::function<void()> action) : action_{std::move(action)} {}
  void handle(Context&, Envelope&) override { action_(); }

 private:
  std::function<void()> action_;
};

class NetThread : public testing::Test {
 protected:
  NetThread() {
    for (RealNode* const node : {&a_, &b_}) EXPECT_TRUE(node->start());
    EXPECT_TRUE(a_.cluster().join(b_.address()));
    EXPECT_TRUE(a_.wait_for_sessions(1));
    EXPECT_TRUE(b_.wait_for_sessions(1));
  }
  void send(const Pid& to) {
    a_.run([to](Context& context) -> Task<> {
      context.send(to, Number{});
      co_return;
    });
  }
  [[nodiscard]] std::thread::id thread_of_b() {
    auto promise = std::make_shared<std::promise<std::thread::id>>();
    auto future = promise->get_future();
    b_.cluster().nodes([promise](const auto&) { promise->set_value(std::this_thread::get_id()); });
    return value_of(future);
  }

  RealNode a_{"a", {}};
  RealNode b_{"b", {.stuck_after = 1ms}};
};

TEST_F(NetThread, RunsWhatAFrameIsForWhileTheWorkersSleep) {
  EXPECT_TRUE(b_.wait([&] {  // for as long as something else is awake, a worker does it
    const auto handled = std::make_shared<std::promise<std::thread::id>>();
    auto heard = handled->get_future();
    send(b_.node().spawn<Doing>([handled] { handled->set_value(std::this_thread::get_id()); }));
    return value_of(heard) == thread_of_b();
  }));
}

/// Holds up whoever waits for it, until it goes.
class Barrier {
 public:
  ~Barrier() { latch_->count_down(); }
  /// Who waits may outlive it.
  [[nodiscard]] std::shared_ptr<std::latch> latch() const { return latch_; }

 private:
  std::shared_ptr<std::latch> latch_ = std::make_shared<std::latch>(1);
};

TEST_F(NetThread, IsReplacedWhileWhatItRunsDoesNotReturn) {
  const Pid squarer = b_.run(start_squarer);
  EXPECT_TRUE(b_.wait([&] {  // as above; and after a slow one it runs none for a while
    const Barrier barrier;
    const std::thread::id before = thread_of_b();
    const auto inside = std::make_shared<std::promise<std::thread::id>>();
    auto heard = inside->get_future();
    const Pid blocking = b_.node().spawn<Doing>([latch = barrier.latch(), inside] {
      inside->set_value(std::this_thread::get_id());
      latch->wait();
    });
    send(blocking);
    const std::thread::id stuck = value_of(heard);
    const int answer = a_.run([squarer](Context& context) -> Task<int> {
      co_return co_await context.call_for<Square>(std::nullopt, squarer, 12);
    });
    EXPECT_EQ(answer, 144);
    return stuck == before;
  }));
}

}  // namespace
}  // namespace grove
