// SPDX-License-Identifier: Apache-2.0
//
// PoolState: who has which worker and who waits for one, and what is to be done next.
//
// Decides and never acts. Of all that happens it is told, and then asked for next() until there is
// nothing to be done. Thread-safety: confined to its pool.
// Invariant: between two events no client waits while a worker is idle, and one that does not want
//            to wait does not wait.
#pragma once

#include "grove/node/pool.hpp"

#include <algorithm>
#include <deque>
#include <map>

namespace grove::detail {

class PoolState {
 public:
  /// One checkout; its monitor tells it apart.
  struct Client {
    From from;
    Ref monitor;
    bool waits = true;
    TimerId timer = {};  // of the end of its patience
  };
  struct Step {
    enum class Act : std::uint8_t {
      none,
      start,    // a worker; then started() or start_failed()
      lend,     // `worker` to `client`
      refuse,   // `client`, which does not wait
      dismiss,  // `worker`, which is not the pool's any more
    };
    Act act = Act::none;
    Pid worker = {};
    Client client = {};
  };
  /// How long after a start that failed the next is tried.
  static constexpr std::chrono::seconds k_pause{1};

  PoolState(std::size_t size, std::size_t max_overflow, Clock::Duration cool_down)
      : size_{size}, max_{size + max_overflow}, cool_down_{cool_down} {}

  void add_client(Client client) { waiting_.push_back(std::move(client)); }
  /// Who came last, if it still waits; null otherwise.
  [[nodiscard]] Client* last_waiting(const Ref& monitor) {
    const bool waits = !waiting_.empty() && waiting_.back().monitor == monitor;
    return waits ? &waiting_.back() : nullptr;
  }
  /// A client does not want to wait any more, or cannot. Cost: O(those who came before it).
  std::optional<Client> remove_waiting(const Ref& monitor) {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const Client& client) {
      return client.monitor == monitor;
    });
    if (found == waiting_.end()) return std::nullopt;
    Client client = std::move(*found);
    waiting_.erase(found);
    return client;
  }

  /// A worker has come back. Returns: whose it was; nothing when it was not lent.
  std::optional<Client> returned(const Pid& worker, Clock::TimePoint now) {
    auto client = take_lent(worker);
    if (client) idle_.push_back({worker, now});
    return client;
  }
  /// The client with this monitor, which has a worker or does not wait, has ended.
  /// Cost: O(workers).
  void client_ended(const Ref& monitor, Clock::TimePoint now) {
    const auto found = std::find_if(lent_.begin(), lent_.end(), [&](const auto& entry) {
      return entry.second.monitor == monitor;
    });
    if (found == lent_.end()) return;  // its worker was given back before
    idle_.push_back({found->first, now});
    lent_.erase(found);
  }
  /// A worker has ended, or one that was the pool's once. Returns: who had it.
  std::optional<Client> worker_ended(const Pid& worker) {
    std::erase_if(idle_, [&](const Idle& idle) { return idle.worker == worker; });
    return take_lent(worker);
  }
  void started(const Pid& worker, Clock::TimePoint now) {
    idle_.push_back({worker, now});
    pause_ends_ = {};
  }
  void start_failed(Clock::TimePoint now) { pause_ends_ = now + k_pause; }

  /// The next thing to do; it counts as done.
  [[nodiscard]] Step next(Clock::TimePoint now) {
    if (!waiting_.empty() && !idle_.empty()) return lend();
    if (wants_to_start()) {
      if (now >= pause_ends_) return {Step::Act::start};
      if (!waiting_.empty() && !waiting_.back().waits) return refuse();
      return {};
    }
    if (!waiting_.empty() && !waiting_.back().waits) return refuse();
    if (wants_to_dismiss() && now >= idle_.front().since + cool_down_) return dismiss();
    return {};
  }
  /// When to ask for next() although nothing has happened.
  [[nodiscard]] std::optional<Clock::TimePoint> due() const {
    if (wants_to_start()) return pause_ends_;
    if (wants_to_dismiss()) return idle_.front().since + cool_down_;
    return std::nullopt;
  }

  [[nodiscard]] PoolStatus status() const {
    return {idle_.size(), lent_.size(), count() > size_ ? count() - size_ : 0, waiting_.size()};
  }

 private:
  struct Idle {
    Pid worker;
    Clock::TimePoint since;
  };

  [[nodiscard]] std::size_t count() const { return idle_.size() + lent_.size(); }
  [[nodiscard]] bool wants_to_start() const { return count() < (waiting_.empty() ? size_ : max_); }
  [[nodiscard]] bool wants_to_dismiss() const { return count() > size_ && !idle_.empty(); }

  Step lend() {
    Step step{Step::Act::lend, idle_.back().worker, std::move(waiting_.front())};
    idle_.pop_back();
    waiting_.pop_front();
    lent_.emplace(step.worker, step.client);
    return step;
  }
  Step refuse() {
    Step step{Step::Act::refuse, {}, std::move(waiting_.back())};
    waiting_.pop_back();
    return step;
  }
  Step dismiss() {
    const Pid worker = idle_.front().worker;
    idle_.pop_front();
    return {Step::Act::dismiss, worker};
  }

  std::optional<Client> take_lent(const Pid& worker) {
    auto entry = lent_.extract(worker);
    return entry ? std::optional{std::move(entry.mapped())} : std::nullopt;
  }

  std::size_t size_;
  std::size_t max_;
  Clock::Duration cool_down_;
  std::deque<Client> waiting_;  // the longest wait first
  std::deque<Idle> idle_;       // the last one back is last, and goes first
  std::map<Pid, Client> lent_;
  Clock::TimePoint pause_ends_;
};

}  // namespace grove::detail
