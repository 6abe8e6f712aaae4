// SPDX-License-Identifier: Apache-2.0
//
// Nodes of one machine, past the network: over socket files, and in memory.
#include "integration/messages.hpp"
#include "integration/real_node.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace grove {
namespace {

using integration::Number;
using testkit::RealNode;
using testkit::RealNodeOptions;
using testkit::value_of;

Task<> sit(Context& context) {
  for (;;) co_await context.receive_any();
}

class OneMachine : public testing::Test {
 protected:
  OneMachine() {
    std::string name = std::filesystem::temp_directory_path() / "grove-one-XXXXXX";
    directory = mkdtemp(name.data());
  }
  ~OneMachine() override {
    nodes.clear();
    std::filesystem::remove_all(directory);
  }
  RealNode& add(const std::string& name, RealNodeOptions options) {
    nodes.push_back(std::make_unique<RealNode>(name, options));
    const auto bound = nodes.back()->start();
    EXPECT_TRUE(bound) << bound.error().detail;
    return *nodes.back();
  }
  [[nodiscard]] std::string socket_of(const std::string& name) const {
    return directory + '/' + name + ".ipc";
  }
  [[nodiscard]] static std::string over(RealNode& node, const std::string& peer) {
    for (const Member& member : node.members()) {
      if (member.name == peer) return member.over;
    }
    return {};
  }
  /// A message each way, a link, and the end of one of the two.
  void expect_a_cluster(RealNode& a, RealNode& b) {
    ASSERT_TRUE(a.wait_for_sessions(1));
    ASSERT_TRUE(b.wait_for_sessions(1));
    auto told = std::make_shared<std::promise<Pid>>();
    auto receiver = told->get_future();
    auto sum = b.node().async([told](Context& context) -> Task<int> {
      told->set_value(context.self());
      int all = 0;
      for (int i = 0; i < 1000; ++i) {
        const Number number = co_await context.receive<Number>();
        all += number.value == i ? 1 : 0;
      }
      co_return all;
    });
    const Pid to = value_of(receiver);
    for (int i = 0; i < 1000; ++i) a.node().send(to, Number{i, {}});
    EXPECT_EQ(value_of(sum), 1000) << "in order and complete";
    const Pid there = b.node().spawn(sit);
    const ExitReason linked = a.run([there](Context& context) -> Task<ExitReason> {
      context.trap_exit(true);
      context.link(there);
      context.exit(there, ExitReason::symbol("boom"));
      const Exit exit = co_await context.receive<Exit>();
      co_return exit.reason;
    });
    EXPECT_EQ(linked, ExitReason::symbol("boom"));
    const Pid other = b.node().spawn(sit);
    std::promise<void> watching;
    auto ready = watching.get_future();
    auto down = a.node().async([other, &watching](Context& context) -> Task<ExitReason> {
      context.monitor(other);
      watching.set_value();
      const Down gone = co_await context.receive<Down>();
      co_return gone.reason;
    });
    value_of(ready);
    b.pull_the_cable();
    EXPECT_EQ(value_of(down), ExitReason::noconnection());
    EXPECT_TRUE(a.wait_for_sessions(0));
    EXPECT_EQ(a.count(Metric::frames_malformed), 0U);
    EXPECT_EQ(b.count(Metric::frames_malformed), 0U);
  }
  std::string directory;
  std::vector<std::unique_ptr<RealNode>> nodes;
};

TEST_F(OneMachine, NodesMeetAtTheirSockets) {
  RealNode& a = add("a", {.local_path = socket_of("a")});
  RealNode& b = add("b", {.seeds = {a.address()}, .local_path = socket_of("b")});
  ASSERT_TRUE(a.wait_for_sessions(1));
  EXPECT_EQ(over(a, "b"), "ipc://" + socket_of("b"));
  EXPECT_EQ(over(b, "a"), "ipc://" + socket_of("a"));
  expect_a_cluster(a, b);
}

TEST_F(OneMachine, NodesMayHaveNoNetworkAtAll) {
  RealNode& a = add("a", {.listen = "ipc://" + socket_of("a")});
  RealNode& b = add("b", {.seeds = {a.address()}, .listen = "ipc://" + socket_of("b")});
  expect_a_cluster(a, b);
}

TEST_F(OneMachine, ASocketThatIsGoneLeavesTheNetwork) {
  RealNode& a = add("a", {.local_path = socket_of("a")});
  std::filesystem::remove(socket_of("a"));
  RealNode& b = add("b", {.seeds = {a.address()}, .local_path = socket_of("b")});
  ASSERT_TRUE(b.wait_for_sessions(1));
  EXPECT_EQ(over(b, "a"), a.address());
  EXPECT_TRUE(b.has_logged("a cannot be reached at ipc://" + socket_of("a")));
  expect_a_cluster(a, b);
}

TEST_F(OneMachine, ASocketThatCannotBeMadeIsSaidAndDoesWithout) {
  RealNode& a = add("a", {.local_path = "/no/such/directory/a.ipc"});
  EXPECT_TRUE(a.has_logged("over the network only"));
  RealNode& b = add("b", {.seeds = {a.address()}});
  expect_a_cluster(a, b);
}

TEST_F(OneMachine, NodesOfOneProgramMeetInMemory) {
  RealNode& a = add("a", {.in_process = true});
  RealNode& b = add("b", {.seeds = {a.address()}, .in_process = true});
  expect_a_cluster(a, b);
}

TEST_F(OneMachine, NodesOfOneProgramFillTheMemoryBetweenThemAndGoOn) {
  RealNode& a = add("a", {.in_process = true});
  RealNode& b = add("b", {.seeds = {a.address()}, .in_process = true});
  ASSERT_TRUE(a.wait_for_sessions(1));
  ASSERT_TRUE(b.wait_for_sessions(1));
  auto told = std::make_shared<std::promise<Pid>>();
  auto receiver = told->get_future();
  auto bytes = b.node().async([told](Context& context) -> Task<std::size_t> {
    told->set_value(context.self());
    std::size_t all = 0;
    for (int i = 0; i < 50; ++i) {
      const Number number = co_await context.receive<Number>();
      all += number.value == i ? number.padding.size() : 0;
    }
    co_return all;
  });
  const Pid to = value_of(receiver);
  for (int i = 0; i < 50; ++i) {
    Number number{i, std::vector<std::byte>(1'000'000, std::byte{7})};
    a.node().send(to, std::move(number));
  }
  EXPECT_EQ(value_of(bytes), 50'000'000U);
}

TEST_F(OneMachine, NodesOverIpv6AndOverBothMeet) {
  RealNode& a = add("a", {.listen = "[::1]:0"});
  RealNode& b = add("b", {.seeds = {a.address()}, .listen = "localhost:0"});
  expect_a_cluster(a, b);
}

}  // namespace
}  // namespace grove
