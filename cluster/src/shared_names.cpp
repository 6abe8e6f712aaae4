// SPDX-License-Identifier: Apache-2.0
#include "shared_names.hpp"

#include "grove/core/utf8.hpp"

#include "tell.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace grove::cluster {
namespace {

constexpr auto k_interval = std::chrono::seconds{1};
constexpr std::int64_t k_clocks_apart_max = 5'000'000;  // microseconds
constexpr std::size_t k_losses_said_max = 100;          // in an interval

Result<void> check(const ClusterNames::Request& request) {
  const std::string& name = request.name;
  if (name.empty() || name.size() > k_global_name_bytes_max || !is_utf8(name)) {
    return Error{Errc::bad_argument, "a cluster-wide name has 1 to 255 bytes of UTF-8"};
  }
  if (request.metadata == Value{}) return {};
  transport::Buffer packed;
  const bool written =
      transport::pack(packed, [&](Writer& writer) { wire::write(writer, request.metadata); });
  if (!written || packed.size() > k_metadata_bytes_max) {
    return Error{Errc::bad_argument, "a name's metadata has at most 1024 bytes as it is sent"};
  }
  return {};
}

}  // namespace

// -- as processes ask -----------------------------------------------------------------------

/// Processes of this node flush with their turn.
void SharedNames::flush_outside() {
  const Context* const running = Context::running();
  if (running == nullptr || &running->node() != &node_) outgoing_.flush();
}

Result<void> SharedNames::add(const Request& request, const Pid& asker) {
  if (in_minority_()) return Error{Errc::refused, "this node is in the minority of a partition"};
  if (auto good = check(request); !good) return good;
  Result<void> added;
  run(
      [&] {
        NameLog::NewName name{request.name,     request.pid, request.metadata,
                              request.replaces, request.ack, ++last_token_};
        added = log_.add(name, node_.clock().wall_micros());
        if (!added) return;
        if (!node_.is_alive(request.pid)) {  // its end may have looked before the name was there
          log_.remove_all(request.pid);
          added = Error{Errc::noproc, "the process has ended"};
        } else if (request.ack.kind != global::NameAck::Kind::none) {
          waiters_[last_token_] = {request.waiter, asker};
        }
      },
      NameLog::News::gathered);
  if (added) outgoing_.owe_all();  // also what another thread has said of it, and not flushed
  flush_outside();
  return added;
}

void SharedNames::forget(const Ref& waiter) {
  run([&] {
    const auto place = std::find_if(waiters_.begin(), waiters_.end(),
                                    [&](const auto& entry) { return entry.second.ref == waiter; });
    if (place == waiters_.end()) return;
    log_.forget_waiter(place->first);
    waiters_.erase(place);
  });
}

bool SharedNames::remove(const std::string& name, bool anywhere) {
  bool removed = false;
  run([&] { removed = log_.remove(name, anywhere); });
  flush_outside();
  return removed;
}

bool SharedNames::process_ended(const Pid& pid) {
  bool removed = false;
  run(
      [&] {
        removed = log_.remove_all(pid);
        std::erase_if(watches_, [&](const Watch& watch) { return watch.pid == pid; });
        std::erase_if(waiters_, [&](const auto& entry) {
          if (entry.second.pid != pid) return false;
          log_.forget_waiter(entry.first);
          return true;
        });
      },
      NameLog::News::gathered);
  if (removed) outgoing_.owe_all();
  return removed;
}

std::optional<global::NameRow> SharedNames::row(std::string_view name) const {
  const std::lock_guard lock{mutex_};
  return log_.find(std::string{name});
}

std::vector<GlobalName> SharedNames::all() const {
  const std::lock_guard lock{mutex_};
  std::vector<GlobalName> names;
  for (auto& row : log_.all()) names.push_back({std::move(row.name), row.pid});
  return names;
}

std::vector<global::NameRow> SharedNames::watch(const Pid& watcher, const Ref& ref,
                                                const std::string& prefix) {
  const std::lock_guard lock{mutex_};
  // Its end may have looked before; else it will find this.
  if (node_.is_alive(watcher)) watches_.push_back({ref, watcher, prefix});
  return log_.all(prefix);
}

void SharedNames::unwatch(const Ref& ref) {
  const std::lock_guard lock{mutex_};
  std::erase_if(watches_, [&](const Watch& watch) { return watch.ref == ref; });
}

// -- as peers say ---------------------------------------------------------------------------

std::uint8_t SharedNames::rules_of(const NamesConfig& config) {
  if (config.choose) return 3;
  return config.order == NameOrder::keep_oldest ? 1 : 2;
}

/// Whose clock is ahead makes its names look young, ours old; whose rules are others keeps a name
/// that we keep, too.
void SharedNames::compare(NodeId from, const NamesDigest& digest) {
  const auto ours = static_cast<std::int64_t>(node_.clock().wall_micros());
  const auto ahead = static_cast<std::int64_t>(digest.wall_micros) - ours;
  if (digest.wall_micros != 0 && ahead > k_clocks_apart_max) {
    node_.metrics().add(Metric::clocks_ahead);
    once_.warning("the clock of node " + node_name(from) +
                  " is more than 5 s ahead of this one's: names given on both sides of a partition "
                  "may be settled by that, not by their age");
  }
  if (digest.rules != 0 && digest.rules != rules_) {
    node_.metrics().add(Metric::names_rules_differ);
    once_.warning("node " + node_name(from) +
                  " settles conflicts of names by another order than this one: both will keep a "
                  "name that both have");
  }
}

void SharedNames::on_tick(Clock::TimePoint now) {
  if (now < next_tick_) return;
  next_tick_ = now + k_interval;
  run([this] {
    log_.on_tick();
    if (lost_said_ > k_losses_said_max) {
      node_.log().warning("name conflict: " + std::to_string(lost_said_ - k_losses_said_max) +
                          " more names were lost to other nodes");
    }
    lost_said_ = 0;
  });
}

// -- what comes of it -----------------------------------------------------------------------

void SharedNames::perform(NameLog::Actions actions) {
  for (NameLog::Action& action : actions) {
    std::visit([this](auto& one) { act(one); }, action);
  }
}

void SharedNames::act(NameLog::Tell& tell) {
  const auto* part = std::get_if<NamesPart>(&tell.message);
  const bool of_own_accord = part != nullptr && part->node.empty();
  std::vector<PeerLinkPtr> links;
  for (const NodeId to : tell.to) {
    PeerLinkPtr link = links_.find(to);
    if (link == nullptr) continue;
    if (of_own_accord && link->is_behind()) continue;  // it will ask for what it has missed
    links.push_back(std::move(link));
  }
  if (auto* digest = std::get_if<NamesDigest>(&tell.message)) {
    digest->wall_micros = node_.clock().wall_micros();
    digest->rules = rules_;
  }
  std::visit([&](const auto& message) { outgoing_.say(links, message); }, tell.message);
}

void SharedNames::act(NameLog::Held& held) {
  const Pid before = view_.set(held.name, held.holder);
  if (before == held.holder || watches_.empty()) return;
  using Kind = global::NameEvent::Kind;
  if (before) tell_watchers(Kind::down, held.name, before, {});
  if (held.holder) tell_watchers(Kind::up, held.name, held.holder, held.metadata);
}

void SharedNames::tell_watchers(global::NameEvent::Kind kind, const std::string& name,
                                const Pid& pid, const Value& metadata) {
  for (const Watch& watch : watches_) {
    if (!name.starts_with(watch.prefix)) continue;
    tell(node_, watch.pid,
         global::NameEvent{watch.ref, kind, global::NameRow{name, pid, metadata}});
  }
}

void SharedNames::act(NameLog::Lost& lost) {
  if (!lost.winner) {
    node_.metrics().add(Metric::name_conflicts_unsettled);
    node_.log().warning("name conflict: " + lost.name +
                        " was freed: the order in the configuration "
                        "chose neither claim, or threw; " +
                        to_string(lost.loser) + " goes on");
    return;
  }
  node_.metrics().add(Metric::name_conflicts);
  if (++lost_said_ <= k_losses_said_max) {
    node_.log().warning("name conflict: " + lost.name + " is held by " + to_string(lost.winner) +
                        "; " + to_string(lost.loser) + " loses it");
  }
  node_.exit(lost.loser, ExitReason{Value::tuple({Value::symbol("name_conflict"), Value{lost.name},
                                                  Value{lost.winner}})});
}

void SharedNames::act(NameLog::Answered& answered) {
  const auto waiter = waiters_.extract(answered.token);
  if (waiter.empty()) return;
  const Waiter& who = waiter.mapped();
  auto answer = std::make_unique<Envelope>(SignalKind::told, who.pid);
  answer->message = Message::make<detail::NameAnswer>(who.ref, answered.given, answered.winner);
  node_.deliver(who.pid, std::move(answer));
}

void SharedNames::act(NameLog::Diverged& diverged) {
  node_.metrics().add(Metric::names_diverged);
  node_.log().error("the names of node " + node_name(diverged.origin) +
                    " differ from what it says of them; they are fetched anew");
}

void SharedNames::act(NameLog::Refused& refused) {
  node_.metrics().add(Metric::names_refused);
  node_.log().error("node " + node_name(refused.origin) +
                    " has more cluster-wide names than a node may: none of them are known here");
}

}  // namespace grove::cluster
