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

  void start(Events& events, Scheduler&) override {
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
    network_.carry(connection.there,
                   {{}, [&network = network_, route] {
                      const auto place = network.connections_.find(route);
                      if (place == network.connections_.end()) return;
                      MemoryEndpoint* listener = network.find(place->second.listener);
                      if (listener == nullptr) return network.greet(route, false);
                      place->second.listener_number = listener->number_;
                      listener->happen([&network, route] { network.greet(route, true); });
                    }});
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
    network_.carry_frame(
        place->second.there,
        {frame, [&network = network_, route = route->second, to = place->second.listener,
                 number = place->second.listener_number, frame] {
           MemoryEndpoint* listener = network.find(to, number);
           if (listener == nullptr) return;
           listener->happen(
               [listener, route, frame] { listener->events_->on_frame(route, frame); });
         }});
    return SendResult::sent;
  }

  void answer(const Route& to, Buffer bytes) override {
    const auto place = network_.connections_.find(to);
    if (place == network_.connections_.end() || place->second.listener_number != number_) return;
    const Frame frame = Frame::own(std::move(bytes));
    network_.carry_frame(place->second.back,
                         {frame, [&network = network_, connection = place->second, frame] {
                            MemoryEndpoint* dialler = network.dialler_of(connection);
                            if (dialler == nullptr) return;
                            dialler->happen([dialler, link = connection.link, frame] {
                              dialler->events_->on_answer(link, frame);
                            });
                          }});
  }

  void resolve(const std::string& address,
               std::function<void(std::vector<std::string>)> found) override {
    const auto place = network_.leads_.find(address);
    const std::string there = place == network_.leads_.end() ? address : place->second;
    post([found = std::move(found), there] { found({there}); });
  }

  void post(std::function<void()> action) override {
    network_.clock_.call_at(network_.clock_.now(),
                            [alive = alive_, action = std::move(action), this] {
                              if (*alive) happen(action);
                            });
  }

 private:
  friend class MemoryNetwork;
  void tick() {
    if (stopped_) return;
    const Clock::TimePoint soonest = network_.clock_.now() + std::chrono::milliseconds{1};
    network_.clock_.call_at(std::max(events_->on_tick(), soonest), [alive = alive_, this] {
      if (*alive) happen([this] { tick(); });
    });
  }
  /// Here and now; later, while it is paused; never, once it is stopped.
  void happen(std::function<void()> event) {
    if (paused_) {
      waiting_.push_back(std::move(event));
    } else if (!stopped_) {
      event();
    }
  }
  void resume() {
    paused_ = false;
    while (!paused_ && !waiting_.empty()) {
      const std::function<void()> event = std::move(waiting_.front());
      waiting_.pop_front();
      if (!stopped_) event();
    }
  }

  MemoryNetwork& network_;
  const std::uint64_t number_;
  std::string address_;
  Events* events_ = nullptr;
  std::map<LinkId, Route> routes_;  // of the links that are not hung up
  bool stopped_ = false;
  bool paused_ = false;
  std::deque<std::function<void()>> waiting_;  // for its end
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

MemoryNetwork::MemoryEndpoint* MemoryNetwork::find(const std::string& address) const {
  const auto place = endpoints_.find(address);
  return place == endpoints_.end() || place->second->events_ == nullptr ? nullptr : place->second;
}

Clock::Duration MemoryNetwork::delay() {
  const Clock::Duration more = std::max(faults_.delay_mean - faults_.delay_min, Clock::Duration{});
  const auto spread = static_cast<std::uint64_t>(more.count());
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

/// Tells who has dialled whether somebody listens.
void MemoryNetwork::greet(const Route& route, bool listening) {
  const auto place = connections_.find(route);
  if (place == connections_.end()) return;
  carry(place->second.back, {{}, [this, reached = place->second, listening] {
                               MemoryEndpoint* dialler = dialler_of(reached);
                               if (dialler == nullptr) return;
                               dialler->happen([dialler, link = reached.link, listening] {
                                 if (listening) return dialler->events_->on_link_up(link);
                                 dialler->events_->on_link_down(link, "connection refused");
                               });
                             }});
}

void MemoryNetwork::carry(const PipePtr& pipe, InFlight what) {
  Clock::TimePoint leaves = std::max(pipe->free_at, clock_.now());
  if (faults_.bytes_per_second > 0 && !what.frame.bytes.empty()) {  // behind what is on the wire
    leaves += Clock::Duration{std::chrono::nanoseconds{1'000'000'000} * cost_of(what.frame) /
                              faults_.bytes_per_second};
    pipe->free_at = leaves;
  }
  const auto clog = clogs_.find({pipe->from, pipe->to});
  if (clog != clogs_.end()) leaves = std::max(leaves, clog->second);
  pipe->last = std::max(pipe->last, leaves + delay());
  call_at(pipe->last, pipe, std::move(what));
}

void MemoryNetwork::carry_frame(const PipePtr& pipe, InFlight what) {
  if (happens(faults_.lost)) return;
  if (happens(faults_.repeated)) carry(pipe, what);
  if (happens(faults_.overtaken)) {
    const Clock::TimePoint late = std::max(pipe->last, clock_.now()) + delay() + delay();
    call_at(late, pipe, std::move(what));
  } else {
    carry(pipe, std::move(what));
  }
}

bool MemoryNetwork::happens(unsigned of_thousand) {
  return of_thousand > 0 && random_.below(1000) < of_thousand;
}

void MemoryNetwork::call_at(Clock::TimePoint when, const PipePtr& pipe, InFlight what) {
  clock_.call_at(when,
                 [this, pipe, what = std::move(what)]() mutable { arrive(pipe, std::move(what)); });
}

void MemoryNetwork::arrive(const PipePtr& pipe, InFlight what) {
  if (cuts_.contains({pipe->from, pipe->to}) || !pipe->held.empty()) {
    pipe->held.push_back(std::move(what));
    held_.emplace(pipe->number, pipe);
  } else {
    what.action();
  }
}

void MemoryNetwork::clog(const std::string& from, const std::string& to, Clock::Duration duration) {
  clogs_[{from, to}] = clock_.now() + duration;
}

std::vector<Frame> MemoryNetwork::held(const std::string& from, const std::string& to) const {
  std::vector<Frame> frames;
  for (const auto& [number, pipe] : held_) {
    if (pipe->from != from || pipe->to != to) continue;
    for (const InFlight& what : pipe->held) frames.push_back(what.frame);
  }
  return frames;
}

bool MemoryNetwork::release_one(const std::string& from, const std::string& to) {
  for (const auto& [number, pipe] : held_) {
    if (pipe->from != from || pipe->to != to) continue;
    const PipePtr open = pipe;
    const auto action = std::move(open->held.front().action);
    open->held.pop_front();
    if (open->held.empty()) held_.erase(open->number);
    action();
    return true;
  }
  return false;
}

void MemoryNetwork::pause(const std::string& address) {
  if (MemoryEndpoint* endpoint = find(address)) endpoint->paused_ = true;
}

void MemoryNetwork::resume(const std::string& address) {
  if (MemoryEndpoint* endpoint = find(address)) endpoint->resume();
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
    const auto action = std::move(pipe->held.front().action);
    pipe->held.pop_front();
    action();
  }
  if (pipe->held.empty()) held_.erase(pipe->number);
}

void MemoryNetwork::heal_all() {
  clogs_.clear();
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
      carry(connection.back, {{}, [this, connection] {
                                MemoryEndpoint* dialler = dialler_of(connection);
                                if (dialler == nullptr) return;
                                dialler->happen([dialler, link = connection.link] {
                                  dialler->events_->on_link_down(link, "connection lost");
                                });
                              }});
    }
    const bool over =
        addresses.contains(connection.listener) || addresses.contains(connection.dialler);
    place = over ? connections_.erase(place) : std::next(place);
  }
}

}  // namespace grove::transport
