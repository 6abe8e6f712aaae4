// SPDX-License-Identifier: Apache-2.0
#include "grove/node/parent.hpp"

#include "grove/node/node.hpp"

#include "child_requests.hpp"
#include "parent_table.hpp"
#include "process.hpp"
#include "reminders.hpp"

#include <algorithm>
#include <unordered_set>

namespace grove {
namespace {

/// A child's time is up.
struct ChildTimeout {
  Pid child;
};

/// The Exit of the link to `pid`, which is its end, or that of the connection to it; null for
/// other messages, and for an exit signal that it has merely sent.
const Exit* exit_of_link(const Envelope& envelope) {
  const Exit* const exit = envelope.message.get<Exit>();
  return exit != nullptr && envelope.serial == detail::k_of_link ? exit : nullptr;
}

/// Waits for it.
class ExitOfLink final : public detail::Waiter {
 public:
  ExitOfLink(Context& context, const Pid& pid, Timeout timeout)
      : Waiter{context, timeout}, pid_{pid} {}
  /// Returns: nothing after the timeout.
  std::optional<Exit> await_resume() {
    if (taken() == nullptr) return std::nullopt;
    return std::move(*taken()->message.get<Exit>());
  }

 private:
  bool matches(Envelope& envelope) override {
    const Exit* const exit = exit_of_link(envelope);
    return exit != nullptr && exit->from == pid_;
  }
  Pid pid_;
};

std::string text_of(const Value& id) {
  return id.as_string() != nullptr ? *id.as_string() : to_string(id);
}

}  // namespace

ParentServer::ParentServer() : children_{std::make_unique<detail::ParentTable>()} {
  context().trap_exit(true);
}

/// One that ends by itself has no children any more.
ParentServer::~ParentServer() {
  for (const auto& child : children_->children()) context().exit(child.pid, ExitReason::kill());
}

// -- start ----------------------------------------------------------------------------------

StartResult ParentServer::start_child(JobSpec job, Value meta, Timeout timeout) {
  StartResult result = known(job.id);
  if (result.pid) return result;
  result.status = StartResult::Status::ok;
  result.pid = job.start(context(), {.link = true, .label = text_of(job.id)});
  add({std::move(job.id), result.pid, std::move(meta), job.shutdown}, timeout);
  return result;
}

Task<StartResult> ParentServer::start_child(ChildSpec spec, Value meta, Timeout timeout) {
  Value id{spec.id};
  StartResult result = known(id);
  if (result.pid) co_return result;
  spec.options.label = text_of(id);
  try {
    Task<StartResult> starting = spec.start(context(), std::move(spec.options));
    result = co_await starting;
  } catch (...) {  // a start that throws is a start that failed
    result.reason = exit_reason_of(std::current_exception());
  }
  if (result.ok()) {
    add({std::move(id), result.pid, std::move(meta), spec.shutdown, spec.supervisor}, timeout);
  }
  co_return result;
}

/// Returns: already_started when the id has a child; else failed, without a reason.
StartResult ParentServer::known(const Value& id) const {
  StartResult result;
  if (const auto* child = children_->find(id)) {
    result.status = StartResult::Status::already_started;
    result.pid = child->pid;
  }
  return result;
}

void ParentServer::add(detail::ParentedChild child, Timeout timeout) {
  const Pid pid = child.pid;
  children_->add(std::move(child));  // first: a timer may be refused
  if (timeout) {
    children_->find(pid)->life =
        detail::remind_after(context(), *timeout, Message::make<ChildTimeout>(pid));
  }
}

// -- ends -----------------------------------------------------------------------------------

ParentServer::ChildMessage ParentServer::take_child_message(Envelope& envelope) {
  if (const Exit* const exit = exit_of_link(envelope)) {
    if (children_->find(exit->from) == nullptr) return {};
    return {true, remove(*exit)};
  }
  if (const auto* down = envelope.message.get<Down>()) {
    const auto* child = children_->find(down->pid);
    if (child == nullptr || child->watch != down->ref) return {};
    return {true, remove({down->pid, down->reason})};
  }
  if (const auto* timeout = envelope.message.get<ChildTimeout>()) {
    expire(timeout->child);
    return {true};
  }
  const From from{envelope.from, envelope.serial};
  if (envelope.message.is<detail::WhichChildren>()) {
    std::vector<ChildInfo> rows;
    for (const auto& child : children_->children()) {
      rows.push_back({text_of(child.id), child.pid, child.supervisor});
    }
    std::reverse(rows.begin(), rows.end());
    context().reply(from, detail::ChildRows{std::move(rows)});
    return {true};
  }
  if (envelope.message.is<detail::CountChildren>()) {
    ChildCounts counts{.specs = num_children(), .active = num_children()};
    for (const auto& child : children_->children()) {
      ++(child.supervisor ? counts.supervisors : counts.workers);
    }
    context().reply(from, counts);
    return {true};
  }
  return {};
}

/// Its Exit follows; of one that has unlinked itself the Down alone.
void ParentServer::expire(const Pid& pid) {
  detail::ParentedChild* const child = children_->find(pid);
  if (child == nullptr || child->timed_out) return;  // it has ended meanwhile, or will
  child->timed_out = true;
  child->watch = context().monitor(pid);
  context().exit(pid, ExitReason::kill());
}

/// It is none any more, and nothing of it comes after this.
detail::ParentedChild ParentServer::take(const Pid& pid) {
  auto child = *children_->take(pid);
  context().drop_timer(child.life);
  if (child.timed_out) context().demonitor(child.watch, Flush::yes);
  return child;
}

ChildEnd ParentServer::remove(const Exit& exit) {
  auto child = take(exit.from);
  const bool expired = child.timed_out && exit.reason == ExitReason::killed();
  return {std::move(child.id), std::move(child.meta), child.pid,
          expired ? ExitReason::symbol("timeout") : exit.reason};
}

/// It stays in the table until it is dead, for the case that this process is killed meanwhile. Its
/// Exit, if there is one, is in the mailbox then.
Task<> ParentServer::end_child(Pid pid, ExitReason reason) {
  context().drop_timer(children_->find(pid)->life);
  Task<> ending =
      detail::end_child(context(), pid, children_->find(pid)->shutdown, std::move(reason));
  co_await ending;
  (void)take(pid);
}

Task<bool> ParentServer::shutdown_child(Value id) {
  const auto pid = child_pid(id);
  if (!pid) co_return false;
  co_await end_child(*pid, ExitReason::shutdown());
  detail::forget_exits(context(), {*pid});
  co_return true;
}

Task<> ParentServer::shutdown_all(ExitReason reason) {
  if (reason.is_normal()) reason = ExitReason::shutdown();
  if (reason.is_kill()) reason = ExitReason::killed();  // or none could end in its own time
  std::unordered_set<Pid> ended;  // whose Exits go together: there may be thousands
  while (num_children() > 0) {
    const Pid pid = children_->children().back().pid;
    co_await end_child(pid, reason);
    ended.insert(pid);
  }
  detail::forget_exits(context(), ended);
}

Task<Result<ChildEnd>> ParentServer::await_child_termination(Value id, Timeout timeout) {
  const detail::ParentedChild* const child = children_->find(id);
  if (child == nullptr) co_return Error{Errc::not_found, "no child has the id " + text_of(id)};
  const Pid pid = child->pid;
  // The message that its time is up would wait until this handler is done.
  Timeout life;
  if (child->life != TimerId{}) {
    life = context().read_timer(child->life).value_or(Clock::Duration::zero());
  }
  const bool expires = life && (!timeout || *life <= *timeout);
  ExitOfLink in_time{context(), pid, expires ? life : timeout};
  std::optional<Exit> exit = co_await in_time;
  if (!exit && expires) {
    expire(pid);
    const auto is_its_end = [watch = child->watch](const Down& down) { return down.ref == watch; };
    const Down down = co_await context().receive<Down>(is_its_end);
    ExitOfLink before_that{context(), pid, Clock::Duration::zero()};
    exit = co_await before_that;
    if (!exit) exit = Exit{pid, down.reason};
  }
  if (!exit) co_return Error{Errc::timeout, "the child " + text_of(id) + " runs on"};
  co_return remove(*exit);
}

// -- who is there ---------------------------------------------------------------------------

std::vector<ParentServer::Child> ParentServer::children() const {
  std::vector<Child> rows;
  for (const auto& child : children_->children()) rows.push_back({child.id, child.pid, child.meta});
  return rows;
}

std::size_t ParentServer::num_children() const noexcept { return children_->children().size(); }

bool ParentServer::is_child(const Value& id) const { return children_->find(id) != nullptr; }

std::optional<Pid> ParentServer::child_pid(const Value& id) const {
  const auto* child = children_->find(id);
  return child == nullptr ? std::nullopt : std::optional{child->pid};
}

std::optional<Value> ParentServer::child_id(const Pid& pid) const {
  const auto* child = children_->find(pid);
  return child == nullptr ? std::nullopt : std::optional{child->id};
}

std::optional<Value> ParentServer::child_meta(const Value& id) const {
  const auto* child = children_->find(id);
  return child == nullptr ? std::nullopt : std::optional{child->meta};
}

bool ParentServer::update_child_meta(const Value& id,
                                     const std::function<Value(const Value&)>& update) {
  auto* child = children_->find(id);
  if (child != nullptr) child->meta = update(child->meta);
  return child != nullptr;
}

}  // namespace grove
