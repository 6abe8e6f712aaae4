// SPDX-License-Identifier: Apache-2.0
//
// ZapHandler: ZeroMQ asks it, over ZAP (rfc.zeromq.org/spec/27), whether somebody who knows the
// listener's key may come in. It lets in the one client key that it was given.
#pragma once

#include "curve.hpp"

#include <zmq.hpp>

#include <string>
#include <vector>

namespace grove::transport {

/// The answer to a ZAP request, frame by frame; empty when the request is none.
/// Compares in constant time.
[[nodiscard]] std::vector<std::string> zap_answer(const std::vector<std::string>& request,
                                                  const PublicKey& allowed);

/// Confined to one thread at a time.
class ZapHandler {
 public:
  /// One a context, before its first listener.
  ZapHandler(zmq::context_t& context, const PublicKey& allowed);

  [[nodiscard]] int fd() const { return socket_.get(zmq::sockopt::fd); }
  /// Answers all that has been asked.
  void serve();

 private:
  zmq::socket_t socket_;
  PublicKey allowed_;
};

}  // namespace grove::transport
