// SPDX-License-Identifier: Apache-2.0
#include "shared_names.hpp"

#include <mutex>

namespace grove::cluster {

Result<void> SharedNames::add(const std::string& name, const Pid& pid) {
  const std::unique_lock lock{mutex_};
  auto delta = names_.add(name, pid, node_.clock().wall_micros());
  if (!delta) return delta.error();
  if (!node_.is_alive(pid)) {  // its end may have looked for names before this one was there
    names_.remove(name);
    return Error{Errc::noproc, "the process has ended"};
  }
  tell_all(*delta);
  return {};
}

bool SharedNames::remove(const std::string& name) {
  const std::unique_lock lock{mutex_};
  auto delta = names_.remove(name);
  if (!delta) return false;
  tell_all(*delta);
  return true;
}

bool SharedNames::remove_all(const Pid& pid) {
  const std::unique_lock lock{mutex_};
  auto delta = names_.remove_all(pid);
  if (!delta) return false;
  tell_all(*delta);
  return true;
}

std::optional<Pid> SharedNames::find(const std::string& name) const {
  const std::shared_lock lock{mutex_};
  return names_.find(name);
}

std::vector<Router::GlobalName> SharedNames::all() const {
  const std::shared_lock lock{mutex_};
  std::vector<Router::GlobalName> rows;
  for (const auto& entry : names_.all()) rows.push_back({entry.name, entry.pid});
  return rows;
}

void SharedNames::greet(const PeerLinkPtr& link) {
  const std::unique_lock lock{mutex_};
  outgoing_.tell(link, names_.snapshot());
  link->names_sent = true;
}

void SharedNames::drop(NodeId node) {
  const std::unique_lock lock{mutex_};
  names_.drop(node);
}

void SharedNames::repeat(const PeerLinkPtr& link) {
  const std::unique_lock lock{mutex_};
  outgoing_.tell(link, names_.snapshot());
}

/// Under the lock, so that versions leave in order.
void SharedNames::tell_all(const NamesDelta& delta) {
  for (const PeerLinkPtr& link : links_.all()) {
    if (link->names_sent) outgoing_.tell(link, delta);
  }
}

/// Under the lock.
void SharedNames::settle(const PeerLinkPtr& link, const NameLog::Applied& applied) {
  if (applied.gap) outgoing_.tell(link, NamesRequest{});
  for (const auto& lost : applied.lost) {
    node_.metrics().add(Metric::name_conflicts);
    node_.log().warning("name conflict: " + lost.name + " is held by " + to_string(lost.winner) +
                        "; " + to_string(lost.loser) + " loses it");
    if (auto delta = names_.remove(lost.name)) tell_all(*delta);
    node_.exit(lost.loser, ExitReason{Value::tuple({Value::symbol("name_conflict"),
                                                    Value{lost.name}, Value{lost.winner}})});
  }
}

}  // namespace grove::cluster
