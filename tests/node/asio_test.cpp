// SPDX-License-Identifier: Apache-2.0
//
// Asio operations in processes, on real threads, timers and sockets of the loopback.
#include "grove/asio.hpp"

#include "grove/node/node.hpp"
#include "grove/testkit/local_world.hpp"

#include "support/real_world.hpp"
#include "support/wait_until.hpp"

#include <asio/buffer.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>

namespace grove {
namespace {

using asio::experimental::as_tuple;
using asio::ip::tcp;
using testkit::RealWorld;
using testkit::value_of;

constexpr auto k_never = std::chrono::hours{24};
constexpr auto k_soon = std::chrono::milliseconds{1};

/// Sockets that are connected with each other.
struct Pair {
  tcp::socket near;
  tcp::socket far;
};
Pair connected(IoContext& io) {
  tcp::acceptor acceptor{io.get_executor(), {asio::ip::address_v4::loopback(), 0}};
  Pair pair{tcp::socket{io.get_executor()}, tcp::socket{io.get_executor()}};
  pair.near.connect(acceptor.local_endpoint());
  acceptor.accept(pair.far);
  return pair;
}

struct Asio : testing::Test {
  IoContext io;
  RealWorld world{2};
};

Task<> echo(Context&, std::shared_ptr<tcp::socket> socket) {
  std::array<char, 64> bytes{};
  for (;;) {
    const std::size_t n = co_await socket->async_read_some(asio::buffer(bytes), use_process);
    co_await asio::async_write(*socket, asio::buffer(bytes.data(), n), use_process);
  }
}

TEST_F(Asio, AProcessReadsAndWrites) {
  Pair pair = connected(io);
  world.node().spawn(echo, std::make_shared<tcp::socket>(std::move(pair.far)));
  const std::string got = world.run([&](Context&) -> Task<std::string> {
    const std::string sent = "hello";
    std::string back(sent.size(), ' ');
    co_await asio::async_write(pair.near, asio::buffer(sent), use_process);
    const std::size_t n = co_await asio::async_read(pair.near, asio::buffer(back), use_process);
    EXPECT_EQ(n, sent.size());
    co_return back;
  });
  EXPECT_EQ(got, "hello");
}

TEST_F(Asio, AProcessAcceptsAndConnects) {
  tcp::acceptor acceptor{io.get_executor(), {asio::ip::address_v4::loopback(), 0}};
  const auto endpoint = acceptor.local_endpoint();
  auto accepted = world.node().async([&acceptor](Context&) -> Task<tcp::endpoint> {
    const tcp::socket socket = co_await acceptor.async_accept(use_process);
    co_return socket.remote_endpoint();
  });
  const tcp::endpoint local = world.run([&](Context&) -> Task<tcp::endpoint> {
    tcp::socket socket{io.get_executor()};
    co_await socket.async_connect(endpoint, use_process);
    co_return socket.local_endpoint();
  });
  EXPECT_EQ(value_of(accepted), local);
}

TEST_F(Asio, AComposedOperationHasManySteps) {
  Pair pair = connected(io);
  auto all = world.node().async([&](Context&) -> Task<std::string> {
    std::string bytes(6, ' ');
    co_await asio::async_read(pair.far, asio::buffer(bytes), use_process);
    co_return bytes;
  });
  for (const char* part : {"ab", "cd", "ef"}) asio::write(pair.near, asio::buffer(part, 2));
  EXPECT_EQ(value_of(all), "abcdef");
}

TEST_F(Asio, ATimerFires) {
  world.run([this](Context&) -> Task<> {
    asio::steady_timer timer{io.get_executor(), k_soon};
    co_await timer.async_wait(use_process);
  });
}

TEST_F(Asio, APostedProcessGoesOnWithoutAResult) {
  world.run([this](Context&) -> Task<> { co_await asio::post(io.get_executor(), use_process); });
}

// -- errors ---------------------------------------------------------------------------------

// Caught by the process itself: ThreadSanitizer knows nothing of how libstdc++ counts the
// references to an exception that crosses threads.
TEST_F(Asio, AnErrorIsThrown) {
  Pair pair = connected(io);
  pair.near.close();
  const auto code = world.run([&](Context&) -> Task<std::error_code> {
    std::array<char, 8> bytes{};
    try {
      co_await pair.far.async_read_some(asio::buffer(bytes), use_process);
    } catch (const std::system_error& error) {
      co_return error.code();
    }
    co_return std::error_code{};
  });
  EXPECT_EQ(code, asio::error::eof);
}

TEST_F(Asio, AnErrorIsTheFirstOfATuple) {
  Pair pair = connected(io);
  asio::write(pair.near, asio::buffer("ab", 2));
  pair.near.close();
  const auto [error, n] =
      world.run([&](Context&) -> Task<std::tuple<std::error_code, std::size_t>> {
        std::array<char, 8> bytes{};
        co_return co_await asio::async_read(pair.far, asio::buffer(bytes), as_tuple(use_process));
      });
  EXPECT_EQ(error, asio::error::eof);
  EXPECT_EQ(n, 2U);
}

TEST_F(Asio, AnErrorIsRedirected) {
  Pair pair = connected(io);
  pair.near.close();
  const auto error = world.run([&](Context&) -> Task<std::error_code> {
    std::array<char, 8> bytes{};
    std::error_code code;
    co_await pair.far.async_read_some(asio::buffer(bytes), asio::redirect_error(use_process, code));
    co_return code;
  });
  EXPECT_EQ(error, asio::error::eof);
}

TEST(AsioDropped, ADroppedHandlerIsAnAbortedOperation) {
  testkit::LocalWorld world;
  std::optional<asio::io_context> idle{std::in_place};  // nobody runs it
  auto posted = world.node().async([&idle](Context&) -> Task<std::error_code> {
    try {
      co_await asio::post(idle->get_executor(), use_process);
    } catch (const std::system_error& error) {
      co_return error.code();
    }
    co_return std::error_code{};
  });
  world.settle();
  idle.reset();
  world.settle();
  EXPECT_EQ(posted.get(), asio::error::operation_aborted);
}

// -- kills ----------------------------------------------------------------------------------

/// Spawns `function(context, args...)`, lets it begin to wait, kills it, and waits until it is
/// gone.
struct Kill : Asio {
  template <class F>
  void begin_and_kill(F function) {
    std::promise<void> begun;
    auto waiting = begun.get_future();
    const Pid pid = world.node().spawn([&begun, function](Context& context) mutable -> Task<> {
      begun.set_value();
      co_await function(context);
    });
    value_of(waiting);
    const std::string reason = world.run([pid](Context& context) -> Task<std::string> {
      context.monitor(pid);
      context.exit(pid, ExitReason::kill());
      const Down down = co_await context.receive<Down>();
      co_return to_string(down.reason);
    });
    EXPECT_EQ(reason, "killed");
    EXPECT_TRUE(world.node().wait_until_empty(std::chrono::minutes{1}));
  }
};

TEST_F(Kill, APendingReadIsCancelledAndItsSocketCloses) {
  Pair pair = connected(io);
  auto owned = std::make_shared<tcp::socket>(std::move(pair.far));
  begin_and_kill([socket = std::exchange(owned, nullptr)](Context&) -> Task<> {
    std::array<char, 8> bytes{};
    co_await socket->async_read_some(asio::buffer(bytes), use_process);
  });
  std::array<char, 8> bytes{};
  std::error_code error;
  pair.near.read_some(asio::buffer(bytes), error);
  EXPECT_EQ(error, asio::error::eof);
}

TEST_F(Kill, APendingTimerIsCancelled) {
  begin_and_kill([this](Context&) -> Task<> {
    asio::steady_timer timer{io.get_executor(), k_never};
    co_await timer.async_wait(use_process);
  });
}

TEST_F(Kill, AComposedOperationIsCancelledBetweenItsSteps) {
  Pair pair = connected(io);
  asio::write(pair.near, asio::buffer("ab", 2));
  begin_and_kill([&](Context&) -> Task<> {
    std::array<char, 8> bytes{};
    co_await asio::async_read(pair.far, asio::buffer(bytes), as_tuple(use_process));
  });
}

TEST_F(Kill, APendingAcceptIsCancelled) {
  tcp::acceptor acceptor{io.get_executor(), {asio::ip::address_v4::loopback(), 0}};
  begin_and_kill([&](Context&) -> Task<> { co_await acceptor.async_accept(use_process); });
}

TEST_F(Kill, OneThatIsStuckInItsInitiationIsDeadAtOnceAndCancelledThen) {
  asio::steady_timer timer{io.get_executor(), k_never};
  std::promise<void> begun;
  auto stuck = begun.get_future();
  std::promise<void> go_on;
  auto released = go_on.get_future();
  const Pid pid = world.node().spawn([&](Context&) -> Task<> {
    UseProcess token;
    co_await asio::async_initiate<UseProcess, void(std::error_code)>(
        [&](auto handler) {
          begun.set_value();
          released.wait();
          timer.async_wait(std::move(handler));
        },
        token);
  });
  value_of(stuck);
  world.run([pid](Context& context) -> Task<> {
    context.monitor(pid);
    context.exit(pid, ExitReason::kill());
    co_await context.receive<Down>();
  });
  go_on.set_value();
  EXPECT_TRUE(world.node().wait_until_empty(std::chrono::minutes{1}));
}

}  // namespace
}  // namespace grove
