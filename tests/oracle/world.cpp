// SPDX-License-Identifier: Apache-2.0
#include "world.hpp"

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

World::World(Engine& engine)
    : engine_{engine},
      node_{{.name = "oracle", .clock = &engine.clock(), .scheduler = &engine.scheduler()}},
      timers_{*this},
      watcher_{node_.spawn<Watcher>(&recorder_)},
      root_{start_root(*this)} {}

World::~World() {
  node_.kill_all();
  if (!engine_.run_until_idle()) engine_.scheduler().stop();
}

bool World::settle() {
  Clock::TimePoint until;
  do {
    if (!engine_.run_until_idle()) return false;
    until = std::max(engine_.clock().now(), awaited_.latest());
  } while (engine_.clock().advance_to_next(until));
  return true;
}

}  // namespace grove::oracle
