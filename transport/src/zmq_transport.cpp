// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/zmq_transport.hpp"

#include "grove/core/check.hpp"
#include "grove/core/read_mostly.hpp"
#include "grove/core/submit_together.hpp"
#include "grove/transport/endpoint.hpp"

#include "gate.hpp"
#include "in_process.hpp"
#include "lending.hpp"
#include "listening.hpp"
#include "resolver.hpp"

#include <zmq.hpp>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <map>
#include <mutex>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace grove::transport {
namespace {

constexpr std::size_t k_copied_bytes_max = std::size_t{16} << 10U;  // longer parts are handed over
constexpr std::int64_t k_zmq_message_bytes_max = k_zmq_frame_bytes_max + 64;  // CURVE adds 33
constexpr int k_backlog = 1024;  // connections that the system holds until ZeroMQ looks
// A connection that has been quiet for so long is asked so often, in such intervals, whether its
// other end is still there.
constexpr std::chrono::seconds k_keepalive_idle{60};
constexpr std::chrono::seconds k_keepalive_interval{10};
constexpr int k_keepalive_probes = 3;
constexpr auto k_tick_max = std::chrono::seconds{1};
// Over a shared link only a good-bye comes back. Looking for it after every frame would have the
// net thread and the senders wait for each other. A sender may also take the sign of it from the
// descriptor, so we look whenever we are awake anyway.
constexpr auto k_shared_look = std::chrono::milliseconds{10};

/// Wakes the net thread out of its poll.
class WakeUp {
 public:
  WakeUp() : fd_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)} { GROVE_CHECK(fd_ >= 0); }
  ~WakeUp() { close(fd_); }
  WakeUp(const WakeUp&) = delete;
  WakeUp& operator=(const WakeUp&) = delete;
  void raise() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(fd_, &one, sizeof one);
  }
  void clear() noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = read(fd_, &count, sizeof count);
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

/// One dialled peer: its DEALER and the PAIR on which ZeroMQ reports the connection's fate.
struct Link {
  std::mutex mutex;  // guards `dealer` and `open` once the link is shared
  zmq::socket_t dealer;
  bool open = true;
  zmq::socket_t monitor;  // the net thread's
  int dealer_fd = -1;
  bool shared = false;  // set by the net thread before another one knows the link
  bool reported_up = false;
  std::string address;
};
using LinkPtr = std::shared_ptr<Link>;
using Links = std::map<LinkId, LinkPtr>;

/// Signals are for the program's own code, as ZeroMQ's threads have it too: in its scope one would
/// break off a call of ZeroMQ. Those that tell of a fault of the thread itself stay.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) {
      sigdelset(&blocked, fault);
    }
    pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// Notes which thread is in a round.
class InRound {
 public:
  explicit InRound(std::atomic<std::thread::id>& who) noexcept : who_{who} {
    who_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  ~InRound() { who_.store({}, std::memory_order_relaxed); }
  InRound(const InRound&) = delete;
  InRound& operator=(const InRound&) = delete;

 private:
  std::atomic<std::thread::id>& who_;
};

/// Sends a part from a thread that may be interrupted by a signal. Throws: zmq::error_t.
bool send_part(zmq::socket_t& socket, zmq::message_t& part, zmq::send_flags flags) {
  for (;;) {
    try {
      return socket.send(part, flags).has_value();
    } catch (const zmq::error_t& error) {
      if (error.num() != EINTR) throw;
    }
  }
}

/// A message whose memory `keeper` holds until ZeroMQ has sent it.
template <class T>
zmq::message_t part_held_by(std::unique_ptr<T> keeper) {
  void* const data = const_cast<std::byte*>(keeper->data());  // ZeroMQ only reads it
  zmq::message_t part{data, keeper->size(), [](void*, void* held) { delete static_cast<T*>(held); },
                      keeper.get()};
  static_cast<void>(keeper.release());
  return part;
}
zmq::message_t part_of(Buffer frame) {
  if (frame.size() <= k_copied_bytes_max) return {frame.data(), frame.size()};
  return part_held_by(std::make_unique<Buffer>(std::move(frame)));
}
zmq::message_t part_of(const Bytes& tail) { return part_held_by(std::make_unique<Bytes>(tail)); }

Bytes bytes_of(zmq::message_t part) {
  auto owner = std::make_shared<zmq::message_t>(std::move(part));
  const std::span<const std::byte> bytes{static_cast<const std::byte*>(owner->data()),
                                         owner->size()};
  return {std::move(owner), bytes};
}
Frame frame_of(zmq::message_t head, zmq::message_t tail = {}) {
  auto owner = std::make_shared<zmq::message_t>(std::move(head));
  const std::span<const std::byte> bytes{static_cast<const std::byte*>(owner->data()),
                                         owner->size()};
  Frame frame{owner, bytes, tail.empty() ? Bytes{} : bytes_of(std::move(tail))};
  if (kind_of(bytes) == FrameKind::hello) {
    const char* source = zmq_msg_gets(owner->handle(), "Peer-Address");
    if (source != nullptr) frame.source = source;
  }
  return frame;
}

class ZmqTransport final : public Transport, private Loop {
 public:
  explicit ZmqTransport(Clock& clock) : clock_{clock} {
    context_.set(zmq::ctxopt::max_sockets, 8192);
  }
  ~ZmqTransport() override { stop(); }

  Result<void> secure(const Cookie& cookie) override { return gate_.set_cookie(context_, cookie); }

  Result<std::string> listen(const std::string& address) override {
    const auto endpoint = parse_endpoint(address, AddressUse::listen);
    if (!endpoint) return endpoint.error();
    if (!router_) {
      router_ = zmq::socket_t{context_, zmq::socket_type::router};
      router_.set(zmq::sockopt::linger, 0);
      router_.set(zmq::sockopt::maxmsgsize, k_zmq_message_bytes_max);
      router_.set(zmq::sockopt::handshake_ivl, 3000);
      router_.set(zmq::sockopt::backlog, k_backlog);
      router_.set(zmq::sockopt::tcp_keepalive, 1);  // else who vanished keeps a descriptor
      router_.set(zmq::sockopt::tcp_keepalive_idle, static_cast<int>(k_keepalive_idle.count()));
      router_.set(zmq::sockopt::tcp_keepalive_intvl,
                  static_cast<int>(k_keepalive_interval.count()));
      router_.set(zmq::sockopt::tcp_keepalive_cnt, k_keepalive_probes);
      router_.set(zmq::sockopt::rcvhwm, 0);  // bounded by the senders' own limits
      gate_.guard(context_, router_);
    }
    return listening_.bind(router_, *endpoint);
  }

  void start(Events& events, Scheduler& scheduler) override {
    events_ = &events;
    set_looping(true);
    try {
      scheduler.run_loop(*this);
    } catch (...) {
      set_looping(false);
      throw;
    }
  }

  void stop() override {
    if (stopped_.exchange(true)) return;
    GROVE_CHECK(in_round_.load() != std::this_thread::get_id());  // it would wait for itself
    wake_.raise();
    {
      std::unique_lock lock{looping_mutex_};
      has_ended_.wait(lock, [this] { return !looping_; });
    }
    resolver_.stop();
    for (const auto& [id, link] : *links_.now()) close_link(*link);
    links_.change([](Links& links) { links.clear(); });
    // The reports end before their reader does: ZeroMQ's I/O thread would wait for one for ever.
    if (router_) zmq_socket_monitor(router_.handle(), nullptr, 0);
    router_.close();  // before the gate: nobody finds it unwatched
    gate_.close();
    listening_.close();
  }

  void dial(LinkId id, const std::string& address) override {
    try {
      connect(id, address);
    } catch (const zmq::error_t& error) {  // no address, or no file descriptors left
      lost_.emplace_back(id, error.what());
    }
  }

  void hang_up(LinkId id) override {
    const LinkPtr link = find(id);
    if (link == nullptr) return;
    links_.change([id](Links& links) { links.erase(id); });
    close_link(*link);
  }

  void share(LinkId id) override {
    if (const LinkPtr link = find(id)) link->shared = true;
  }

  void answer(const Route& to, Buffer frame) override {
    look_again_ = true;
    try {
      zmq::message_t route{to.data(), to.size()};
      zmq::message_t body{frame.data(), frame.size()};
      // Not "mandatory": an answer to somebody who has gone is lost, as it should be.
      if (router_.send(route, zmq::send_flags::sndmore | zmq::send_flags::dontwait)) {
        router_.send(body, zmq::send_flags::dontwait);
      }
    } catch (const zmq::error_t&) {
      // As above.
    }
  }

  void resolve(const std::string& address,
               std::function<void(std::vector<std::string>)> found) override {
    resolver_.look_up(address, [this, found = std::move(found)](std::vector<std::string> all) {
      post([found, all = std::move(all)] { found(all); });
    });
  }

  SendResult send(LinkId id, Buffer frame, const Bytes& tail) override {
    const LinkPtr link = find(id);
    if (link == nullptr) return SendResult::gone;
    const std::lock_guard lock{link->mutex};
    if (!link->open) return SendResult::gone;
    if (!link->shared) look_again_ = true;
    try {
      zmq::message_t head = part_of(std::move(frame));
      const auto more = tail.empty() ? zmq::send_flags::none : zmq::send_flags::sndmore;
      // None of it waits for room: it is refused only when there is no connection.
      if (!send_part(link->dealer, head, more | zmq::send_flags::dontwait)) return SendResult::gone;
      if (tail.empty()) return SendResult::sent;
      zmq::message_t rest = part_of(tail);
      if (!send_part(link->dealer, rest, zmq::send_flags::dontwait)) return SendResult::gone;
    } catch (const zmq::error_t&) {
      return SendResult::gone;
    }
    return SendResult::sent;
  }

  void post(std::function<void()> action) override {
    {
      const std::lock_guard lock{posted_mutex_};
      if (!takes_posts_) return;
      posted_.push_back(std::move(action));
    }
    wake_.raise();
  }

 private:
  /// Throws zmq::error_t.
  void connect(LinkId id, const std::string& address) {
    auto link = std::make_shared<Link>();
    link->address = address;
    link->dealer = zmq::socket_t{context_, zmq::socket_type::dealer};
    zmq::socket_t& dealer = link->dealer;
    dealer.set(zmq::sockopt::immediate, true);  // never queue for a peer that is not there
    dealer.set(zmq::sockopt::linger, 0);
    dealer.set(zmq::sockopt::reconnect_ivl, -1);  // a lost link stays lost: we redial ourselves
    dealer.set(zmq::sockopt::sndhwm, 0);          // bounded by who sends, in bytes
    dealer.set(zmq::sockopt::handshake_ivl, 3000);
    dealer.set(zmq::sockopt::maxmsgsize, k_zmq_message_bytes_max);
    dealer.set(zmq::sockopt::ipv6, address.find('[') != std::string::npos);
    gate_.open(dealer);
    const std::string report = "inproc://link-" + std::to_string(id);
    // Without a C++ counterpart that leaves the PAIR to us.
    if (zmq_socket_monitor(dealer.handle(), report.c_str(), ZMQ_EVENT_ALL) != 0) {
      throw zmq::error_t{};
    }
    link->monitor = zmq::socket_t{context_, zmq::socket_type::pair};
    link->monitor.set(zmq::sockopt::linger, 0);
    link->monitor.connect(report);
    links_.change([&](Links& links) { links.emplace(id, link); });
    link->dealer_fd = dealer.get(zmq::sockopt::fd);
    dealer.connect(address.starts_with("ipc://") ? address : "tcp://" + address);
    look_again_ = true;
  }

  LinkPtr find(LinkId id) const {
    const Links& links = *links_.now();
    const auto place = links.find(id);
    return place == links.end() ? nullptr : place->second;
  }

  static void close_link(Link& link) {
    const std::lock_guard lock{link.mutex};
    link.open = false;
    if (link.dealer) zmq_socket_monitor(link.dealer.handle(), nullptr, 0);
    link.monitor.close();
    link.dealer.close();
  }

  // on_tick comes last: what there is to say is said before the thread runs something else.
  Next round() override {
    const SignalsBlocked blocked;
    const InRound inside{in_round_};
    if (stopped_.load(std::memory_order_acquire)) return Next::stop;
    const Clock::TimePoint begun = clock_.now();
    lending_.begin_round(begun);
    poll(std::chrono::ceil<std::chrono::milliseconds>(
        std::clamp<Clock::Duration>(next_tick_ - begun, std::chrono::milliseconds{1}, k_tick_max)));
    next_tick_ = events_->on_tick();
    if (!lost_.empty()) {  // what it, or a callback before it, has dialled failed at once
      for (auto& [id, why] : std::exchange(lost_, {})) events_->on_link_down(id, why);
      next_tick_ = events_->on_tick();
    }
    return lending_.end_round(clock_.now()) ? Next::run_here : Next::hand_over;
  }
  void interrupt() noexcept override { wake_.raise(); }
  void ended() noexcept override {
    {
      std::vector<std::function<void()>> never;  // who waits for one of them learns that it is gone
      const std::lock_guard lock{posted_mutex_};
      takes_posts_ = false;
      posted_.swap(never);
    }
    set_looping(false);
  }

  void set_looping(bool looping) {
    const std::lock_guard lock{looping_mutex_};
    looping_ = looping;
    has_ended_.notify_all();
  }

  /// A ZeroMQ socket's descriptor only says that something has changed since the socket was last
  /// used, in whatever way. So each is read until it is empty, and one that was used otherwise is
  /// looked at again before we wait. (zmq::poll knows too, but asks the system six times.)
  void poll(std::chrono::milliseconds wait) {
    const auto links = links_.now();  // whatever is dialled or hung up meanwhile
    const auto watched = [](zmq::socket_t& socket) {
      return pollfd{socket.get(zmq::sockopt::fd), POLLIN, 0};
    };
    std::vector<pollfd> items{watched(router_), {wake_.fd(), POLLIN, 0}};
    for (const int fd : gate_.fds()) items.push_back({fd, POLLIN, 0});
    const std::size_t first = items.size();
    const bool rests = clock_.now() < shared_rest_until_;
    for (const auto& [id, link] : *links) {
      items.push_back(watched(link->monitor));
      items.push_back({link->shared && rests ? -1 : link->dealer_fd, POLLIN, 0});
    }
    if (rests) wait = std::min(wait, k_shared_look);
    bool all = look_again_.exchange(false);
    const int timeout = all ? 0 : static_cast<int>(wait.count());
    if (::poll(items.data(), items.size(), timeout) <= 0) all = true;
    if (items[1].revents != 0) wake_.clear();
    const bool asked = items[2].revents != 0 || items[3].revents != 0;
    const bool failures = (all || asked) && gate_.collect();
    if (all || failures || items[0].revents != 0) read_router();
    for (const FailedHandshake& failed : gate_.judge()) {
      events_->on_handshake_failed(true, failed.address, failed.why);
    }
    run_posted();
    const Clock::TimePoint now = clock_.now();
    const bool look_at_shared = now >= look_at_shared_;
    if (look_at_shared) look_at_shared_ = now + k_shared_look;
    auto item = items.begin() + static_cast<std::ptrdiff_t>(first);
    for (const auto& [id, link] : *links) {
      const bool reported = (item++)->revents != 0;
      const bool answered = (item++)->revents != 0;
      if (answered && link->shared) shared_rest_until_ = now + k_shared_look;
      if (all || answered || (link->shared && look_at_shared)) read_answers(id, *link);
      if (all || reported) read_monitor(id, *link);
    }
  }

  void read_router() {
    for (int budget = 1000; budget > 0; --budget) {
      zmq::message_t route;
      if (!router_.recv(route, zmq::recv_flags::dontwait)) return;
      zmq::message_t head;
      zmq::message_t tail;
      int parts = 0;
      for (bool more = route.more(); more; ++parts) {
        zmq::message_t part;
        if (!router_.recv(part, zmq::recv_flags::dontwait)) return;
        more = part.more();
        (parts == 0 ? head : tail) = std::move(part);
      }
      gate_.heard(head);
      if (parts > 2) head.rebuild();  // no frame of ours: let it be malformed
      lending_.heard(head.size() + tail.size());
      if (!lending_.lends()) SubmitTogether::let_go();  // of the frame before
      events_->on_frame(route.to_string(), frame_of(std::move(head), std::move(tail)));
      if (!lending_.lends()) SubmitTogether::let_go();
    }
    look_again_ = true;
  }

  void read_answers(LinkId id, Link& link) {
    for (;;) {
      zmq::message_t message;
      {
        const std::lock_guard lock{link.mutex};
        if (!link.open) return;
        try {
          if (!link.dealer.recv(message, zmq::recv_flags::dontwait)) return;
        } catch (const zmq::error_t&) {
          return;
        }
      }
      events_->on_answer(id, frame_of(std::move(message)));
    }
  }

  void read_monitor(LinkId id, Link& link) {
    while (link.monitor) {  // until it is hung up
      const auto event = next_event(link.monitor);
      if (!event) return;
      if (const auto why = gate_.why_lost(*event, link.reported_up)) {
        events_->on_link_down(id, *why);
        events_->on_handshake_failed(false, link.address, *why);
        return;
      }
      switch (event->kind) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
          if (!std::exchange(link.reported_up, true)) events_->on_link_up(id);
          break;
        case ZMQ_EVENT_DISCONNECTED:
        case ZMQ_EVENT_CLOSED:
        case ZMQ_EVENT_CLOSE_FAILED:
          events_->on_link_down(id, link.reported_up ? "connection lost" : "connection refused");
          return;
        default: break;
      }
    }
  }

  void run_posted() {
    std::vector<std::function<void()>> actions;
    {
      const std::lock_guard lock{posted_mutex_};
      actions.swap(posted_);
    }
    if (!actions.empty()) SubmitTogether::let_go();  // they may take their time
    for (const auto& action : actions) {
      action();
      SubmitTogether::let_go();
    }
  }

  Clock& clock_;
  zmq::context_t context_{1};
  zmq::socket_t router_;  // the net thread's
  Gate gate_;             // the net thread's
  Listening listening_;
  Events* events_ = nullptr;
  WakeUp wake_;
  std::atomic<bool> stopped_{false};
  ReadMostly<Links> links_;
  std::vector<std::pair<LinkId, std::string>> lost_;  // the net thread's
  std::atomic<bool> look_again_{true};                // see poll()
  Clock::TimePoint look_at_shared_{};                 // the net thread's
  Clock::TimePoint shared_rest_until_{};              // the net thread's
  std::mutex posted_mutex_;                           // guards the next two
  std::vector<std::function<void()>> posted_;
  bool takes_posts_ = true;
  Resolver resolver_;
  Lending lending_;               // the net thread's
  Clock::TimePoint next_tick_{};  // the net thread's
  std::atomic<std::thread::id> in_round_{};
  std::mutex looping_mutex_;  // guards looping_
  std::condition_variable has_ended_;
  bool looping_ = false;
};

}  // namespace

std::unique_ptr<Transport> make_zmq_transport(Clock& clock, ZmqOptions options) {
  auto sockets = std::make_unique<ZmqTransport>(clock);
  if (!options.in_process) return sockets;
  return past_sockets(std::move(sockets));
}

}  // namespace grove::transport
