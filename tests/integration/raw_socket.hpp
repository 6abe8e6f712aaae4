// SPDX-License-Identifier: Apache-2.0
//
// RawSocket: a TCP connection over loopback, without any protocol.
#pragma once

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace grove::testkit {

class RawSocket {
 public:
  explicit RawSocket(int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) : fd_{fd} {}
  ~RawSocket() {
    if (fd_ >= 0) ::close(fd_);
  }
  RawSocket(RawSocket&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  RawSocket& operator=(RawSocket&&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  bool connect(const std::string& address) const {
    const sockaddr_in place = loopback(std::stoi(address.substr(address.rfind(':') + 1)));
    return ::connect(fd_, reinterpret_cast<const sockaddr*>(&place), sizeof place) == 0;
  }
  [[nodiscard]] std::string listen() const {
    sockaddr_in place = loopback(0);
    socklen_t size = sizeof place;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&place), sizeof place), 0);
    EXPECT_EQ(::listen(fd_, 10), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&place), &size), 0);
    return "127.0.0.1:" + std::to_string(ntohs(place.sin_port));
  }
  [[nodiscard]] RawSocket accept() const {
    return RawSocket{::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)};
  }
  /// Returns: false when the other end has closed.
  bool write(std::string_view text) const {
    while (!text.empty()) {
      const auto sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  /// What has come, at most some KiB; empty: the other end has closed.
  [[nodiscard]] std::string read() const {
    char buffer[16'384];
    const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
    return {buffer, got > 0 ? static_cast<std::size_t>(got) : 0};
  }
  /// Waits until the other end has closed.
  void wait_for_end() const {
    while (!read().empty()) {
    }
  }
  /// Nothing more comes or goes, and whoever waits for something hears of it.
  void shut_down() const { ::shutdown(fd_, SHUT_RDWR); }

 private:
  static sockaddr_in loopback(int port) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<std::uint16_t>(port));
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return place;
  }
  int fd_;
};

}  // namespace grove::testkit
