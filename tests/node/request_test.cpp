// SPDX-License-Identifier: Apache-2.0
//
// Calls that are under way while their caller does something else.
#include "grove/node/gen_server.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;

struct AnswerInASecond {
  using Reply = int;
  int number = 42;
};

class Backend : public GenServer {
 public:
  using Handles = grove::Handles<AnswerInASecond>;
  Task<int> handle_call(AnswerInASecond ask) {
    co_await context().sleep_for(1s);
    co_return ask.number;
  }
};

TEST(Request, SeveralMayBeUnderWayAndOneThatIsDroppedIsForgotten) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult one = co_await start_link<Backend>(context);
    const StartResult two = co_await start_link<Backend>(context);
    Request<int> first = context.send_request<AnswerInASecond>(one.pid, 1);
    Request<int> second = context.send_request<AnswerInASecond>(two.pid, 2);
    { const Request<int> dropped = context.send_request<AnswerInASecond>(one.pid); }
    co_await context.sleep_for(5s);
    EXPECT_EQ(co_await context.receive_response(std::move(second)), 2);
    EXPECT_EQ(co_await context.receive_response(std::move(first)), 1);
    EXPECT_EQ(co_await context.receive_any(0s), nullptr);
    Request<int> to_nobody = context.send_request<AnswerInASecond>(Pid{});
    EXPECT_THROW(co_await context.receive_response(std::move(to_nobody)), ProcessExit);
  });
}

struct Go {
  using Reply = int;
};
struct Look {
  using Reply = std::string;
};

/// Asks another server in one message, and looks for the answer in later ones.
class Keeper : public GenServer {
 public:
  using Handles = grove::Handles<Go, Look>;
  explicit Keeper(Pid backend) : backend_{backend} {}
  int handle_call(Go) {
    pending_.emplace(context().send_request<AnswerInASecond>(backend_));
    return 0;
  }
  Task<std::string> handle_call(Look) {
    if (!pending_) co_return "nothing is asked";
    try {
      const std::optional<int> answer = co_await context().wait_response(*pending_, 0s);
      if (!answer) co_return "not yet";
      pending_.reset();
      co_return std::to_string(*answer);
    } catch (const ProcessExit& failed) {
      pending_.reset();
      co_return to_string(failed.reason());
    }
  }

 private:
  Pid backend_;
  std::optional<Request<int>> pending_;
};

TEST(Request, MayBeKeptFromOneMessageToTheNextAndIsAskedForThen) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult backend = co_await start_link<Backend>(context);
    const StartResult keeper = co_await start_link<Keeper>(context, backend.pid);
    co_await context.call<Go>(keeper.pid);
    EXPECT_EQ(co_await context.call<Look>(keeper.pid), "not yet");
    co_await context.sleep_for(2s);
    EXPECT_EQ(co_await context.call<Look>(keeper.pid), "42");
    EXPECT_EQ(co_await context.call<Look>(keeper.pid), "nothing is asked");
    co_await context.call<Go>(keeper.pid);
    context.unlink(backend.pid);
    context.exit(backend.pid, ExitReason::kill());
    co_await context.sleep_for(2s);
    EXPECT_EQ(co_await context.call<Look>(keeper.pid), "killed");
  });
}

TEST(Request, WhoseAnswerWasTakenIsAskedForInVain) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult backend = co_await start_link<Backend>(context);
    Request<int> request = context.send_request<AnswerInASecond>(backend.pid);
    EXPECT_EQ(co_await context.wait_response(request, 1ms), std::nullopt);
    EXPECT_EQ(co_await context.wait_response(request, std::nullopt), 42);
    EXPECT_THROW(co_await context.wait_response(request, 1ms), ProcessExit);
  });
}

}  // namespace
}  // namespace grove
