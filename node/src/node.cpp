// SPDX-License-Identifier: Apache-2.0
#include "grove/node/node.hpp"

#include "grove/core/check.hpp"

#include "name_table.hpp"
#include "process.hpp"
#include "process_table.hpp"
#include "timers.hpp"

#include <algorithm>
#include <thread>

namespace grove {
namespace {

constexpr int k_spawn_cost = 8;  // of the spawner's turn, in messages

}  // namespace

Node::Node(NodeConfig config)
    : name_{std::move(config.name)},
      life_{config.life},
      clock_{config.clock},
      scheduler_{config.scheduler},
      log_{config.log != nullptr ? std::move(config.log) : make_null_log()},
      table_{std::make_unique<detail::ProcessTable>(*this)},
      names_{std::make_unique<detail::NameTable>()},
      timers_{std::make_unique<detail::Timers>(*this, *table_)} {
  GROVE_CHECK(clock_ != nullptr && scheduler_ != nullptr && is_node_name(name_));
  if (life_ == Life{}) life_ = Life{clock_->wall_micros()};
  id_ = intern_node(name_, life_);
}

Node::~Node() {
  timers_->close();
  if (scheduler_->running()) {
    // Its workers may still answer late signals to dead processes. A place that is claimed here
    // is never scheduled again.
    GROVE_CHECK(process_count() == 0);
    table_->for_each([](detail::Process& process) {
      while (!process.claim()) std::this_thread::yield();
    });
  }
  router_ = nullptr;
  table_->for_each([](detail::Process& process) { process.discard(); });
  table_->for_each([](detail::Process& process) { process.discard_messages(); });
}

// -- processes ------------------------------------------------------------------------------

Spawned Node::spawn_body(Context* parent, SpawnOptions options,
                         std::unique_ptr<detail::Body> body) {
  detail::Process* child = table_->claim();
  if (child == nullptr) throw ProcessExit{ExitReason::symbol("system_limit")};
  auto* spawner = static_cast<detail::Process*>(parent);
  Spawned spawned;
  const bool link = options.link && spawner != nullptr;
  const bool monitor = options.monitor && spawner != nullptr;
  const std::uint64_t start_serial = options.start_serial;
  child->begin(*this, spawner != nullptr ? spawner->pid() : Pid{}, std::move(options),
               std::move(body));
  spawned.pid = child->pid();
  // Both sides are in place before the child can run: a child that dies at once is not missed.
  if (link) {
    spawner->relations().link(spawned.pid);
    child->relations().on_link(spawner->pid(), 0);
  }
  if (start_serial != 0) {
    spawner->relations().watch(start_serial, {.target = spawned.pid, .is_call = true});
    child->relations().on_monitor({spawner->pid(), start_serial}, 0);
  }
  if (monitor) {
    spawned.ref = spawner->make_ref();
    spawner->relations().watch(spawned.ref.serial, {.target = spawned.pid});
    child->relations().on_monitor({spawner->pid(), spawned.ref.serial}, 0);
  }
  if (spawner != nullptr) spawner->charge(k_spawn_cost);
  metrics_.add(Metric::processes_spawned);
  live_.fetch_add(1, std::memory_order_acq_rel);
  // kill_all() says that it stops and then looks for lives, we the other way round: one of us sees
  // the other, so no process outlives it. All four accesses are sequentially consistent.
  if (stopping_.load(std::memory_order_seq_cst)) child->doom(ExitReason::killed());
  scheduler_->submit(*child);
  return spawned;
}

void Node::ended() {
  metrics_.add(Metric::processes_exited);
  if (live_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    const std::lock_guard lock{empty_mutex_};
    empty_.notify_all();
  }
}

void Node::deliver(const Pid& to, EnvelopePtr envelope) {
  detail::Process* process = to.node == id_ ? table_->find(to.index) : nullptr;
  if (process == nullptr) {  // there was never a process of that index
    const Pid from = envelope->from;
    EnvelopePtr answer = detail::answer_of_the_dead(*this, to, *envelope);
    if (answer == nullptr || !from) return;
    if (from.node == id_) {
      deliver(from, std::move(answer));
    } else if (router_ != nullptr) {
      router_->route(from, std::move(answer));
    }
    return;
  }
  envelope->generation = to.generation;
  process->push(std::move(envelope));
}

void Node::send_message(const Pid& to, Message message) {
  auto envelope = std::make_unique<Envelope>(SignalKind::info, Pid{id_, 0, 0});
  envelope->message = std::move(message);
  if (to.node == id_) {
    deliver(to, std::move(envelope));
  } else if (router_ != nullptr && to) {
    router_->route(to, std::move(envelope));
    router_->flush();
  } else {
    metrics_.add(Metric::dead_letters_no_process);
  }
}

void Node::exit(const Pid& pid, const ExitReason& reason) {
  auto envelope = std::make_unique<Envelope>(SignalKind::exit, Pid{id_, 0, 0});
  envelope->message = Message::make<detail::ExitSignal>(reason, false);
  if (pid.node == id_) {
    deliver(pid, std::move(envelope));
  } else if (router_ != nullptr && pid) {
    router_->route(pid, std::move(envelope));
    router_->flush();
  }
}

bool Node::is_alive(const Pid& pid) const noexcept {
  return pid.node == id_ && pid.generation % 2 == 1 && table_->find(pid) != nullptr;
}

// -- timers ---------------------------------------------------------------------------------

TimerId Node::arm_timer(Clock::TimePoint when, const Pid& from, const TimerTarget& target,
                        Message&& message, const detail::TimerExtras& extras) {
  if (target.pid.node != id_ && target.name.empty()) {
    throw ProcessExit{ExitReason::symbol("badarg")};
  }
  auto envelope = std::make_unique<Envelope>(SignalKind::info, from);
  envelope->message = std::move(message);
  return timers_->arm(when, target, std::move(envelope), extras);
}

Clock::TimePoint Node::time_after(Clock::Duration delay) const {
  if (delay < Clock::Duration::zero()) throw ProcessExit{ExitReason::symbol("badarg")};
  const Clock::TimePoint now = clock_->now();
  return delay < Clock::TimePoint::max() - now ? now + delay : Clock::TimePoint::max();
}

std::optional<Clock::Duration> Node::cancel_timer(TimerId timer) {
  return time_left(timers_->cancel(timer));
}

bool Node::drop_timer(TimerId timer) { return timers_->cancel(timer).has_value(); }

std::optional<Clock::Duration> Node::read_timer(TimerId timer) const {
  return time_left(timers_->deadline(timer));
}

std::optional<Clock::Duration> Node::time_left(std::optional<Clock::TimePoint> deadline) const {
  if (!deadline) return std::nullopt;
  return std::max(*deadline - clock_->now(), Clock::Duration::zero());
}

std::size_t Node::timer_count() const { return timers_->armed(); }

// -- names ----------------------------------------------------------------------------------

Result<void> Node::register_name(const std::string& name, const Pid& pid, Scope scope) {
  if (name.empty() || name.size() > 255) {
    return Error{Errc::bad_argument, "a name has 1 to 255 bytes"};
  }
  if (pid.node != id_) {
    return Error{Errc::bad_argument, "only a process of this node can be registered here"};
  }
  if (scope == Scope::local) return names_->add(name, pid, *table_);
  if (router_ == nullptr) return Error{Errc::unavailable, "this node is in no cluster"};
  detail::Process* process = table_->find(pid.index);
  // Before the router looks whether it lives: its end looks at this after it is marked dead.
  if (process != nullptr) process->named_.store(true, std::memory_order_seq_cst);
  if (!is_alive(pid)) return Error{Errc::noproc, "the process has ended"};
  return router_->register_name(name, pid);
}

bool Node::unregister_name(const std::string& name, Scope scope) {
  if (scope == Scope::local) return names_->remove(name);
  return router_ != nullptr && router_->unregister_name(name);
}

std::optional<Pid> Node::whereis(std::string_view name, Scope scope) const {
  if (scope == Scope::local) return names_->find(name);
  return router_ == nullptr ? std::nullopt : router_->whereis(std::string{name});
}

// -- inspection -----------------------------------------------------------------------------

std::vector<Pid> Node::processes() const {
  std::vector<Pid> pids;
  table_->for_each([&](const detail::Process& process) {
    const Pid pid{id_, process.index_, process.generation_.load(std::memory_order_seq_cst)};
    if (pid.generation % 2 == 1) pids.push_back(pid);
  });
  return pids;
}

void Node::inspect(const std::vector<Pid>& pids,
                   std::function<void(std::vector<ProcessInfo>)> done) {
  struct Gather {
    std::mutex mutex;
    std::vector<ProcessInfo> rows;
    std::function<void(std::vector<ProcessInfo>)> done;
    ~Gather() { done(std::move(rows)); }  // when the last request was answered or dropped
  };
  const auto gather = std::make_shared<Gather>();
  gather->done = std::move(done);
  for (const Pid& pid : pids) {
    auto envelope = std::make_unique<Envelope>(SignalKind::inspect, Pid{id_, 0, 0});
    envelope->message = Message::make<detail::InspectRequest>([gather](ProcessInfo info) {
      const std::lock_guard lock{gather->mutex};
      gather->rows.push_back(std::move(info));
    });
    deliver(pid, std::move(envelope));
  }
}

// -- ending ---------------------------------------------------------------------------------

void Node::kill_all() {
  stopping_.store(true, std::memory_order_seq_cst);
  for (const Pid& pid : processes()) exit(pid, ExitReason::kill());
}

bool Node::wait_until_empty(std::chrono::milliseconds timeout) {
  std::unique_lock lock{empty_mutex_};
  return empty_.wait_for(lock, timeout, [this] { return process_count() == 0; });
}

}  // namespace grove
