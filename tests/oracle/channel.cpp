// SPDX-License-Identifier: Apache-2.0
#include "channel.hpp"

#include "grove/transport/codec.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace grove::oracle {
namespace {

struct Head {
  std::uint64_t wire_id = 0;
  std::uint64_t body_bytes = 0;
};

}  // namespace

Channel::~Channel() {
  if (socket_ >= 0) close(socket_);
}
Channel::Channel(Channel&& other) noexcept : socket_{std::exchange(other.socket_, -1)} {}
Channel& Channel::operator=(Channel&& other) noexcept {
  std::swap(socket_, other.socket_);
  return *this;
}

void Channel::send(const Message& message) {
  const MessageType& type = *message.type();
  transport::Buffer bytes(sizeof(Head));
  transport::pack(bytes,
                  [&](Writer& out) { type.write(out, const_cast<Message&>(message).object()); });
  const Head head{type.wire_id, bytes.size() - sizeof(Head)};
  std::memcpy(bytes.data(), &head, sizeof head);
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t sent = ::send(socket_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) throw std::runtime_error{"the other end is gone"};
    done += sent > 0 ? static_cast<std::size_t>(sent) : 0;
  }
}

bool Channel::read(void* to, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ssize_t got = ::recv(socket_, static_cast<char*>(to) + done, size - done, 0);
    if (got == 0 || (got < 0 && errno != EINTR)) return false;
    done += got > 0 ? static_cast<std::size_t>(got) : 0;
  }
  return true;
}

std::optional<Message> Channel::receive() {
  Head head;
  if (!read(&head, sizeof head)) return std::nullopt;
  transport::Buffer body(head.body_bytes);
  if (!read(body.data(), body.size())) return std::nullopt;
  const MessageType* type = find_message_type(head.wire_id);
  if (type == nullptr) throw std::runtime_error{"a message of another program"};
  Message message = Message::make_default(*type);
  if (!transport::unpack(body, [&](Reader& in) { type->read(in, message.object()); })) {
    throw std::runtime_error{"a malformed " + std::string{type->name}};
  }
  return message;
}

}  // namespace grove::oracle
