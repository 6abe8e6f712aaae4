// SPDX-License-Identifier: Apache-2.0
//
// A counter tells its state every second and adds one to it. Some fail at a certain state.
#pragma once

#include <grove/grove.hpp>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace counters {

struct Work {};

class Counter : public grove::GenServer {
 public:
  using Handles = grove::Handles<Work>;
  Counter(std::string name, std::optional<int> fails_at)
      : name_{std::move(name)}, fails_at_{fails_at} {
    work();
  }

  void handle_info(Work) {
    work();
    ++state_;
  }
  int debug_state() const { return state_; }

 private:
  void work() {
    if (state_ == fails_at_) throw std::runtime_error{"I'm " + name_ + " and I'm gonna error now"};
    node().log().info(name_ + ": working and my state is " + std::to_string(state_));
    context().send_after(std::chrono::seconds{1}, self(), Work{});
  }

  std::string name_;
  std::optional<int> fails_at_;
  int state_ = 0;
};

inline grove::Task<grove::StartResult> start_counter(grove::Context& context,
                                                     grove::ServerOptions options, std::string name,
                                                     std::optional<int> fails_at) {
  context.node().log().info(name + ": starting");
  const auto result = co_await grove::start_server<Counter>(context, options, name, fails_at);
  context.node().log().info(name + ": started");
  co_return result;
}

/// A counter as a child. Its supervisor tells when it is started, and when it has been.
inline grove::ChildSpec counter(const std::string& name, std::optional<int> fails_at = {}) {
  return {name, [=](grove::Context& context, grove::ServerOptions options) {
            return start_counter(context, std::move(options), name, fails_at);
          }};
}

/// One fails at 22, Two never, Three at 5.
inline grove::SupervisorSpec three_counters(grove::Strategy strategy) {
  return {.strategy = strategy,
          .children = {counter("Counter.One", 22), counter("Counter.Two"),
                       counter("Counter.Three", 5)}};
}

}  // namespace counters
