// SPDX-License-Identifier: Apache-2.0
//
// Processes that wait for timers and sockets, killed at random on real threads.
#include "grove/asio.hpp"
#include "grove/node/blocking.hpp"
#include "grove/node/node.hpp"

#include "support/real_world.hpp"

#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace grove {
namespace {

using asio::ip::tcp;
using testkit::RealWorld;

class AsioStress : public testing::TestWithParam<unsigned> {};

INSTANTIATE_TEST_SUITE_P(Workers, AsioStress, testing::Values(1U, 2U, 4U),
                         testing::PrintToStringParamName());

/// Counts the frames that exist.
struct Frame {
  explicit Frame(std::atomic<int>& count) : frames{count} { ++frames; }
  ~Frame() { --frames; }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
  std::atomic<int>& frames;
};

Task<> tick(Context&, IoContext* io, std::atomic<int>* frames, std::uint64_t seed) {
  const Frame frame{*frames};
  Random random{seed};
  asio::steady_timer timer{io->get_executor()};
  for (;;) {
    timer.expires_after(std::chrono::microseconds{random.below(300)});
    co_await timer.async_wait(use_process);
  }
}

/// Sends blocks to its peer and reads the peer's, in operations of many steps.
Task<> talk(Context&, std::shared_ptr<tcp::socket> socket, std::atomic<int>* frames) {
  const Frame frame{*frames};
  std::vector<char> bytes(10'000);
  for (;;) {
    co_await asio::async_write(*socket, asio::buffer(bytes), use_process);
    co_await asio::async_read(*socket, asio::buffer(bytes), use_process);
  }
}

Task<> block(Context&, std::atomic<int>* frames) {
  const Frame frame{*frames};
  int rounds = 0;
  for (;;) co_await blocking([&] { ++rounds; });
}

std::pair<std::shared_ptr<tcp::socket>, std::shared_ptr<tcp::socket>> connected(
    IoContext& io, tcp::acceptor& acceptor) {
  auto near = std::make_shared<tcp::socket>(io.get_executor());
  auto far = std::make_shared<tcp::socket>(io.get_executor());
  near->connect(acceptor.local_endpoint());
  acceptor.accept(*far);
  return {std::move(near), std::move(far)};
}

/// Waits for the end of all, whatever ended them; kills one in each turn of its own.
Task<std::size_t> kill_all_of(Context& context, std::vector<Pid> pids, std::uint64_t seed) {
  Random random{seed};
  for (const Pid& pid : pids) context.monitor(pid);
  const std::size_t count = pids.size();
  while (!pids.empty()) {
    std::swap(pids[random.below(pids.size())], pids.back());
    context.exit(pids.back(), ExitReason::kill());
    pids.pop_back();
    if (random.percent(30)) co_await context.sleep_for(std::chrono::microseconds{100});
  }
  std::size_t downs = 0;
  while (downs < count) {
    co_await context.receive<Down>();
    ++downs;
  }
  co_return downs;
}

TEST_P(AsioStress, ProcessesKilledAtRandomLeaveNothingBehind) {
  IoContext io;
  std::atomic<int> frames{0};
  RealWorld world{GetParam()};
  tcp::acceptor acceptor{io.get_executor(), {asio::ip::address_v4::loopback(), 0}};
  for (std::uint64_t round = 1; round <= 10; ++round) {
    std::vector<Pid> pids;
    for (std::uint64_t i = 0; i < 30; ++i) {
      pids.push_back(world.node().spawn(tick, &io, &frames, round * 100 + i));
      auto [near, far] = connected(io, acceptor);
      pids.push_back(world.node().spawn(talk, std::move(near), &frames));
      pids.push_back(world.node().spawn(talk, std::move(far), &frames));
      if (i % 4 == 0) pids.push_back(world.node().spawn(block, &frames));
    }
    const std::size_t count = pids.size();
    const std::size_t downs = world.run([pids, round](Context& context) -> Task<std::size_t> {
      co_return co_await kill_all_of(context, pids, round);
    });
    EXPECT_EQ(downs, count);
    ASSERT_TRUE(world.node().wait_until_empty(std::chrono::minutes{1}));
    EXPECT_EQ(frames, 0);
  }
}

TEST_P(AsioStress, ANodeEndsWhileItsProcessesWait) {
  std::atomic<int> frames{0};
  for (std::uint64_t round = 0; round < 20; ++round) {
    IoContext io;
    RealWorld world{GetParam()};
    for (std::uint64_t i = 0; i < 20; ++i) world.node().spawn(tick, &io, &frames, i);
    for (int i = 0; i < 4; ++i) world.node().spawn(block, &frames);
  }
  EXPECT_EQ(frames, 0);
}

}  // namespace
}  // namespace grove
