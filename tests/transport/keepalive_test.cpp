// SPDX-License-Identifier: Apache-2.0
//
// What the system is asked to do for the connections of a listener.
#include "grove/core/clock.hpp"
#include "grove/transport/zmq_transport.hpp"

#include "integration/raw_socket.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <sys/socket.h>

namespace grove::transport {
namespace {

std::optional<int> option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  if (getsockopt(fd, level, name, &value, &size) != 0) return std::nullopt;
  return value;
}
int port_of(int fd, decltype(getsockname)& whose) {
  sockaddr_in place{};
  socklen_t size = sizeof place;
  const bool known = whose(fd, reinterpret_cast<sockaddr*>(&place), &size) == 0;
  return known && place.sin_family == AF_INET ? ntohs(place.sin_port) : 0;
}
/// The descriptor of this program that is the other end of `socket`.
int other_end(const testkit::RawSocket& socket) {
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    const int fd = std::stoi(entry.path().filename());
    if (port_of(fd, getpeername) == port_of(socket.fd(), getsockname)) return fd;
  }
  return -1;
}

TEST(AConnection, WhoseOtherEndVanishedIsFoundOutAboutByTheSystem) {
  const auto clock = make_system_clock();
  const auto transport = make_zmq_transport(*clock, {.in_process = false});
  const auto bound = transport->listen("127.0.0.1:0");
  ASSERT_TRUE(bound);
  const testkit::RawSocket socket;
  ASSERT_TRUE(socket.connect(*bound));
  ASSERT_FALSE(socket.read().empty()) << "it greets whom it has accepted";
  const int accepted = other_end(socket);
  ASSERT_GE(accepted, 0);
  EXPECT_EQ(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), 60);
  EXPECT_EQ(option(accepted, IPPROTO_TCP, TCP_KEEPINTVL), 10);
  EXPECT_EQ(option(accepted, IPPROTO_TCP, TCP_KEEPCNT), 3);
}

}  // namespace
}  // namespace grove::transport
