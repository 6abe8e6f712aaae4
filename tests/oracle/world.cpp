// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

#include "actor.hpp"
#include "supervised.hpp"

#include <algorithm>
#include <utility>

namespace grove::oracle {
namespace {

/// What comes from another node finds its world here.
struct Worlds {
  std::mutex mutex;
  std::map<NodeId, World*> of;
};
Worlds& worlds() {
  static Worlds all;
  return all;
}

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

World* World::of(const Node& node) {
  const std::lock_guard lock{worlds().mutex};
  return worlds().of.at(node.id());
}

World::~World() {
  const std::lock_guard lock{worlds().mutex};
  worlds().of.erase(node_id_);
}

void World::start(Node& node) {
  node_id_ = node.id();
  node_ = &node;
  watcher_ = node.spawn<Watcher>(&recorder_);
  root_ = start_root(*this);
  const std::lock_guard lock{worlds().mutex};
  worlds().of.insert_or_assign(node_id_, this);
}

void World::run(const Pid& actor, const Op& op) { node_->send(actor, op); }
void World::pause(const Pid& actor) { node_->send(actor, Pause{}); }
void World::resume(const Pid& actor, const std::vector<Op>& queued) {
  node_->send(actor, Resume{queued});
}
void World::help(const Op& op) { node_->spawn(run_helper, this, op); }

}  // namespace grove::oracle
