// SPDX-License-Identifier: Apache-2.0
//
// Two simulated nodes, a and b, and processes that send each other much.
#pragma once

#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace grove::flow_test {

struct Chunk {
  std::uint64_t sender = 0;
  std::uint64_t number = 0;
  Bytes bytes;
};
struct Fetch {  // a chunk of that size, please
  using Reply = Chunk;
  std::uint64_t size = 0;
};

}  // namespace grove::flow_test

GROVE_MESSAGE(grove::flow_test::Chunk, "flow_test.chunk", sender, number, bytes)
GROVE_MESSAGE(grove::flow_test::Fetch, "flow_test.fetch", size)

namespace grove::flow_test {

using namespace std::chrono_literals;
using testkit::SimWorld;

constexpr std::size_t k_kib = std::size_t{1} << 10U;
constexpr std::size_t k_mib = std::size_t{1} << 20U;

[[nodiscard]] inline Bytes bytes_of(std::size_t size, std::uint64_t salt = 0) {
  std::vector<std::byte> bytes(size, static_cast<std::byte>(salt));
  if (size > 0) bytes.back() = std::byte{99};
  return Bytes{std::move(bytes)};
}

/// What a process has got, in order: `1/3` is the third chunk of the first sender, `down:reason`
/// and `exit:reason` stand for themselves.
using Diary = std::shared_ptr<std::vector<std::string>>;
[[nodiscard]] inline Diary make_diary() { return std::make_shared<std::vector<std::string>>(); }

/// Writes down all that it gets; monitors and links to whom it gets a chunk from, if asked.
inline Task<> keep_diary(Context& context, Diary diary, bool monitors) {
  context.trap_exit(true);
  std::vector<Pid> known;
  for (;;) {
    const EnvelopePtr next = co_await context.receive_any();
    if (const Chunk* chunk = next->message.get<Chunk>()) {
      diary->push_back(std::to_string(chunk->sender) + "/" + std::to_string(chunk->number));
      EXPECT_TRUE(chunk->bytes.empty() || chunk->bytes.span().back() == std::byte{99});
      if (monitors && std::find(known.begin(), known.end(), next->from) == known.end()) {
        known.push_back(next->from);
        context.monitor(next->from);
      }
    } else if (const Down* down = next->message.get<Down>()) {
      diary->push_back("down:" + to_string(down->reason));
    } else if (const Exit* exit = next->message.get<Exit>()) {
      diary->push_back("exit:" + to_string(exit->reason));
    }
  }
}

class FlowWorld : public testing::Test {
 protected:
  void start(const std::function<void(ClusterConfig&)>& configure = [](ClusterConfig&) {}) {
    world.configure(configure);
    world.add_node("a");
    world.add_node("b");
    ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  void set_rate(std::uint64_t bytes_per_second) {
    world.network().set_faults({.bytes_per_second = bytes_per_second});
  }
  [[nodiscard]] Node& a() { return world["a"].node(); }
  [[nodiscard]] Node& b() { return world["b"].node(); }
  Pid diarist_on_b(const Diary& diary, bool monitors = false) {
    const Pid pid = b().spawn(keep_diary, diary, monitors);
    world.run_for(1ms);
    return pid;
  }
  SimWorld world{11};
};

}  // namespace grove::flow_test
