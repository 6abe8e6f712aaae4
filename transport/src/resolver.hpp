// SPDX-License-Identifier: Apache-2.0
//
// Resolver: names to addresses, on threads of its own: the system's look-up blocks, for many
// seconds where a name server does not answer.
//
// Thread-safety: all members.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace asio {
class thread_pool;
}

namespace grove::transport {

class Resolver {
 public:
  Resolver();
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Hands what `address` stands for to `found` on one of its threads; see Transport::resolve.
  void look_up(const std::string& address, std::function<void(std::vector<std::string>)> found);
  /// Waits for what it has begun; the rest is forgotten.
  void stop();

 private:
  std::unique_ptr<asio::thread_pool> threads_;
};

}  // namespace grove::transport
