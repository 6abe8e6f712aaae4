// SPDX-License-Identifier: Apache-2.0
//
// Runs a job every second, unless the one before still runs.
#pragma once

#include "job.hpp"

namespace jobs {

struct RunJob {};

class Periodic : public grove::ParentServer {
 public:
  using Handles = grove::Handles<RunJob>;
  explicit Periodic(std::uint64_t seed, Job job = sleep_and_tell) : random_{seed}, job_{job} {
    context().send_interval(std::chrono::seconds{1}, self(), RunJob{});
  }

  void handle_info(RunJob) {
    if (is_child("job")) {
      node().log().info("previous job already running");
    } else {
      start_child(grove::job("job", job_, grove::Random{random_.next()}));
    }
  }

 private:
  static grove::Task<> sleep_and_tell(grove::Context& context, grove::Random chance) {
    const auto time = some_time(chance, 2000);
    co_await context.sleep_for(time);
    context.node().log().info(std::to_string(time.count()));
  }

  grove::Random random_;
  Job job_;
};

}  // namespace jobs
