// SPDX-License-Identifier: Apache-2.0
#include "in_process.hpp"

#include "grove/core/read_mostly.hpp"
#include "grove/transport/endpoint.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace grove::transport {
namespace {

class Inbox;
using InboxPtr = std::shared_ptr<Inbox>;

/// One link between two transports of this program.
struct Connection {
  Connection(LinkId id, InboxPtr from, InboxPtr to)
      : link{id}, dialler{std::move(from)}, listener{std::move(to)} {}
  const LinkId link;
  const Route route = "memory-" + std::to_string(++last_route_);
  const InboxPtr dialler;
  const InboxPtr listener;
  std::atomic<bool> open{true};      // frames go there
  std::atomic<bool> hung_up{false};  // nothing comes back any more

 private:
  static inline std::atomic<std::uint64_t> last_route_{0};
};
using ConnectionPtr = std::shared_ptr<Connection>;
using Connections = std::map<LinkId, ConnectionPtr>;

/// What comes to one transport from others, in order, and who they are. Outlives the transport.
class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  using Event = std::function<void(Transport::Events&)>;
  explicit Inbox(Transport& loop) : loop_{&loop} {}

  /// Returns: false when the transport has stopped; then the event never runs.
  bool push(Event event) {
    const std::lock_guard lock{mutex_};
    if (loop_ == nullptr) return false;
    waiting_.push_back(std::move(event));
    if (waiting_.size() == 1) loop_->post([self = shared_from_this()] { self->drain(); });
    return true;
  }
  /// Returns: false when nobody listens any more.
  bool connect(const ConnectionPtr& connection) {
    const std::lock_guard lock{mutex_};
    return loop_ != nullptr && connections_.emplace(connection->route, connection).second;
  }
  void disconnect(const Route& route) {
    const std::lock_guard lock{mutex_};
    connections_.erase(route);
  }
  ConnectionPtr find(const Route& route) const {
    const std::lock_guard lock{mutex_};
    const auto place = connections_.find(route);
    return place == connections_.end() ? nullptr : place->second;
  }
  void start(Transport::Events& events) {
    const std::lock_guard lock{mutex_};
    events_ = &events;
  }
  /// From now on nothing comes. Returns: who was connected.
  std::unordered_map<Route, ConnectionPtr> close() {
    const std::lock_guard lock{mutex_};
    loop_ = nullptr;
    waiting_.clear();
    return std::exchange(connections_, {});
  }

 private:
  void drain() {  // on the loop
    std::vector<Event> events;
    Transport::Events* to = nullptr;
    {
      const std::lock_guard lock{mutex_};
      if (events_ == nullptr) return;
      events.swap(waiting_);
      to = events_;
    }
    for (const Event& event : events) event(*to);
  }

  mutable std::mutex mutex_;  // guards everything
  Transport* loop_;
  Transport::Events* events_ = nullptr;
  std::vector<Event> waiting_;
  std::unordered_map<Route, ConnectionPtr> connections_;  // of those who dialled us
};

/// Who of this program listens where. An address that somebody here has bound reaches nobody else,
/// so to find it here is to have dialled it.
class Directory {
 public:
  /// Never destroyed: a node may end later than whatever a program keeps in its statics.
  static Directory& of_this_program() {
    static auto* const directory = new Directory;
    return *directory;
  }
  void add(const std::string& address, const InboxPtr& inbox) {
    const std::lock_guard lock{mutex_};
    listening_[address] = inbox;
  }
  void remove(const InboxPtr& inbox) {
    const std::lock_guard lock{mutex_};
    std::erase_if(listening_, [&](const auto& entry) { return entry.second == inbox; });
  }
  InboxPtr find(const std::string& address) const {
    const auto endpoint = parse_endpoint(address, AddressUse::dial);
    const std::lock_guard lock{mutex_};
    if (const auto place = listening_.find(address); place != listening_.end()) {
      return place->second;
    }
    // Who listens on every address is reached over loopback, too.
    if (!endpoint || endpoint->kind != Endpoint::Kind::tcp || !endpoint->is_local()) return nullptr;
    const std::string port = ':' + std::to_string(endpoint->port);
    auto place = listening_.find("[::]" + port);
    if (place == listening_.end() && endpoint->host != "::1") {
      place = listening_.find("0.0.0.0" + port);
    }
    return place == listening_.end() ? nullptr : place->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, InboxPtr> listening_;
};

class PastSockets final : public Transport {
 public:
  explicit PastSockets(std::unique_ptr<Transport> sockets)
      : sockets_{std::move(sockets)}, inbox_{std::make_shared<Inbox>(*sockets_)} {}
  ~PastSockets() override { stop(); }

  Result<void> secure(const Cookie& cookie) override { return sockets_->secure(cookie); }

  Result<std::string> listen(const std::string& address) override {
    auto bound = sockets_->listen(address);
    if (bound) Directory::of_this_program().add(*bound, inbox_);
    return bound;
  }

  void start(Events& events, Scheduler& scheduler) override {
    inbox_->start(events);
    sockets_->start(events, scheduler);
  }

  void stop() override {
    Directory::of_this_program().remove(inbox_);
    const auto diallers = inbox_->close();
    sockets_->stop();
    for (const auto& [route, connection] : diallers) {
      connection->open = false;
      to_dialler(connection, [link = connection->link](Events& events) {
        events.on_link_down(link, "connection lost");
      });
    }
    for (const auto& [link, connection] : *links_.now()) close(*connection);
    links_.change([](Connections& links) { links.clear(); });
  }

  void dial(LinkId link, const std::string& address) override {
    const InboxPtr listener = Directory::of_this_program().find(address);
    if (listener == nullptr) {
      sockets_->dial(link, address);
      return;
    }
    const auto connection = std::make_shared<Connection>(link, inbox_, listener);
    links_.change([&](Connections& links) { links.emplace(link, connection); });
    // Up first: were the listener known before, its end could come to us first.
    to_dialler(connection, [link](Events& events) { events.on_link_up(link); });
    if (listener->connect(connection)) return;
    connection->open = false;
    to_dialler(connection,
               [link](Events& events) { events.on_link_down(link, "connection lost"); });
  }

  void hang_up(LinkId link) override {
    const ConnectionPtr connection = find(link);
    if (connection == nullptr) return sockets_->hang_up(link);
    links_.change([link](Connections& links) { links.erase(link); });
    close(*connection);
  }

  void share(LinkId link) override {
    if (find(link) == nullptr) sockets_->share(link);
  }

  void answer(const Route& to, Buffer frame) override {
    const ConnectionPtr connection = inbox_->find(to);
    if (connection == nullptr) {
      sockets_->answer(to, std::move(frame));
      return;
    }
    to_dialler(connection, [link = connection->link, frame = Frame::own(std::move(frame))](
                               Events& events) { events.on_answer(link, frame); });
  }

  void resolve(const std::string& address,
               std::function<void(std::vector<std::string>)> found) override {
    sockets_->resolve(address, std::move(found));
  }

  SendResult send(LinkId link, Buffer bytes, const Bytes& tail) override {
    const ConnectionPtr connection = find(link);
    if (connection == nullptr) return sockets_->send(link, std::move(bytes), tail);
    if (!connection->open) return SendResult::gone;
    Frame frame = Frame::own(std::move(bytes));
    frame.tail = tail;
    const bool taken =
        connection->listener->push([connection, frame = std::move(frame)](Events& events) {
          events.on_frame(connection->route, frame);
        });
    return taken ? SendResult::sent : SendResult::gone;
  }

  void post(std::function<void()> action) override { sockets_->post(std::move(action)); }

 private:
  ConnectionPtr find(LinkId link) const {
    const Connections& links = *links_.now();
    const auto place = links.find(link);
    return place == links.end() ? nullptr : place->second;
  }
  /// Unless the link is hung up meanwhile.
  static void to_dialler(const ConnectionPtr& connection, Inbox::Event event) {
    connection->dialler->push([connection, event = std::move(event)](Events& events) {
      if (!connection->hung_up) event(events);
    });
  }
  static void close(Connection& connection) {
    connection.open = false;
    connection.hung_up = true;
    connection.listener->disconnect(connection.route);
  }

  const std::unique_ptr<Transport> sockets_;
  const InboxPtr inbox_;
  ReadMostly<Connections> links_;
};

}  // namespace

std::unique_ptr<Transport> past_sockets(std::unique_ptr<Transport> sockets) {
  return std::make_unique<PastSockets>(std::move(sockets));
}

}  // namespace grove::transport
