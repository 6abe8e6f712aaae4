// SPDX-License-Identifier: Apache-2.0
//
// SharedNames: the cluster-wide names as this node's threads share them: NameLog decides under a
// lock, and this does what it says. Look-ups ask a NameView instead and take none.
//
// Thread-safety: all members.
#pragma once

#include "grove/cluster/names.hpp"
#include "grove/node/cluster_names.hpp"
#include "grove/node/node.hpp"

#include "name_log.hpp"
#include "name_view.hpp"
#include "once_log.hpp"
#include "outgoing.hpp"
#include "peer_links.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace grove::cluster {

class SharedNames final : public ClusterNames {
 public:
  /// All outlive it.
  SharedNames(Node& node, const PeerLinks& links, Outgoing& outgoing, OnceLog& once,
              NamesConfig config, std::function<bool()> in_minority)
      : node_{node},
        links_{links},
        outgoing_{outgoing},
        once_{once},
        in_minority_{std::move(in_minority)},
        rules_{rules_of(config)},
        log_{node.id(), std::move(config)} {
    outgoing_.set_gatherer([this] { run([] {}); });
  }

  // As ClusterNames'. What a turn tells others of its names is gathered, and goes before the next
  // signal to any of them; it is flushed by the turn, or here when there is none.
  Result<void> add(const Request& request, const Pid& asker) override;
  void forget(const Ref& waiter) override;
  bool remove(const std::string& name, bool anywhere) override;
  [[nodiscard]] std::optional<Pid> find(std::string_view name) const override {
    return view_.find(name);
  }
  [[nodiscard]] std::optional<global::NameRow> row(std::string_view name) const override;
  [[nodiscard]] std::vector<GlobalName> all() const override;
  [[nodiscard]] std::vector<global::NameRow> watch(const Pid& watcher, const Ref& ref,
                                                   const std::string& prefix) override;
  void unwatch(const Ref& ref) override;

  /// Returns: whether there is something to flush.
  bool process_ended(const Pid& pid);

  // The transport's loop, as NameLog's. They flush nothing.
  void on_member(NodeId node, bool present) {
    run([&] { log_.on_member(node, present); });
  }
  void on_reached(NodeId node, const std::string& by) {
    run([&] { log_.on_reached(node, by); });
  }
  void on_session_up(NodeId peer) {
    run([&] { log_.on_session_up(peer); });
  }
  void on_session_down(NodeId peer) {
    run([&] { log_.on_session_down(peer); });
  }
  /// Returns: false when it cannot be what it says.
  template <class T>
  [[nodiscard]] bool on_message(NodeId from, const T& message) {
    if constexpr (std::is_same_v<T, NamesPart>) {
      if (!is_well_formed(message)) return false;
    } else if constexpr (std::is_same_v<T, NamesDigest>) {
      compare(from, message);
    }
    run([&] { log_.on_message(from, message); });
    return true;
  }
  void on_tick(Clock::TimePoint now);
  [[nodiscard]] Clock::TimePoint next_tick() const noexcept { return next_tick_; }

 private:
  struct Watch {
    Ref ref;
    Pid pid;
    std::string prefix;
  };
  struct Waiter {
    Ref ref;
    Pid pid;
  };

  template <class F>
  void run(F&& event, NameLog::News news = NameLog::News::told) {
    const std::lock_guard lock{mutex_};
    if (news == NameLog::News::told && log_.has_news()) perform(log_.take());
    event();
    perform(log_.take(news));
    outgoing_.set_gathered(log_.has_news());
  }
  /// As NamesDigest says it.
  [[nodiscard]] static std::uint8_t rules_of(const NamesConfig& config);
  void compare(NodeId from, const NamesDigest& digest);

  void perform(NameLog::Actions actions);
  void act(NameLog::Tell& tell);
  void act(NameLog::Held& held);
  void act(NameLog::Lost& lost);
  void act(NameLog::Answered& answered);
  void act(NameLog::Diverged& diverged);
  void act(NameLog::Refused& refused);
  void tell_watchers(global::NameEvent::Kind kind, const std::string& name, const Pid& pid,
                     const Value& metadata);
  void flush_outside();

  Node& node_;
  const PeerLinks& links_;
  Outgoing& outgoing_;
  OnceLog& once_;
  const std::function<bool()> in_minority_;
  const std::uint8_t rules_;  // as digests say it
  NameView view_;             // written under the lock
  // Recursive: a log that sends what it is to write has what is gathered said first. Guards all
  // below, but next_tick_.
  mutable std::recursive_mutex mutex_;
  NameLog log_;
  std::vector<Watch> watches_;
  std::map<std::uint64_t, Waiter> waiters_;  // by token
  std::uint64_t last_token_ = 0;
  std::size_t lost_said_ = 0;     // since the last tick
  Clock::TimePoint next_tick_{};  // the loop's
};

}  // namespace grove::cluster
