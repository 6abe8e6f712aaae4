// SPDX-License-Identifier: Apache-2.0
//
// Runs the jobs that are added, at most ten at a time.
#pragma once

#include "job.hpp"

#include <deque>
#include <stdexcept>

namespace jobs {

struct AddJobs {
  int count = 0;
};

class Queue : public grove::ParentServer {
 public:
  using Handles = grove::Handles<AddJobs>;
  explicit Queue(std::uint64_t seed, Job job = sleep_and_try) : random_{seed}, job_{job} {}

  void handle_call(AddJobs add) {
    for (int item = 1; item <= add.count; ++item) pending_.push_back(item);
    start_pending();
  }

  void handle_child_terminated(const grove::Value&, const grove::Value&, grove::Pid,
                               const grove::ExitReason& reason) {
    node().log().info(reason.is_normal() ? "job succeeded" : "job failed");
    start_pending();
  }

 private:
  static constexpr std::size_t k_jobs_max = 10;

  void start_pending() {
    for (; !pending_.empty() && num_children() < k_jobs_max; pending_.pop_front()) {
      start_child(grove::job(context().make_ref(), job_, grove::Random{random_.next()}));
    }
  }

  static grove::Task<> sleep_and_try(grove::Context& context, grove::Random chance) {
    co_await context.sleep_for(some_time(chance, 1500));
    if (chance.percent(20)) throw std::runtime_error{"error"};
  }

  grove::Random random_;
  Job job_;
  std::deque<int> pending_;
};

/// The queue as a child, called "queue".
inline grove::ChildSpec queue(std::uint64_t seed) {
  return grove::child<Queue>("queue", seed).as("queue");
}

inline grove::Task<> add_jobs(grove::Context& context, int count) {
  co_await context.call<AddJobs>("queue", count);
}

}  // namespace jobs
