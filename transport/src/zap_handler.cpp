// SPDX-License-Identifier: Apache-2.0
#include "zap_handler.hpp"

#include <sodium.h>

namespace grove::transport {
namespace {

constexpr const char* k_zap_endpoint = "inproc://zeromq.zap.01";

}  // namespace

std::vector<std::string> zap_answer(const std::vector<std::string>& request,
                                    const PublicKey& allowed) {
  // version, request id, domain, address, routing id, mechanism, credentials
  constexpr std::size_t k_frames_min = 6;
  constexpr std::size_t k_frames_of_curve = 7;
  if (request.size() < k_frames_min || request[0] != "1.0") return {};
  const bool welcome = request.size() == k_frames_of_curve && request[5] == "CURVE" &&
                       request[6].size() == allowed.size() &&
                       sodium_memcmp(request[6].data(), allowed.data(), allowed.size()) == 0;
  return {"1.0", request[1], welcome ? "200" : "400", welcome ? "OK" : "not of this cluster",
          "",    ""};
}

ZapHandler::ZapHandler(zmq::context_t& context, const PublicKey& allowed)
    : socket_{context, zmq::socket_type::rep}, allowed_{allowed} {
  socket_.set(zmq::sockopt::linger, 0);
  socket_.bind(k_zap_endpoint);
}

void ZapHandler::serve() {
  for (;;) {
    std::vector<std::string> request;
    for (bool more = true; more;) {
      zmq::message_t part;
      if (!socket_.recv(part, zmq::recv_flags::dontwait)) return;
      more = part.more();
      request.push_back(part.to_string());
    }
    // ZeroMQ takes an empty answer for a refusal.
    std::vector<std::string> answer = zap_answer(request, allowed_);
    if (answer.empty()) answer.emplace_back();
    for (std::size_t i = 0; i < answer.size(); ++i) {
      const bool last = i + 1 == answer.size();
      socket_.send(zmq::buffer(answer[i]),
                   last ? zmq::send_flags::dontwait : zmq::send_flags::sndmore);
    }
  }
}

}  // namespace grove::transport
