// SPDX-License-Identifier: Apache-2.0
//
// RealWorld: one node without a cluster on real threads and real time.
#pragma once

#include "grove/node/node.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>

namespace grove::testkit {

/// One node on real threads. It is destroyed while the scheduler still runs.
class RealWorld {
 public:
  explicit RealWorld(unsigned workers) : RealWorld{ThreadSchedulerOptions{.workers = workers}} {}
  explicit RealWorld(const ThreadSchedulerOptions& options)
      : clock_{make_system_clock()},
        scheduler_{make_thread_scheduler(options)},
        node_{{.name = "stress", .clock = clock_.get(), .scheduler = scheduler_.get()}} {}
  ~RealWorld() {
    node_.kill_all();
    EXPECT_TRUE(node_.wait_until_empty(std::chrono::minutes{1}));
  }

  [[nodiscard]] Node& node() noexcept { return node_; }
  /// Runs `function` (a coroutine of a Context&) as a process and waits for its result.
  template <class F>
  auto run(F function) {
    return node_.async(std::move(function)).get();
  }

 private:
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Scheduler> scheduler_;
  Node node_;
};

}  // namespace grove::testkit
