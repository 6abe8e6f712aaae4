// SPDX-License-Identifier: Apache-2.0
//
// Runs one job, which has a second, and ends as it did. To cancel it, stop the server.
#pragma once

#include "job.hpp"

#include <stdexcept>

namespace jobs {

struct TimeIsUp {};

class Cancellable : public grove::ParentServer {
 public:
  using Handles = grove::Handles<TimeIsUp>;
  explicit Cancellable(std::uint64_t seed, Job job = try_and_tell) {
    start_child(grove::job("job", job, grove::Random{seed}));
    context().send_after(std::chrono::seconds{1}, self(), TimeIsUp{});
  }

  void handle_info(TimeIsUp) {
    node().log().info("timeout");
    stop(grove::ExitReason::symbol("timeout"));
  }

  void handle_child_terminated(const grove::Value&, const grove::Value&, grove::Pid,
                               const grove::ExitReason& reason) {
    node().log().info(reason.is_normal() ? "job succeeded" : "job failed");
    stop(reason);
  }

 private:
  static grove::Task<> try_and_tell(grove::Context& context, grove::Random chance) {
    if (chance.percent(20)) throw std::runtime_error{"error"};
    const auto time = some_time(chance, 1500);
    co_await context.sleep_for(time);
    context.node().log().info(std::to_string(time.count()));
  }
};

}  // namespace jobs
