// SPDX-License-Identifier: Apache-2.0
//
// Listening: a ROUTER at an address, over TCP or at a socket file of this user's.
//
// Thread-safety: confined to one thread.
#pragma once

#include "grove/core/result.hpp"
#include "grove/transport/endpoint.hpp"

#include <zmq.hpp>

#include <string>
#include <vector>

namespace grove::transport {

class Listening {
 public:
  Listening() = default;
  ~Listening() { close(); }
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  /// Binds `router` there. A socket file that nobody listens at is of a node that died, and is
  /// replaced; any other file stays. Returns: the address bound.
  /// Errors: address_in_use, bad_address.
  Result<std::string> bind(zmq::socket_t& router, const Endpoint& endpoint);
  /// Removes the socket files. After the ROUTER was closed.
  void close();

 private:
  Result<std::string> bind_tcp(zmq::socket_t& router, const Endpoint& endpoint);
  Result<std::string> bind_ipc(zmq::socket_t& router, const Endpoint& endpoint);
  struct File {
    std::string path;
    unsigned long device = 0;
    unsigned long inode = 0;
  };
  std::vector<File> files_;  // made by us
};

}  // namespace grove::transport
