// SPDX-License-Identifier: Apache-2.0
//
// MemoryNetwork: a network inside one program, with the same promises as the real one and faults
// on demand: delay, one-way and full partitions, clogs, pauses, abrupt ends. Behaves as TCP does: a
// direction is FIFO without holes; what is in flight when a link is hung up may still arrive; a
// partition delays what is sent into it until it heals. It can be told to be worse than TCP: to
// lose, repeat and reorder frames.
//
// Thread-safety: everything runs on the thread of its clock, or of the simulation that moves it.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/random.hpp"
#include "grove/transport/transport.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace grove::transport {

struct MemoryFaults {
  Clock::Duration delay_min = std::chrono::microseconds{50};
  Clock::Duration delay_mean = std::chrono::microseconds{200};  // less than that: it is delay_min
  std::uint64_t bytes_per_second = 0;  // of each direction of each link; 0: no limit
  // Of a thousand frames, so many
  unsigned lost = 0;
  unsigned repeated = 0;
  unsigned overtaken = 0;  // by what is sent within the next few delays
};

class MemoryNetwork {
 public:
  /// Both outlive the network and all its endpoints.
  MemoryNetwork(Clock& clock, Random& random, MemoryFaults faults = {})
      : clock_{clock}, random_{random}, faults_{faults} {}

  ~MemoryNetwork();
  MemoryNetwork(const MemoryNetwork&) = delete;
  MemoryNetwork& operator=(const MemoryNetwork&) = delete;

  /// A transport on this network; it must not outlive it.
  [[nodiscard]] std::unique_ptr<Transport> endpoint();

  /// Nothing passes from `from` to `to` (addresses) until heal.
  void cut(const std::string& from, const std::string& to) { cuts_.insert({from, to}); }
  void heal(const std::string& from, const std::string& to);
  void heal_all();
  /// What is sent from `from` to `to` from now on until `duration` has passed arrives after that.
  void clog(const std::string& from, const std::string& to, Clock::Duration duration);
  /// What a cut holds back from `from` to `to`, oldest first; of what is no frame, an empty one.
  [[nodiscard]] std::vector<Frame> held(const std::string& from, const std::string& to) const;
  /// Lets the oldest of it through. Returns: false when there is none.
  bool release_one(const std::string& from, const std::string& to);
  /// The endpoint at `address` stops as a program does on SIGSTOP: what arrives waits, in order,
  /// and its links stay up.
  void pause(const std::string& address);
  void resume(const std::string& address);
  /// What Transport::resolve() finds for `name`, as a DNS record would say.
  void lead(const std::string& name, const std::string& address) { leads_[name] = address; }
  /// The endpoint at `address` vanishes as a killed program does: its peers' links break.
  void kill(const std::string& address);
  /// Sees every frame that is sent, for traces.
  using Observer =
      std::function<void(const std::string& from, const std::string& to, const Frame& frame)>;
  void observe(Observer observer) { observer_ = std::move(observer); }
  /// For what is sent from now on.
  void set_faults(const MemoryFaults& faults) { faults_ = faults; }
  [[nodiscard]] const MemoryFaults& faults() const noexcept { return faults_; }

 private:
  class MemoryEndpoint;
  struct InFlight {
    Frame frame;  // empty: the news that a link is up, or down
    std::function<void()> action;
  };
  /// One direction of one connection. Carries to and from one life of each endpoint.
  struct Pipe {
    std::uint64_t number = 0;  // orders pipes the same in every run
    std::string from;
    std::string to;
    Clock::TimePoint last{};     // when the latest event in flight arrives
    Clock::TimePoint free_at{};  // when the last byte of it is on the wire
    std::deque<InFlight> held;   // by a partition
  };
  using PipePtr = std::shared_ptr<Pipe>;
  struct Connection {
    std::string dialler;
    std::string listener;
    std::uint64_t dialler_number = 0;
    std::uint64_t listener_number = 0;  // 0: not reached yet
    LinkId link = 0;
    PipePtr there;
    PipePtr back;
  };

  Clock::Duration delay();
  PipePtr pipe(const std::string& from, const std::string& to);
  /// Never overtakes what the pipe carries already.
  void carry(const PipePtr& pipe, InFlight what);
  /// The same with this network's faults.
  void carry_frame(const PipePtr& pipe, InFlight what);
  void call_at(Clock::TimePoint when, const PipePtr& pipe, InFlight what);
  void arrive(const PipePtr& pipe, InFlight what);
  void greet(const Route& route, bool listening);
  void release(const PipePtr& pipe);
  [[nodiscard]] bool happens(unsigned of_thousand);
  [[nodiscard]] MemoryEndpoint* find(const std::string& address) const;
  MemoryEndpoint* find(const std::string& address, std::uint64_t number);
  MemoryEndpoint* dialler_of(const Connection& connection);

  Clock& clock_;
  Random& random_;
  MemoryFaults faults_;
  std::map<std::string, MemoryEndpoint*> endpoints_;
  std::map<Route, Connection> connections_;
  std::set<std::pair<std::string, std::string>> cuts_;
  std::map<std::pair<std::string, std::string>, Clock::TimePoint> clogs_;  // until when
  std::map<std::string, std::string> leads_;
  std::map<std::uint64_t, PipePtr> held_;  // pipes with something held, by number
  Observer observer_;
  std::uint64_t last_route_ = 0;
  std::uint64_t last_pipe_ = 0;
  std::uint64_t last_endpoint_ = 0;
};

}  // namespace grove::transport
