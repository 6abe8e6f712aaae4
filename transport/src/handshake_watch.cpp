// SPDX-License-Identifier: Apache-2.0
#include "handshake_watch.hpp"

#include <zmq.h>

#include <utility>

namespace grove::transport {

namespace {

using How = std::pair<std::uint16_t, std::uint32_t>;

constexpr const char* k_other_protocol = "it does not speak ZeroMQ's protocol";
constexpr const char* k_wrong_cookie = "wrong cookie (set the same GROVE_COOKIE on both nodes)";

std::string why_refused(std::uint32_t error, bool secured) {
  switch (error) {
    case ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
      return secured ? "it has no cookie, this node has one"
                     : "it has a cookie, this node has none";
    case ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
    case ZMQ_PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE: return k_wrong_cookie;
    default: return k_other_protocol;
  }
}

/// Nothing for an end as ends are.
std::optional<std::string> why_ended(const How& how, bool spoke, bool secured) {
  switch (how.first) {
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return k_wrong_cookie;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      return spoke ? "its frames were tampered with" : why_refused(how.second, secured);
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: return "it hung up, or said nothing in time";
    default: return spoke ? std::nullopt : std::optional<std::string>{k_other_protocol};
  }
}

}  // namespace

void HandshakeWatch::accepted(int fd, std::string address) {
  const bool is_new = connections_.insert_or_assign(fd, Connection{std::move(address)}).second;
  if (is_new) ++silent_;
}

void HandshakeWatch::spoke(int fd) {
  const auto place = connections_.find(fd);
  if (place != connections_.end() && !std::exchange(place->second.spoke, true)) --silent_;
}

void HandshakeWatch::failed(std::uint16_t event, std::uint32_t value) {
  if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {  // ends later: it is told first
    ++unauthorised_;
  } else {
    failure_ = {event, value};
  }
}

std::optional<FailedHandshake> HandshakeWatch::ended(int fd) {
  How how = std::exchange(failure_, std::nullopt).value_or(How{ZMQ_EVENT_DISCONNECTED, 0});
  const auto place = connections_.find(fd);
  if (place == connections_.end()) return std::nullopt;
  const Connection connection = std::move(place->second);
  connections_.erase(place);
  if (!connection.spoke) {
    --silent_;
    if (how.first == ZMQ_EVENT_DISCONNECTED && unauthorised_ > 0) {
      --unauthorised_;
      how.first = ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    }
  }
  auto why = why_ended(how, connection.spoke, secured_);
  if (!why) return std::nullopt;
  return FailedHandshake{connection.address, *std::move(why)};
}

}  // namespace grove::transport
