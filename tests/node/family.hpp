// SPDX-License-Identifier: Apache-2.0
//
// A parent server for tests, that does what it is asked for and tells what it hears.
#pragma once

#include "grove/node/node.hpp"
#include "grove/node/parent.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace grove::testkit {

using Story = std::shared_ptr<std::vector<std::string>>;

inline Story new_story() { return std::make_shared<std::vector<std::string>>(); }

inline Task<> sleep_long(Context& context) { co_await context.sleep_for(std::chrono::hours{1}); }
inline Task<> sleep_and_end(Context& context, Clock::Duration time) {
  co_await context.sleep_for(time);
}
inline Task<> fail(Context&) {
  throw std::runtime_error{"no luck"};
  co_return;
}
/// Ignores every signal but kill.
inline Task<> never_end(Context& context) {
  context.trap_exit(true);
  for (;;) co_await context.receive_any();
}

class Family;
struct Do {
  std::function<Task<>(Family&)> what;
};

/// Does what it is asked for, and tells what it hears.
class Family : public ParentServer {
 public:
  using Handles = grove::Handles<Do>;
  using ParentServer::await_child_termination;
  using ParentServer::child_id;
  using ParentServer::child_meta;
  using ParentServer::child_pid;
  using ParentServer::children;
  using ParentServer::context;
  using ParentServer::is_child;
  using ParentServer::num_children;
  using ParentServer::shutdown_all;
  using ParentServer::shutdown_child;
  using ParentServer::start_child;
  using ParentServer::stop;
  using ParentServer::update_child_meta;

  explicit Family(Story story = new_story()) : story_{std::move(story)} {}

  Task<> handle_call(Do request) { co_await request.what(*this); }
  void handle_info(const Exit& exit) { tell("exit " + to_string(exit.reason)); }
  void handle_child_terminated(const Value& id, const Value& meta, Pid pid,
                               const ExitReason& reason) {
    EXPECT_FALSE(is_child(id));
    EXPECT_EQ(child_id(pid), std::nullopt);
    tell(to_string(id) + ' ' + to_string(meta) + ' ' + to_string(reason) + ", left " +
         std::to_string(num_children()));
  }
  void terminate(const ExitReason&) {
    std::size_t alive = 0;
    for (const Child& child : children()) alive += node().is_alive(child.pid) ? 1 : 0;
    tell("terminate, alive " + std::to_string(alive));
  }

 private:
  void tell(std::string text) { story_->push_back(std::move(text)); }
  Story story_;
};

/// Has `family` run `what`.
inline Task<> ask(Context& context, Pid family, std::function<Task<>(Family&)> what) {
  co_await context.call<Do>(family, std::move(what));
}

inline Task<Pid> start_family(Context& context, Story story = new_story()) {
  context.trap_exit(true);
  const StartResult started = co_await start_link<Family>(context, std::move(story));
  EXPECT_TRUE(started.ok());
  co_return started.pid;
}

/// Starts long jobs, 1 to `count`. Returns: their pids.
inline Task<std::vector<Pid>> start_jobs(Context& context, Pid family, int count) {
  std::vector<Pid> pids;
  std::function<Task<>(Family&)> start = [&](Family& own) -> Task<> {
    for (int id = 1; id <= count; ++id) pids.push_back(own.start_child(job(id, sleep_long)).pid);
    co_return;
  };
  co_await ask(context, family, std::move(start));
  co_return pids;
}

/// The reason of the next Down of `ref`.
inline Task<std::string> reason_of(Context& context, Ref ref) {
  const auto its = [ref](const Down& down) { return down.ref == ref; };
  const auto down = co_await context.receive_for<Down>(std::chrono::seconds{10}, its);
  co_return down ? to_string(down->reason) : "no Down";
}

}  // namespace grove::testkit
