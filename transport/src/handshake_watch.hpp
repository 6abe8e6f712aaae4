// SPDX-License-Identifier: Apache-2.0
//
// HandshakeWatch: which connections to our listener fail, whose they are, and why. ZeroMQ reports
// that piecemeal: it names the descriptor that was accepted and that has ended, but not the one
// whose handshake failed; that report comes right before the end. Of those that speak another
// protocol it reports the end only.
//
// A pure state machine; confined to the net thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>

namespace grove::transport {

/// A connection that led to nothing: for people.
struct FailedHandshake {
  std::string address;  // empty: it was gone before we could look
  std::string why;
};

class HandshakeWatch {
 public:
  explicit HandshakeWatch(bool secured) : secured_{secured} {}

  void accepted(int fd, std::string address);
  /// A frame came over it.
  void spoke(int fd);
  void failed(std::uint16_t event, std::uint32_t value);
  /// Returns: what there is to report, if it never spoke or its handshake failed.
  [[nodiscard]] std::optional<FailedHandshake> ended(int fd);

  /// Is there any connection that has not spoken yet?
  [[nodiscard]] bool anybody_silent() const noexcept { return silent_ > 0; }

 private:
  struct Connection {
    std::string address;
    bool spoke = false;
  };
  bool secured_;
  std::unordered_map<int, Connection> connections_;
  std::size_t silent_ = 0;
  std::size_t unauthorised_ = 0;  // told so by ZeroMQ, and not ended yet
  std::optional<std::pair<std::uint16_t, std::uint32_t>> failure_;  // of whoever ends next
};

}  // namespace grove::transport
