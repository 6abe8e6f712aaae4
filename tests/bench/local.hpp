// SPDX-License-Identifier: Apache-2.0
//
// What the rows of one node share.
#pragma once

#include "grove/node/node.hpp"

#include "bench/bench.hpp"

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace grove::bench {

inline constexpr std::uint64_t k_batch = 32;  // what a process does before others may go

struct Start {
  Pid peer;
};
struct Continue {};

/// A node on real threads.
class RealNode {
 public:
  explicit RealNode(unsigned workers)
      : clock_{make_system_clock()},
        scheduler_{make_thread_scheduler(workers)},
        node_{{.name = "bench", .clock = clock_.get(), .scheduler = scheduler_.get()}} {}
  ~RealNode() {
    node_.kill_all();
    scheduler_->stop();
  }
  RealNode(const RealNode&) = delete;
  RealNode& operator=(const RealNode&) = delete;
  Node& operator*() noexcept { return node_; }

 private:
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Scheduler> scheduler_;
  Node node_;
};

/// Shared, so that whoever fulfils one may outlive whoever waits for it.
template <class T>
using SharedPromise = std::shared_ptr<std::promise<T>>;

/// What `k_run` says: a tenth of the size to warm up, then all of it on the same node.
template <double (*k_run)(Node&, std::uint64_t)>
std::vector<Measurement> measured(const std::string& name, std::uint64_t size, const char* unit) {
  return on_two_and_one(name, [size, unit](const Measurement& measurement) {
    RealNode node{measurement.workers};
    const std::uint64_t count = scaled(size);
    k_run(*node, count / 10);
    return std::vector<Figure>{{measurement.name, k_run(*node, count), unit}};
  });
}

/// The figure `name` of a measurement, with the ending that says on how many cores.
[[nodiscard]] inline std::string figure_of(const Measurement& measurement,
                                           const std::string& name) {
  return measurement.workers == 1 ? name + ".1c" : name;
}

}  // namespace grove::bench
