// SPDX-License-Identifier: Apache-2.0
#include "gate.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>

namespace grove::transport {
namespace {

constexpr const char* k_reports = "inproc://gate";
constexpr int k_watched = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                          ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                          ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

/// Whose connection it is, without the port, which differs each time. ZeroMQ may have closed it by
/// now: this is for people only.
std::string address_of(int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  char text[INET6_ADDRSTRLEN] = {};
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0) {
    if (peer.ss_family == AF_UNIX) return "a socket of this machine";
    const void* host =
        peer.ss_family == AF_INET
            ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(&peer)->sin_addr)
            : &reinterpret_cast<const sockaddr_in6*>(&peer)->sin6_addr;
    if (inet_ntop(peer.ss_family, host, text, sizeof text) != nullptr) return text;
  }
  return {};
}

/// A handshake that failed without a detail either ran out of time or was hung up on, as by a node
/// with a cookie, which often goes before it has said so. That leaves these two in errno's place.
bool ran_out_of_time(const MonitorEvent& event) {
  return event.kind == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL && event.value != EPIPE &&
         event.value != ECONNRESET;
}

}  // namespace

Result<void> Gate::set_cookie(zmq::context_t& context, const Cookie& cookie) {
  const bool encrypt = !cookie.empty();
  if (const auto good = check_library(zmq_library(), encrypt); !good) return good.error();
  watch_ = HandshakeWatch{encrypt};
  if (!encrypt) return {};
  keys_ = curve_keys(cookie);
  zap_.emplace(context, keys_->dialler.public_key);
  return {};
}

void Gate::guard(zmq::context_t& context, zmq::socket_t& router) {
  if (keys_) secure_listener(router, *keys_);
  if (zmq_socket_monitor(router.handle(), k_reports, k_watched) != 0) throw zmq::error_t{};
  monitor_ = zmq::socket_t{context, zmq::socket_type::pair};
  monitor_.set(zmq::sockopt::linger, 0);
  monitor_.set(zmq::sockopt::rcvhwm, 0);  // at a limit ZeroMQ's I/O thread would wait for us
  monitor_.connect(k_reports);
}

void Gate::open(zmq::socket_t& dealer) const {
  if (keys_) secure_dialler(dealer, *keys_);
}

void Gate::close() {
  monitor_.close();
  zap_.reset();
}

std::array<int, 2> Gate::fds() const {
  return {zap_ ? zap_->fd() : -1, monitor_ ? monitor_.get(zmq::sockopt::fd) : -1};
}

bool Gate::collect() {
  if (zap_) zap_->serve();
  while (monitor_) {
    const auto event = next_event(monitor_);
    if (!event) break;
    const bool accepted = event->kind == ZMQ_EVENT_ACCEPTED;
    reports_.push_back({*event, accepted ? address_of(static_cast<int>(event->value)) : ""});
  }
  return !reports_.empty();
}

void Gate::heard(zmq::message_t& frame) {
  if (reports_.empty() && !watch_.anybody_silent()) return;  // for to ask takes time
  const char* fd = zmq_msg_gets(frame.handle(), "__fd");
  if (fd != nullptr) heard_.insert(std::atoi(fd));
}

std::vector<FailedHandshake> Gate::judge() {
  std::vector<FailedHandshake> failed;
  for (Report& report : std::exchange(reports_, {})) {
    const int fd = static_cast<int>(report.event.value);
    if (report.event.kind == ZMQ_EVENT_ACCEPTED) {
      watch_.accepted(fd, std::move(report.address));
    } else if (report.event.kind == ZMQ_EVENT_DISCONNECTED) {
      if (heard_.erase(fd) > 0) watch_.spoke(fd);
      if (auto one = watch_.ended(fd)) failed.push_back(*std::move(one));
    } else {
      watch_.failed(report.event.kind, report.event.value);
    }
  }
  for (const int fd : std::exchange(heard_, {})) watch_.spoke(fd);
  return failed;
}

std::optional<std::string> Gate::why_lost(const MonitorEvent& event, bool up) const {
  switch (event.kind) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      if (up) return "its frames were tampered with";
      if (keys_) {
        return "handshake refused, probably the cookie (set the same GROVE_COOKIE on both nodes)";
      }
      return ran_out_of_time(event)
                 ? "no answer to the handshake in time"
                 : "handshake refused: it has a cookie (set the same GROVE_COOKIE on both nodes), "
                   "or is no node";
    case ZMQ_EVENT_DISCONNECTED:
      if (up) return std::nullopt;
      return "what listens there does not speak ZeroMQ's protocol";
    default: return std::nullopt;
  }
}

std::optional<MonitorEvent> next_event(zmq::socket_t& monitor) {
  zmq::message_t head;
  zmq::message_t address;
  if (!monitor.recv(head, zmq::recv_flags::dontwait)) return std::nullopt;
  if (head.more() && !monitor.recv(address, zmq::recv_flags::none)) return std::nullopt;
  MonitorEvent event;
  if (head.size() == sizeof event.kind + sizeof event.value) {
    std::memcpy(&event.kind, head.data(), sizeof event.kind);
    std::memcpy(&event.value, static_cast<const char*>(head.data()) + sizeof event.kind,
                sizeof event.value);
  }
  return event;
}

}  // namespace grove::transport
