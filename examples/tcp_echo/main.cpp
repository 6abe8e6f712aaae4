// SPDX-License-Identifier: Apache-2.0
//
// A TCP server that answers each line with the same line: one process for each connection.
//
//   tcp_echo run --name a --port 7777
//   nc 127.0.0.1 7777
#include <grove/asio.hpp>
#include <grove/grove.hpp>

#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>

#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

using asio::ip::tcp;
using grove::use_process;

constexpr std::size_t k_line_bytes_max = 4096;

/// One client. However this process ends, its socket closes, and nobody else notices.
grove::Task<> serve(grove::Context& context, tcp::socket socket) {
  std::string input;
  auto buffer = asio::dynamic_buffer(input, k_line_bytes_max);
  try {
    for (;;) {
      const std::size_t n = co_await asio::async_read_until(socket, buffer, '\n', use_process);
      if (input.substr(0, n) == "crash\n") throw std::runtime_error("a client asked for it");
      co_await asio::async_write(socket, asio::buffer(input.data(), n), use_process);
      buffer.consume(n);
    }
  } catch (const std::system_error& gone) {
    context.node().log().info(std::string{"a client has gone: "} + gone.what());
  }
}

/// Takes connections for ever. When it fails its supervisor starts it again; those who are
/// connected do not depend on it.
grove::Task<> accept_clients(grove::Context& context, grove::IoContext* io, unsigned port) {
  const tcp::endpoint where{asio::ip::address_v4::loopback(),
                            static_cast<asio::ip::port_type>(port)};
  tcp::acceptor acceptor{io->get_executor(), where};
  context.node().log().info("accepting clients on 127.0.0.1:" +
                            std::to_string(acceptor.local_endpoint().port()));
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(use_process);
    context.spawn_opt({.label = "connection"}, serve, std::move(socket));
  }
}

int main(int argc, char** argv) {
  grove::IoContext io;  // outlives the node: sockets depend on it
  unsigned port = 7777;

  grove::App app;
  app.number("--port", "listen on this port of 127.0.0.1; 0: on any that is free", port);
  app.supervise([&] {
    grove::SupervisorSpec top;
    const auto start = [&](grove::Context& supervisor,
                           grove::ServerOptions) -> grove::Task<grove::StartResult> {
      grove::StartResult started;
      started.status = grove::StartResult::Status::ok;
      started.pid =
          supervisor.spawn_opt({.link = true, .label = "listener"}, accept_clients, &io, port).pid;
      co_return started;
    };
    top.children.emplace_back("listener", start);
    return top;
  });
  return grove::run(argc, argv, app);
}
