// SPDX-License-Identifier: Apache-2.0
//
// Resolver: names to addresses, on threads of its own: the system's look-up blocks, for many
// seconds where a name server does not answer.
//
// Thread-safety: all members.
#pragma once

#include <asio/thread_pool.hpp>

#include <functional>
#include <string>
#include <vector>

namespace grove::transport {

class Resolver {
 public:
  /// Hands what `address` stands for to `found` on one of its threads; see Transport::resolve.
  void look_up(const std::string& address, std::function<void(std::vector<std::string>)> found);
  /// Waits for what it has begun; the rest is forgotten.
  void stop();

 private:
  asio::thread_pool threads_{4};  // so many slow names hold up nobody else
};

}  // namespace grove::transport
