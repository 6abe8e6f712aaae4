// SPDX-License-Identifier: Apache-2.0
#include "grove/node/node.hpp"

#include "grove/core/check.hpp"
#include "grove/node/cluster_names.hpp"

#include "directory_table.hpp"
#include "mailbox_bounds.hpp"
#include "name_table.hpp"
#include "process.hpp"
#include "process_table.hpp"
#include "table_registry.hpp"
#include "timers.hpp"

#include <algorithm>
#include <thread>

namespace grove {
namespace {

constexpr int k_spawn_cost = 8;  // of the spawner's turn, in messages

/// What the router gathers now is flushed with the turn of the process that runs.
void owe_router(const Node& node) {
  Context* const running = Context::running();
  if (running == nullptr || &running->node() != &node) return;
  static_cast<detail::Process&>(*running).goes_abroad();
}

Error not_of_this_node() {
  return {Errc::bad_argument, "only a process of this node can be registered here"};
}

}  // namespace

Node::Node(NodeConfig config)
    : name_{std::move(config.name)},
      life_{config.life},
      clock_{config.clock},
      scheduler_{config.scheduler},
      log_{config.log != nullptr ? std::move(config.log) : make_null_log()},
      table_{std::make_unique<detail::ProcessTable>(*this, scheduler_->workers())},
      names_{std::make_unique<detail::NameTable>()},
      directories_{std::make_unique<detail::DirectoryTable>()},
      tables_{std::make_unique<detail::TableRegistry>()},
      timers_{std::make_unique<detail::Timers>(*this, *table_)} {
  GROVE_CHECK(clock_ != nullptr && scheduler_ != nullptr && is_node_name(name_));
  if (life_ == Life{}) life_ = Life{clock_->wall_micros()};
  id_ = intern_node(name_, life_);
  started_ = clock_->now();
  groups_ = std::make_unique<Groups>(*this);
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
  table_->for_each([](detail::Process& process) { process.await_operation(); });
  while (completing_.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  table_->for_each([](detail::Process& process) { process.discard(); });
  table_->for_each([](detail::Process& process) { process.discard_messages(); });
}

// -- processes ------------------------------------------------------------------------------

Spawned Node::spawn_body(SpawnOptions options, std::unique_ptr<detail::Body> body,
                         Context* parent) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& child = claim(parent);
  child.set_code(std::move(body));
  return launch(parent, child, std::move(options));
}

Spawned Node::spawn_frame(SpawnOptions options, detail::FrameMaker make, Context* parent) {
  const RuntimeSection runtime{detail::current_turn()};
  detail::Process& child = claim(parent);
  try {
    child.set_code(make(child));
  } catch (...) {  // an argument could not be copied, or memory is short
    give_up(child, parent);
    throw;
  }
  return launch(parent, child, std::move(options));
}

/// The caller's worker, if it is one of ours.
unsigned Node::worker_of(const Context* caller) {
  return caller != nullptr ? detail::current_turn().worker() : k_no_worker;
}

detail::Process& Node::claim(const Context* parent) {
  detail::Process* child = table_->claim(worker_of(parent));
  if (child == nullptr) throw ProcessExit{ExitReason::symbol("system_limit")};
  return *child;
}

/// A claimed place whose life did not begin.
void Node::give_up(detail::Process& claimed, const Context* parent) noexcept {
  claimed.abandon();
  table_->release(claimed, worker_of(parent));
  if (!claimed.inbox_.park()) scheduler_->submit(claimed);  // late signals have come
}

/// Gives the child's mailbox its limit, if it is to have one.
void Node::bound_mailbox(detail::Process& child, const Pid& pid, const MailboxLimit& limit) {
  if (limit.messages == 0) return;
  table_->make_bound(child.index_).begin(pid.generation, limit);
  child.marks_.store(detail::Process::k_bounded, std::memory_order_release);
}

/// The reference of a spawn; none unless it was asked for one.
Ref Node::reference_of(detail::Process& spawner, const SpawnOptions& options) const {
  if (options.monitor_serial != 0) return {id_, spawner.pid().index, options.monitor_serial};
  return options.monitor || options.reply ? spawner.make_ref() : Ref{};
}

/// Makes both sides of what a spawn ties the two together with.
void Node::relate(detail::Process& spawner, detail::Process& child, const Spawned& spawned,
                  const SpawnOptions& options) {
  const auto& [pid, ref] = spawned;
  if (options.link) {
    spawner.relations().link(pid);
    child.relations().on_link(spawner.pid(), 0);
  }
  if (options.start_serial != 0) {
    spawner.relations().watch(options.start_serial,
                              {.target = pid, .kind = detail::Watch::Kind::call});
    child.relations().on_monitor({spawner.pid(), options.start_serial}, 0);
  }
  if (options.monitor) {
    spawner.relations().watch(ref.serial, {.target = pid, .alias = options.alias});
    child.relations().on_monitor({spawner.pid(), ref.serial}, 0);
  }
}

/// Undoes relate(), however far it came. The child's side goes with the child.
void Node::unrelate(detail::Process& spawner, const Spawned& spawned,
                    const SpawnOptions& options) noexcept {
  if (spawner.extras_ == nullptr) return;
  detail::Relations& relations = spawner.extras_->relations;
  relations.drop_link(spawned.pid);
  relations.drop_watch(options.start_serial);
  if (options.monitor) relations.drop_watch(spawned.ref.serial);
}

Spawned Node::launch(Context* parent, detail::Process& child, SpawnOptions&& options) {
  auto* spawner = static_cast<detail::Process*>(parent);
  Spawned spawned;
  spawned.pid = {id_, child.index_, child.generation_.load(std::memory_order_relaxed) + 1};
  EnvelopePtr reply;
  // All that takes memory comes first, while the child can neither run nor be found.
  try {
    bound_mailbox(child, spawned.pid, options.mailbox);
    if (spawner != nullptr) {
      spawned.ref = reference_of(*spawner, options);
      relate(*spawner, child, spawned, options);
      if (options.reply) {
        reply = std::make_unique<Envelope>(
            SignalKind::told, spawned.pid, 0,
            Message::make<SpawnReply>(spawned.ref, spawned.pid, ExitReason::normal()));
      }
    }
    child.begin(spawner != nullptr ? spawner->pid() : Pid{}, std::move(options));
  } catch (...) {
    if (spawner != nullptr) unrelate(*spawner, spawned, options);
    give_up(child, parent);
    throw;
  }
  child.generation_.store(spawned.pid.generation, std::memory_order_seq_cst);  // odd from now on
  if (reply != nullptr) deliver(spawner->pid(), std::move(reply));
  if (spawner != nullptr) spawner->charge(k_spawn_cost);
  // kill_all() says that it stops and then looks for lives, we the other way round: one of us sees
  // the other, so no process outlives it. All four accesses are sequentially consistent.
  if (stopping_.load(std::memory_order_seq_cst)) child.doom(ExitReason::killed());
  scheduler_->submit(child);
  return spawned;
}

void Node::ended() {
  if (!somebody_waits_.load(std::memory_order_seq_cst)) return;
  const std::lock_guard lock{empty_mutex_};
  empty_.notify_all();
}

std::uint64_t Node::processes_spawned() const noexcept { return table_->spawned(); }

std::size_t Node::process_count() const noexcept {
  const std::uint64_t gone = table_->gone();
  return static_cast<std::size_t>(table_->spawned() - gone);
}

std::uint32_t Node::uptime_ms() const {
  const auto since =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock_->now() - started_);
  return static_cast<std::uint32_t>(since.count()) + 1;
}

// -- delivery -------------------------------------------------------------------------------

detail::Delivery Node::deliver(const Pid& to, EnvelopePtr&& envelope) {
  detail::Process* process = to.node == id_ ? table_->find(to.index) : nullptr;
  if (process == nullptr) {  // there was never a process of that index
    const Pid from = envelope->from;
    EnvelopePtr answer = detail::answer_of_the_dead(*this, to, *envelope);
    if (answer == nullptr || !from) return detail::Delivery::done;
    if (from.node == id_) {
      deliver(from, std::move(answer));
    } else if (router_ != nullptr) {
      router_->route(from, std::move(answer));
    }
    return detail::Delivery::done;
  }
  envelope->generation = to.generation;
  detail::Delivery delivery = detail::Delivery::done;
  if ((process->marks_.load(std::memory_order_relaxed) & detail::Process::k_bounded) != 0 &&
      is_message(envelope->kind())) {
    delivery = enter_bounded(*process, *envelope);
    if (delivery == detail::Delivery::refused || delivery == detail::Delivery::dropped) {
      dead_letter(Metric::dead_letters_mailbox_full, *envelope, to);
      return delivery;
    }
  }
  process->push(envelope.release());
  return delivery;
}

detail::Delivery Node::enter_bounded(detail::Process& process, Envelope& envelope) {
  detail::MailboxBound& bound = *table_->bound(process.index_);
  const std::uint32_t generation = envelope.kind() == SignalKind::alias
                                       ? process.generation_.load(std::memory_order_relaxed)
                                       : envelope.generation;
  using Entry = detail::MailboxBound::Entry;
  const Entry entry = bound.enter(generation);
  if (entry == Entry::stale) return detail::Delivery::done;
  envelope.flags |= Envelope::k_counted;
  envelope.generation = generation;  // an alias's, too: that life's count has it
  if (entry == Entry::free) return detail::Delivery::done;
  switch (bound.policy()) {
    case MailboxPolicy::suspend_sender: return detail::Delivery::crowded;
    case MailboxPolicy::drop_oldest: return detail::Delivery::done;
    case MailboxPolicy::drop_newest:
    case MailboxPolicy::fail: break;
  }
  bound.turn_back(generation);
  return bound.policy() == MailboxPolicy::fail ? detail::Delivery::refused
                                               : detail::Delivery::dropped;
}

/// The life that `to`'s place has now, when `to` is any life of it.
Pid Node::life_at(const Pid& to) const {
  return {to.node, to.index,
          to.generation == detail::k_any_generation
              ? table_->find(to.index)->generation_.load(std::memory_order_relaxed)
              : to.generation};
}

void Node::dead_letter(Metric reason, const Envelope& envelope, const Pid& to) {
  metrics_.add(reason);
  if (!anybody_hears_.load(std::memory_order_relaxed)) return;
  if (envelope.message.is<DeadLetter>()) return;  // or one would make the next
  // Of a process that has come here from its code: the watchdog, in its place, has letters to tell
  // of, too, and must not act on it while it has the lock.
  const RuntimeSection runtime{detail::current_turn()};
  const bool unread = (envelope.flags & Envelope::k_packed) != 0;
  const MessageType* type = unread ? nullptr : envelope.message.type();
  const std::lock_guard lock{subscribers_mutex_};
  std::erase_if(subscribers_, [this](const Pid& subscriber) { return !is_alive(subscriber); });
  for (const Pid& subscriber : subscribers_) {
    auto letter = std::make_unique<Envelope>(SignalKind::info, Pid{id_, 0, 0});
    letter->message = Message::make<DeadLetter>(
        envelope.from, to, std::string{type == nullptr ? std::string_view{} : type->name}, reason);
    deliver(subscriber, std::move(letter));
  }
}

void Node::subscribe_dead_letters(const Pid& subscriber) {
  const std::lock_guard lock{subscribers_mutex_};
  if (std::find(subscribers_.begin(), subscribers_.end(), subscriber) == subscribers_.end()) {
    subscribers_.push_back(subscriber);
  }
  anybody_hears_.store(true, std::memory_order_relaxed);
}

void Node::send_message(const Pid& to, Message message) {
  if (!message) throw ProcessExit{ExitReason::symbol("badarg")};
  auto envelope = std::make_unique<Envelope>(SignalKind::info, Pid{id_, 0, 0});
  envelope->message = std::move(message);
  if (to.node == id_) {
    deliver(to, std::move(envelope));
  } else if (router_ != nullptr && to) {
    router_->route(to, std::move(envelope));
    router_->flush();
  } else {
    dead_letter(to ? Metric::dead_letters_no_connection : Metric::dead_letters_no_process,
                *envelope, to);
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
  const SignalKind kind = extras.told ? SignalKind::told : SignalKind::info;
  auto envelope = std::make_unique<Envelope>(kind, from);
  envelope->message = std::move(message);
  return timers_->arm(when, target, std::move(envelope), extras);
}

Clock::TimePoint Node::time_after(Clock::Duration delay) const {
  if (delay < Clock::Duration::zero()) throw ProcessExit{ExitReason::symbol("badarg")};
  return clock_->deadline_after(delay);
}

std::optional<Clock::Duration> Node::cancel_timer(TimerId timer) {
  return time_left(timers_->cancel(timer));
}

bool Node::drop_timer(TimerId timer) { return timers_->cancel(timer).has_value(); }

void Node::cancel_timer_async(TimerId timer, EnvelopePtr answer) {
  timers_->cancel_async(timer, std::move(answer));
}

std::optional<Clock::Duration> Node::read_timer(TimerId timer) const {
  return time_left(timers_->deadline(timer));
}

std::optional<Clock::Duration> Node::time_left(std::optional<Clock::TimePoint> deadline) const {
  return deadline ? std::optional{clock_->until(*deadline)} : std::nullopt;
}

std::size_t Node::timer_count() const { return timers_->armed(); }

// -- names ----------------------------------------------------------------------------------

Result<void> Node::register_name(const std::string& name, const Pid& pid, Scope scope) {
  if (name.empty() || name.size() > 255) {
    return Error{Errc::bad_argument, "a name has 1 to 255 bytes"};
  }
  const RuntimeSection runtime{detail::current_turn()};
  if (scope == Scope::local) {
    if (pid.node != id_) return not_of_this_node();
    return names_->add(name, pid, *table_);
  }
  if (auto marked = mark_named(pid); !marked) return marked;
  ClusterNames::Request request;
  request.name = name;
  request.pid = pid;
  return router_->names().add(request, {});
}

Result<void> Node::mark_named(const Pid& pid) {
  if (pid.node != id_) return not_of_this_node();
  if (router_ == nullptr) return Error{Errc::unavailable, "this node is in no cluster"};
  // Before anybody looks whether it lives: its end looks at this after it is marked dead.
  if (detail::Process* process = table_->find(pid.index)) {
    process->marks_.fetch_or(detail::Process::k_named, std::memory_order_seq_cst);
  }
  if (!is_alive(pid)) return Error{Errc::noproc, "the process has ended"};
  owe_router(*this);
  return {};
}

bool Node::unregister_name(const std::string& name, Scope scope) {
  const RuntimeSection runtime{detail::current_turn()};
  if (scope == Scope::local) return names_->remove(name);
  if (router_ == nullptr) return false;
  owe_router(*this);
  return router_->names().remove(name, false);
}

std::optional<Pid> Node::whereis(std::string_view name, Scope scope) const {
  if (scope == Scope::local) return names_->find(name);
  return router_ == nullptr ? std::nullopt : router_->names().find(name);
}

std::vector<GlobalName> Node::global_names() const {
  return router_ == nullptr ? std::vector<GlobalName>{} : router_->names().all();
}

Result<void> Node::add_directory(std::string name, std::shared_ptr<Directory> directory) {
  if (directories_->add(name, std::move(directory))) return {};
  return Error{Errc::name_taken, "there is a directory " + name};
}

void Node::remove_directory(std::string_view name, const Directory* directory) {
  directories_->remove(name, directory);
}

std::shared_ptr<Directory> Node::directory(std::string_view name) const {
  return directories_->find(name);
}

bool Node::mark_grouped(const Pid& pid) {
  detail::Process* process = table_->find(pid.index);
  // Before the look whether it lives: its end looks at this after it is marked dead.
  if (process != nullptr) {
    process->marks_.fetch_or(detail::Process::k_grouped, std::memory_order_seq_cst);
  }
  return is_alive(pid);
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
  // Ends are counted by each worker for itself; a notice may just miss us, so we look now and then.
  constexpr std::chrono::milliseconds k_slice{10};
  std::unique_lock lock{empty_mutex_};
  somebody_waits_.store(true, std::memory_order_seq_cst);
  // Read second: a worker owes the router before the process ends for which it does.
  const auto is_empty = [this] {
    return process_count() == 0 && (router_ == nullptr || !router_->is_owed());
  };
  bool empty = is_empty();
  for (auto left = timeout; !empty && left.count() > 0; left -= k_slice) {
    empty = empty_.wait_for(lock, std::min(left, k_slice), is_empty);
  }
  return empty;
}

}  // namespace grove
