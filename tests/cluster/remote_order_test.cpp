// SPDX-License-Identifier: Apache-2.0
//
// From one process to another on a different node, signals of all kinds act in the order sent:
// random mixes of them, each from a seed.
#include "grove/node/gen_server.hpp"
#include "grove/node/inspect.hpp"
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace remote_order_test {

struct Numbered {
  using Reply = int;
  int number = 0;
};

}  // namespace remote_order_test

GROVE_MESSAGE(remote_order_test::Numbered, "test.order.numbered", number)

namespace remote_order_test {
namespace {

using namespace grove;
using namespace std::chrono_literals;
using testkit::SimWorld;

constexpr int k_seeds = 200;
constexpr int k_steps = 60;

/// Notes the numbers of what reaches it, whatever carries them.
Task<> take_notes(Context& context, std::vector<int>& notes, Ref& alias) {
  context.trap_exit(true);
  EXPECT_TRUE(context.register_name("notes", context.self()));
  alias = context.alias();
  for (;;) {
    const EnvelopePtr next = co_await context.receive_any();
    if (const auto* numbered = next->message.get<Numbered>()) {
      notes.push_back(numbered->number);
      if (next->kind() == SignalKind::call) {
        context.reply<int>({next->from, next->serial}, numbered->number);
      }
    } else if (const auto* exit = next->message.get<Exit>()) {
      const std::int64_t* number = exit->reason.term().as_integer();
      if (number != nullptr) notes.push_back(static_cast<int>(*number));  // or its sender's end
    }
  }
}

/// Sends a random mix, and knows what must have come of it.
class Sender {
 public:
  Sender(Context& context, const Pid& to, const Ref& alias, std::uint64_t seed)
      : context_{context}, to_{to}, alias_{alias}, random_{seed} {}

  Task<> run() {
    for (int step = 0; step < k_steps; ++step) {
      const auto what = random_.below(14);
      if (what < 7) {
        send(what);
      } else if (what < 12) {
        relate(what);
      } else if (what == 12) {
        co_await look();
      } else {
        co_await context_.sleep_for(std::chrono::microseconds{random_.below(300)});
      }
    }
    co_await look();
  }
  [[nodiscard]] int sent() const noexcept { return sent_; }

 private:
  void send(std::uint64_t what) {
    const RemoteName name{"notes", "b"};
    const Numbered numbered{++sent_};
    switch (what) {
      case 0: context_.send(to_, numbered); break;
      case 1: context_.send(name, numbered); break;
      case 2: context_.send(alias_, numbered); break;
      case 3: context_.cast(to_, numbered); break;
      case 4: context_.cast(ServerRef{name}, numbered); break;
      case 5: calls_.push_back(context_.send_request<Numbered>(to_, sent_)); break;
      default: context_.exit(to_, ExitReason{Value{sent_}}); break;
    }
  }

  void relate(std::uint64_t what) {
    if (what == 7) {
      context_.link(to_);
      linked_ = true;
    } else if (what == 8) {
      context_.unlink(to_);
      linked_ = false;
    } else if (what == 9) {
      monitors_.push_back(context_.monitor(to_));
    } else if (what == 10) {
      monitors_.push_back(context_.monitor(RemoteName{"notes", "b"}));
    } else if (!monitors_.empty()) {
      const auto place = monitors_.begin() + static_cast<long>(random_.below(monitors_.size()));
      EXPECT_TRUE(context_.demonitor(*place));
      monitors_.erase(place);
    }
  }

  /// A question comes after all that was sent before it, and shows what that has come to.
  Task<> look() {
    for (auto& call : std::exchange(calls_, {})) {
      (void)co_await context_.receive_response(std::move(call));
    }
    const auto info = co_await process_info(context_, to_);
    EXPECT_TRUE(info);
    if (!info) co_return;
    const Pid self = context_.self();
    EXPECT_EQ(std::count(info->links.begin(), info->links.end(), self), linked_ ? 1 : 0);
    EXPECT_EQ(std::count(info->monitored_by.begin(), info->monitored_by.end(), self),
              static_cast<long>(monitors_.size()));
  }

  Context& context_;
  const Pid to_;
  const Ref alias_;
  Random random_;
  int sent_ = 0;
  bool linked_ = false;
  std::vector<Ref> monitors_;
  std::vector<Request<int>> calls_;
};

TEST(RemoteOrder, OfAnyMixOfSignalsIsThatOfTheirSender) {
  for (std::uint64_t seed = 1; seed <= k_seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimWorld world{seed};
    world.add_node("a");
    world.add_node("b");
    ASSERT_TRUE(world.run_until([&] { return world.all_connected(); }, 10s));
    std::vector<int> notes;
    Ref alias;
    const Pid to = world["b"].node().spawn(
        [&](Context& context) -> Task<> { return take_notes(context, notes, alias); });
    world.run_for(1ms);
    const int sent = world.run("a", [&](Context& context) -> Task<int> {
      Sender sender{context, to, alias, seed};
      co_await sender.run();
      co_return sender.sent();
    });
    world.run_for(1s);
    std::vector<int> expected(static_cast<std::size_t>(sent));
    for (int number = 1; number <= sent; ++number) {
      expected[static_cast<std::size_t>(number - 1)] = number;
    }
    ASSERT_EQ(notes, expected);
  }
}

}  // namespace
}  // namespace remote_order_test
