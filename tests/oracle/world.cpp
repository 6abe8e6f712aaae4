// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include "actor.hpp"
#include "remote_spawn.hpp"
#include "supervised.hpp"

#include <algorithm>
#include <utility>

namespace grove::oracle {
namespace {

/// Monitors every actor. A handler, because it must answer whoever asks before it goes on.
class Watcher final : public Handler {
 public:
  explicit Watcher(Recorder* recorder) : recorder_{*recorder} {}

  void handle(Context& context, Envelope& envelope) override {
    if (const WatchFor* request = envelope.message.get<WatchFor>()) {
      context.monitor(request->pid);
      context.reply(From{envelope.from, envelope.serial});
    } else if (const Down* down = envelope.message.get<Down>()) {
      recorder_.died(down->pid, down->reason);
    }
  }

 private:
  Recorder& recorder_;
};

}  // namespace

AwaitedTimes::Ticket AwaitedTimes::add(Clock::TimePoint when) {
  const std::lock_guard lock{mutex_};
  times_.emplace(++last_, when);
  return last_;
}

void AwaitedTimes::remove(Ticket ticket) {
  const std::lock_guard lock{mutex_};
  times_.erase(ticket);
}

Clock::TimePoint AwaitedTimes::latest() const {
  const std::lock_guard lock{mutex_};
  Clock::TimePoint latest = Clock::TimePoint::min();
  for (const auto& [ticket, when] : times_) latest = std::max(latest, when);
  return latest;
}

bool AwaitedTimes::empty() const {
  const std::lock_guard lock{mutex_};
  return times_.empty();
}

void World::start(Node& node) {
  node_ = &node;
  watcher_ = node.spawn<Watcher>(&recorder_);
  root_ = start_root(*this);
  if (node.router() != nullptr) serve_remote_spawns(*this);
}

void World::run(const Pid& actor, const Op& op) { node_->send(actor, op); }
void World::pause(const Pid& actor) { node_->send(actor, Pause{}); }
void World::resume(const Pid& actor, const std::vector<Op>& queued) {
  node_->send(actor, Resume{queued});
}
void World::help(const Op& op) { node_->spawn(run_helper, this, op); }

}  // namespace grove::oracle
