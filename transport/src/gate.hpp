// SPDX-License-Identifier: Apache-2.0
//
// Gate: who may connect to us and to whom we connect. With a cookie everything is encrypted and
// strangers are kept out below our frames; with or without one it reports who failed to come in.
//
// Thread-safety: confined to the net thread once that runs; open() is const.
#pragma once

#include "grove/core/result.hpp"
#include "grove/transport/cookie.hpp"

#include "curve.hpp"
#include "handshake_watch.hpp"
#include "zap_handler.hpp"

#include <zmq.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace grove::transport {

/// What ZeroMQ's monitor of a socket reports.
struct MonitorEvent {
  std::uint16_t kind = 0;  // ZMQ_EVENT_...
  std::uint32_t value = 0;
};
/// Returns: nothing when there is no report now.
[[nodiscard]] std::optional<MonitorEvent> next_event(zmq::socket_t& monitor);

class Gate {
 public:
  /// Before guard(). Errors: unavailable (the ZeroMQ of this machine will not do).
  Result<void> set_cookie(zmq::context_t& context, const Cookie& cookie);
  /// Before `router` is bound. Throws zmq::error_t.
  void guard(zmq::context_t& context, zmq::socket_t& router);
  /// Before `dealer` is connected.
  void open(zmq::socket_t& dealer) const;
  void close();

  /// To be polled: when one is readable, collect() is due. -1: none.
  [[nodiscard]] std::array<int, 2> fds() const;
  /// Answers who asks to come in, and takes the reports of whoever failed. Returns: are there any?
  /// Then all frames that have come by now go to heard(), and judge() says what the reports mean.
  bool collect();
  void heard(zmq::message_t& frame);
  [[nodiscard]] std::vector<FailedHandshake> judge();

  /// Why a link of ours came to nothing; nothing for other events, and for an end as ends are.
  /// Who dials is told little, and at times by another event: one text for all, for the logs' sake.
  [[nodiscard]] std::optional<std::string> why_lost(const MonitorEvent& event, bool up) const;

 private:
  struct Report {
    MonitorEvent event;
    std::string address;  // of an accepted connection
  };
  std::optional<CurveKeys> keys_;
  std::optional<ZapHandler> zap_;
  HandshakeWatch watch_{false};
  zmq::socket_t monitor_;
  std::vector<Report> reports_;
  std::set<int> heard_;  // descriptors of the frames that came with the reports
};

}  // namespace grove::transport
