// SPDX-License-Identifier: Apache-2.0
//
// Messages between nodes that nobody gets: counted, and told to who has subscribed.
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace remote_dead_letters_test {

struct Note {
  std::string text;
};
struct LocalOnly {
  int number = 0;
};
/// Of a newer program: this one can write it, and does not know it when it comes.
struct Unknown {
  int number = 0;
};

}  // namespace remote_dead_letters_test

GROVE_MESSAGE(remote_dead_letters_test::Note, "test.dead_letters.note", text)
template <>
struct grove::MessageTraits<remote_dead_letters_test::Unknown> {
  static constexpr bool k_declared = true;
  static constexpr std::string_view k_name = "test.dead_letters.unknown";
  template <class Object, class Visitor>
  static void fields(Object& object, Visitor&& visitor) {
    ::grove::detail::visit_fields(visitor, object.number);
  }
};

namespace remote_dead_letters_test {
namespace {

using namespace grove;
using namespace std::chrono_literals;
using testkit::SimWorld;

class RemoteDeadLetters : public testing::Test {
 protected:
  RemoteDeadLetters() {
    world.configure([](ClusterConfig& config) { config.flow.message_bytes_max = 4U << 20U; });
    for (const char* name : {"a", "b"}) {
      Node& node = world.add_node(name).node();
      node.subscribe_dead_letters(node.spawn([this](Context& context) -> Task<> {
        for (;;) letters.push_back(co_await context.receive<DeadLetter>());
      }));
    }
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
    there = world["b"].node().spawn([](Context& context) -> Task<> {
      for (;;) co_await context.receive_any();
    });
    world.run_for(1ms);
  }
  std::uint64_t count(Metric reason) { return world.total(reason); }
  /// `send` is a process's of a. Exactly one letter comes of it, for that reason.
  void expect_letter(Metric reason, const Pid& to, const std::string& type,
                     std::function<void(Context&)> send) {
    SCOPED_TRACE(to_string(reason));
    const std::uint64_t before = count(reason);
    letters.clear();
    const Pid sender = world["a"].node().spawn(
        [](Context& context, std::function<void(Context&)> act) -> Task<> {
          act(context);
          co_return;
        },
        std::move(send));
    world.run_for(1s);
    EXPECT_EQ(count(reason), before + 1);
    ASSERT_EQ(letters.size(), 1U);
    EXPECT_EQ(letters[0].reason, reason);
    EXPECT_EQ(letters[0].from, sender);
    EXPECT_EQ(letters[0].to, to);
    EXPECT_EQ(letters[0].type, type);
  }

  SimWorld world{5};
  Pid there;
  std::vector<DeadLetter> letters;
};

TEST_F(RemoteDeadLetters, AreToldOnTheNodeThatLosesThem) {
  const std::string note = "test.dead_letters.note";
  const std::string too_long(5U << 20U, 'x');
  const Pid nobody{there.node, 9999, 1};
  expect_letter(Metric::dead_letters_no_wire_form, there,
                std::string{k_message_type<LocalOnly>.name},
                [&](Context& context) { context.send(there, LocalOnly{1}); });
  expect_letter(Metric::dead_letters_unsendable, there, note,
                [&](Context& context) { context.send(there, Note{too_long}); });
  expect_letter(Metric::dead_letters_no_process, nobody, "",
                [&](Context& context) { context.send(nobody, Note{"x"}); });
  expect_letter(Metric::dead_letters_no_name, {}, "", [](Context& context) {
    context.send(RemoteName{"nobody", "b"}, Note{"x"});
  });
  expect_letter(Metric::dead_letters_no_name, {}, note, [](Context& context) {
    context.send(RemoteName{std::string(300, 'n'), "b"}, Note{"x"});
  });
  world.kill("b");
  world.run_for(10s);
  expect_letter(Metric::dead_letters_no_connection, there, note,
                [&](Context& context) { context.send(there, Note{"x"}); });
  expect_letter(Metric::dead_letters_no_connection, {}, note, [](Context& context) {
    context.send(RemoteName{"any", "b"}, Note{"x"});
  });
}

// A newer release may say more than this one knows.
TEST_F(RemoteDeadLetters, AMessageOfAnUnknownTypeIsOneAndTheSessionLasts) {
  std::vector<std::uint64_t> got;
  const Pid receiver = world["b"].node().spawn([&got](Context& context) -> Task<> {
    for (;;) got.push_back((co_await context.receive<Opaque>()).wire_id);
  });
  world.run_for(1ms);
  for (int i = 0; i < 2; ++i) {
    expect_letter(Metric::dead_letters_unknown_type, {}, std::string{k_message_type<Opaque>.name},
                  [&](Context& context) { context.send(receiver, Unknown{i}); });
  }
  EXPECT_EQ(got, (std::vector<std::uint64_t>(2, k_message_type<Unknown>.wire_id)));
  EXPECT_EQ(world["b"].log().count(LogLevel::warning), 1U);
  EXPECT_EQ(world["b"].node().metrics().get(Metric::sessions_down), 0U);
  EXPECT_TRUE(world.all_connected());
}

}  // namespace
}  // namespace remote_dead_letters_test
