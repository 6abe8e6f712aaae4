// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/memory_network.hpp"

#include <algorithm>

namespace grove::transport {

class MemoryNetwork::MemoryEndpoint final : public Transport {
 public:
  explicit MemoryEndpoint(MemoryNetwork& network)
      : network_{network}, number_{++network.last_endpoint_} {}
  ~MemoryEndpoint() override { stop(); }

  Result<void> secure(const Cookie&) override { return {}; }

  Result<std::string> listen(const std::string& address) override {
    if (network_.endpoints_.contains(address)) {
      return Error{Errc::address_in_use, address + " is taken"};
    }
    if (address_.empty()) address_ = address;
    network_.endpoints_[address] = this;
    return address;
  }

  void start(Events& events) override {
    events_ = &events;
    tick();
  }

  void stop() override {
    if (!stopped_) network_.kill(address_);
    stopped_ = true;
  }

  void dial(LinkId link, const std::string& address) override {
    if (stopped_) return;
    const Route route = address_ + '>' + std::to_string(++network_.last_route_);
    Connection connection{address_,
                          address,
                          number_,
                          0,
                          link,
                          network_.pipe(address_, address),
                          network_.pipe(address, address_)};
    routes_[link] = route;
    network_.connections_[route] = connection;
    network_.carry(connection.there, [&network = network_, route] {
      const auto place = network.connections_.find(route);
      if (place == network.connections_.end()) return;
      const MemoryEndpoint* listener = network.find(place->second.listener);
      const bool listening = listener != nullptr;
      if (listening) place->second.listener_number = listener->number_;
      network.carry(place->second.back, [&network, route, listening] {
        const auto still = network.connections_.find(route);
        if (still == network.connections_.end()) return;
        const Connection reached = still->second;
        MemoryEndpoint* dialler = network.dialler_of(reached);
        if (dialler == nullptr) return;
        if (listening) {
          dialler->events_->on_link_up(reached.link);
        } else {
          dialler->events_->on_link_down(reached.link, "connection refused");
        }
      });
    });
  }

  void hang_up(LinkId link) override {  // what is in flight goes on
    const auto route = routes_.find(link);
    if (route == routes_.end()) return;
    network_.connections_.erase(route->second);
    routes_.erase(route);
  }
  void share(LinkId) override {}

  SendResult send(LinkId link, Buffer bytes, const Bytes& tail) override {
    const auto route = routes_.find(link);
    if (route == routes_.end()) return SendResult::gone;
    const auto place = network_.connections_.find(route->second);
    if (place == network_.connections_.end()) return SendResult::gone;
    Frame frame = Frame::own(std::move(bytes));
    frame.tail = tail;
    if (network_.observer_) network_.observer_(address_, place->second.listener, frame);
    const std::size_t size = cost_of(frame);
    network_.carry(
        place->second.there,
        [&network = network_, route = route->second, to = place->second.listener,
         number = place->second.listener_number, frame = std::move(frame)] {
          if (MemoryEndpoint* listener = network.find(to, number)) {
            listener->events_->on_frame(route, frame);
          }
        },
        size);
    return SendResult::sent;
  }

  void answer(const Route& to, Buffer frame) override {
    const auto place = network_.connections_.find(to);
    if (place == network_.connections_.end() || place->second.listener_number != number_) return;
    network_.carry(place->second.back, [&network = network_, connection = place->second,
                                        frame = Frame::own(std::move(frame))] {
      if (MemoryEndpoint* dialler = network.dialler_of(connection)) {
        dialler->events_->on_answer(connection.link, frame);
      }
    });
  }

  void resolve(const std::string& address,
               std::function<void(std::vector<std::string>)> found) override {
    post([found = std::move(found), address] { found({address}); });
  }

  void post(std::function<void()> action) override {
    network_.clock_.call_at(network_.clock_.now(),
                            [alive = alive_, action = std::move(action), this] {
                              if (*alive && !stopped_) action();
                            });
  }

 private:
  friend class MemoryNetwork;
  void tick() {
    if (stopped_) return;
    const Clock::TimePoint soonest = network_.clock_.now() + std::chrono::milliseconds{1};
    network_.clock_.call_at(std::max(events_->on_tick(), soonest), [alive = alive_, this] {
      if (*alive) tick();
    });
  }

  MemoryNetwork& network_;
  const std::uint64_t number_;
  std::string address_;
  Events* events_ = nullptr;
  std::map<LinkId, Route> routes_;  // of the links that are not hung up
  bool stopped_ = false;
  struct Alive {
    std::shared_ptr<bool> flag = std::make_shared<bool>(true);
    ~Alive() { *flag = false; }
  } life_;
  std::shared_ptr<bool> alive_ = life_.flag;
};

// What a partition holds may refer to the pipe that it is held in.
MemoryNetwork::~MemoryNetwork() {
  for (const auto& [number, pipe] : held_) pipe->held.clear();
}

std::unique_ptr<Transport> MemoryNetwork::endpoint() {
  return std::make_unique<MemoryEndpoint>(*this);
}

MemoryNetwork::MemoryEndpoint* MemoryNetwork::find(const std::string& address) {
  const auto place = endpoints_.find(address);
  return place == endpoints_.end() || place->second->events_ == nullptr ? nullptr : place->second;
}

Clock::Duration MemoryNetwork::delay() {
  const auto spread = static_cast<std::uint64_t>((faults_.delay_mean - faults_.delay_min).count());
  return faults_.delay_min + Clock::Duration{random_.below(2 * spread + 1)};
}

/// The endpoint of that number: not another one that took its address.
MemoryNetwork::MemoryEndpoint* MemoryNetwork::find(const std::string& address,
                                                   std::uint64_t number) {
  MemoryEndpoint* endpoint = find(address);
  return endpoint != nullptr && endpoint->number_ == number ? endpoint : nullptr;
}

MemoryNetwork::MemoryEndpoint* MemoryNetwork::dialler_of(const Connection& connection) {
  MemoryEndpoint* endpoint = find(connection.dialler, connection.dialler_number);
  return endpoint != nullptr && endpoint->routes_.contains(connection.link) ? endpoint : nullptr;
}

MemoryNetwork::PipePtr MemoryNetwork::pipe(const std::string& from, const std::string& to) {
  auto made = std::make_shared<Pipe>();
  made->number = ++last_pipe_;
  made->from = from;
  made->to = to;
  return made;
}

void MemoryNetwork::carry(const PipePtr& pipe, std::function<void()> action, std::size_t bytes) {
  if (faults_.bytes_per_second > 0 && bytes > 0) {  // goes onto the wire behind what is on it
    pipe->free_at =
        std::max(pipe->free_at, clock_.now()) +
        Clock::Duration{std::chrono::nanoseconds{1'000'000'000} * bytes / faults_.bytes_per_second};
  }
  pipe->last = std::max(pipe->last, std::max(pipe->free_at, clock_.now()) + delay());
  clock_.call_at(pipe->last, [this, pipe, action = std::move(action)]() mutable {
    arrive(pipe, std::move(action));
  });
}

void MemoryNetwork::arrive(const PipePtr& pipe, std::function<void()> action) {
  if (cuts_.contains({pipe->from, pipe->to}) || !pipe->held.empty()) {
    pipe->held.push_back(std::move(action));
    held_.emplace(pipe->number, pipe);
  } else {
    action();
  }
}

void MemoryNetwork::heal(const std::string& from, const std::string& to) {
  cuts_.erase({from, to});
  std::vector<PipePtr> healed;
  for (const auto& [number, pipe] : held_) {
    if (pipe->from == from && pipe->to == to) healed.push_back(pipe);
  }
  for (const PipePtr& pipe : healed) {
    // What arrives until then joins the queue, so that nothing overtakes what was held.
    clock_.call_at(std::max(pipe->last, clock_.now() + delay()), [this, pipe] { release(pipe); });
  }
}

void MemoryNetwork::release(const PipePtr& pipe) {
  while (!pipe->held.empty() && !cuts_.contains({pipe->from, pipe->to})) {
    const auto action = std::move(pipe->held.front());
    pipe->held.pop_front();
    action();
  }
  if (pipe->held.empty()) held_.erase(pipe->number);
}

void MemoryNetwork::heal_all() {
  for (const auto& [from, to] : std::set{cuts_}) heal(from, to);
}

void MemoryNetwork::kill(const std::string& address) {
  std::set<std::string> addresses{address};  // all at which it listens
  if (const auto place = endpoints_.find(address); place != endpoints_.end()) {
    MemoryEndpoint* const gone = place->second;
    gone->stopped_ = true;
    for (const auto& [one, endpoint] : endpoints_) {
      if (endpoint == gone) addresses.insert(one);
    }
    std::erase_if(endpoints_, [&](const auto& entry) { return entry.second == gone; });
  }
  for (auto place = connections_.begin(); place != connections_.end();) {
    const Connection connection = place->second;
    if (addresses.contains(connection.listener)) {
      // Its end travels behind what it sent before.
      carry(connection.back, [this, connection] {
        if (MemoryEndpoint* dialler = dialler_of(connection)) {
          dialler->events_->on_link_down(connection.link, "connection lost");
        }
      });
    }
    const bool over =
        addresses.contains(connection.listener) || addresses.contains(connection.dialler);
    place = over ? connections_.erase(place) : std::next(place);
  }
}

}  // namespace grove::transport
