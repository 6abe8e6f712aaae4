// SPDX-License-Identifier: Apache-2.0
//
// Channel: messages over a stream socket between a controller and its node.
//
// Threads: one at a time.
#pragma once

#include "grove/core/message.hpp"

#include <cstddef>
#include <optional>

namespace grove::oracle {

class Channel {
 public:
  /// Takes the socket over.
  explicit Channel(int socket) : socket_{socket} {}
  ~Channel();
  Channel(Channel&& other) noexcept;
  Channel& operator=(Channel&& other) noexcept;
  Channel(const Channel&) = delete;

  /// Throws std::runtime_error when the other end is gone.
  void send(const Message& message);
  /// Returns: nothing when the other end is gone. Blocks.
  [[nodiscard]] std::optional<Message> receive();

 private:
  bool read(void* to, std::size_t size);

  int socket_;
};

}  // namespace grove::oracle
