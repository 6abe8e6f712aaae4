// SPDX-License-Identifier: Apache-2.0
//
// Calls that are under way while their caller does something else.
#include "grove/node/gen_server.hpp"
#include "grove/node/request_set.hpp"
#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

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

struct AskMore {
  int count = 0;
};
struct Count {};
struct Give {
  using Reply = std::string;
  std::string which;  // digits
};

/// Asks for many things, counts, and gives what has come when it is asked to.
class Hoarder : public GenServer {
 public:
  using Handles = grove::Handles<AskMore, Count, Give>;
  explicit Hoarder(Pid backend) : backend_{backend} {}
  void handle_info(AskMore more) {
    for (int i = 0; i < more.count; ++i) {
      const int number = static_cast<int>(open_.size());
      open_.push_back(context().send_request<AnswerInASecond>(backend_, number));
    }
  }
  void handle_info(Count) { ++counted_; }
  /// Returns: how far it has counted, and the answers.
  Task<std::string> handle_call(Give give) {
    std::string given = std::to_string(counted_) + ':';
    for (const char digit : give.which) {
      Request<int>& request = open_.at(static_cast<std::size_t>(digit - '0'));
      const std::optional<int> answer = co_await context().wait_response(request, 0s);
      given += answer ? ' ' + std::to_string(*answer) : " none";
    }
    co_return given;
  }

 private:
  Pid backend_;
  int counted_ = 0;
  std::vector<Request<int>> open_;
};

TEST(Request, AnswersThatWaitStayInTheWayOfNoMessageWhicheverIsTakenFirst) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult backend = co_await start_link<Backend>(context);
    const StartResult hoarder = co_await start_link<Hoarder>(context, backend.pid);
    const auto count = [&] { context.send(hoarder.pid, Count{}); };
    const auto give = [&](std::string which) -> Task<std::string> {
      co_return co_await context.call<Give>(hoarder.pid, which);
    };
    context.send(hoarder.pid, AskMore{6});
    count();
    co_await context.sleep_for(10s);
    count();
    EXPECT_EQ(co_await give("5"), "2: 5") << "the last";
    count();
    EXPECT_EQ(co_await give("02"), "3: 0 2") << "the first, and one between others";
    context.send(hoarder.pid, AskMore{2});
    count();
    EXPECT_EQ(co_await give("6"), "4: none") << "not yet";
    co_await context.sleep_for(10s);
    count();
    EXPECT_EQ(co_await give("47631"), "5: 4 7 6 3 1") << "all";
    count();
    EXPECT_EQ(co_await give(""), "6:");
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

// -- sets of requests, OTP's request_id_collection() ----------------------------------------

/// How a job has ended, say: an answer, whatever it reads like.
struct HowItEnded {
  using Reply = ExitReason;
};

class Undertaker : public GenServer {
 public:
  using Handles = grove::Handles<HowItEnded>;
  ExitReason handle_call(HowItEnded) { return ExitReason::normal(); }
};

TEST(Answers, MayBeExitReasons) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult started = co_await start_link<Undertaker>(context);
    const ExitReason called = co_await context.call<HowItEnded>(started.pid);
    EXPECT_TRUE(called.is_normal());
    Request<ExitReason> request = context.send_request<HowItEnded>(started.pid);
    const std::optional<ExitReason> waited = co_await context.wait_response(request, 1s);
    EXPECT_TRUE(waited && waited->is_normal());
    RequestSet<ExitReason, int> set;
    set.add(context.send_request<HowItEnded>(started.pid), 1);
    const auto answer = co_await receive_response(context, set, 1s);
    EXPECT_TRUE(answer && answer->outcome.ok() && answer->outcome.value().is_normal());
  });
}

struct After {
  using Reply = std::string;
  std::chrono::milliseconds time{0};
};
struct Nod {};
struct Mistake {
  using Reply = int;
};

class Shard : public GenServer {
 public:
  using Handles = grove::Handles<After, Nod, Mistake>;
  Task<std::string> handle_call(After ask) {
    co_await context().sleep_for(ask.time);
    if (ask.time == 13ms) throw std::runtime_error{"unlucky"};
    co_return std::to_string(ask.time.count());
  }
  void handle_call(Nod) {}
  NoReply handle_call(Mistake) {
    context().reply(from(), std::string{"no int"});
    return {};
  }
};

Task<Pid> start_shard(Context& context) {
  ServerOptions options;
  options.link = false;
  const StartResult started = co_await start_server<Shard>(context, options);
  co_return started.pid;
}

template <class Reply, class Label>
std::string show(const std::optional<Answer<Reply, Label>>& answer) {
  if (!answer) return "nothing";
  const std::string label{answer->label};
  if (!answer->outcome.ok()) return label + " failed: " + to_string(answer->outcome.reason());
  if constexpr (std::is_void_v<Reply>) {
    return label + " ok";
  } else {
    return label + ": " + answer->outcome.value();
  }
}

using Shards = RequestSet<std::string, std::string>;

TEST(RequestSets, GiveTheirAnswersInTheOrderTheyCome) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    Shards open;
    for (const auto time : {30ms, 10ms, 20ms}) {
      const Pid shard = co_await start_shard(context);
      open.add(context.send_request<After>(shard, time), std::to_string(time.count()) + " ms");
    }
    EXPECT_EQ(open.size(), 3U);
    context.send(context.self(), Nod{});  // not an answer: it stays
    EXPECT_EQ(show(co_await receive_response(context, open)), "10 ms: 10");
    EXPECT_EQ(show(co_await receive_response(context, open)), "20 ms: 20");
    EXPECT_EQ(open.labels(), std::vector<std::string>{"30 ms"});
    EXPECT_EQ(show(co_await receive_response(context, open)), "30 ms: 30");
    EXPECT_EQ(show(co_await receive_response(context, open)), "nothing");
    const auto plain = co_await context.receive_for<Nod>(0s);
    EXPECT_TRUE(plain.has_value());
  });
}

TEST(RequestSets, TakeAnswersThatHaveComeBehindOtherMessages) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid one = co_await start_shard(context);
    const Pid two = co_await start_shard(context);
    Shards open;
    open.add(context.send_request<After>(one, 2ms), "later");
    open.add(context.send_request<After>(two, 1ms), "first");
    Request<std::string> alone = context.send_request<After>(two, 1ms);
    for (int i = 0; i < 100; ++i) context.send(context.self(), Nod{});
    co_await context.sleep_for(1s);
    EXPECT_EQ(show(co_await wait_response(context, open, 0s)), "first: 1");
    EXPECT_EQ(show(co_await wait_response(context, open, 0s)), "later: 2");
    EXPECT_EQ(co_await context.receive_response(std::move(alone)), "1");
  });
}

TEST(RequestSets, TellWhichOfThemFailedAndWhy) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid unlucky = co_await start_shard(context);
    const Pid killed = co_await start_shard(context);
    Shards open;
    open.add(context.send_request<After>(unlucky, 13ms), "unlucky");
    open.add(context.send_request<After>(killed, 1s), "killed");
    open.add(context.send_request<After>(Pid{}, 1ms), "nobody");
    context.exit(killed, ExitReason::kill());
    std::vector<std::string> seen;
    while (!open.empty()) seen.push_back(show(co_await receive_response(context, open)));
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, (std::vector<std::string>{
                        "killed failed: killed", "nobody failed: noproc",
                        R"(unlucky failed: {error,"std::runtime_error","unlucky"})"}));
  });
}

TEST(RequestSets, KeepWhatIsLateWhenTheyWaitAndAbandonItWhenTheyReceive) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid shard = co_await start_shard(context);
    Shards open;
    open.add(context.send_request<After>(shard, 100ms), "late");
    EXPECT_EQ(show(co_await wait_response(context, open, 50ms)), "nothing");
    EXPECT_EQ(open.size(), 1U);
    EXPECT_EQ(show(co_await wait_response(context, open, 51ms)), "late: 100");

    open.add(context.send_request<After>(shard, 100ms), "too late");
    EXPECT_EQ(show(co_await receive_response(context, open, 50ms)), "nothing");
    EXPECT_TRUE(open.empty());
    EXPECT_EQ(co_await context.receive_any(1s), nullptr);

    open.add(context.send_request<After>(shard, 1ms), "dropped");
    open.clear();
    EXPECT_EQ(co_await context.receive_any(1s), nullptr);
  });
  EXPECT_EQ(world.node().metrics().get(Metric::dead_letters_late_reply), 2U);
}

struct Ask {};
struct Answered {
  using Reply = std::vector<std::string>;
};

/// Asks two shards in one message, and looks for their answers in later ones.
class Collector : public GenServer {
 public:
  using Handles = grove::Handles<Ask, Answered>;
  Task<> handle_cast(Ask) {
    const Pid shard = co_await start_shard(context());
    for (const auto time : {10ms, 20ms}) {
      open_.add(context().send_request<After>(shard, time), std::to_string(time.count()));
    }
  }
  Task<std::vector<std::string>> handle_call(Answered) {
    std::vector<std::string> answers;
    while (const auto answer = co_await wait_response(context(), open_, 0s)) {
      answers.push_back(show(answer));
    }
    co_return answers;
  }

 private:
  Shards open_;
};

TEST(RequestSets, MayBeKeptFromOneMessageToTheNext) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const StartResult collector = co_await start_link<Collector>(context);
    const Ask ask;
    context.cast(collector.pid, ask);
    std::vector<std::string> answers = co_await context.call<Answered>(collector.pid);
    EXPECT_TRUE(answers.empty());
    co_await context.sleep_for(20ms);
    answers = co_await context.call<Answered>(collector.pid);
    EXPECT_EQ(answers, std::vector<std::string>{"10: 10"});
    co_await context.sleep_for(1s);
    answers = co_await context.call<Answered>(collector.pid);
    EXPECT_EQ(answers, std::vector<std::string>{"20: 20"});
  });
}

TEST(RequestSets, OfCallsWithoutAValue) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid shard = co_await start_shard(context);
    RequestSet<void, const char*> open;
    open.add(context.send_request<Nod>(shard), "nod");
    EXPECT_EQ(show(co_await receive_response(context, open)), "nod ok");
  });
}

TEST(RequestSets, RefuseWhatIsNoAnswerAndWhatWasAnswered) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid shard = co_await start_shard(context);
    RequestSet<int, int> open;
    open.add(context.send_request<Mistake>(shard), 1);
    const auto answer = co_await receive_response(context, open);
    EXPECT_FALSE(answer->outcome.ok());
    EXPECT_EQ(to_string(answer->outcome.reason()).substr(0, 18), "{error,\"bad_reply\"");
    EXPECT_THROW(co_await context.call<Mistake>(shard), ProcessExit);

    Request<int> taken = context.send_request<Mistake>(shard);
    EXPECT_THROW(co_await context.wait_response(taken, std::nullopt), ProcessExit);
    EXPECT_THROW(open.add(std::move(taken), 2), ProcessExit);
    EXPECT_TRUE(open.empty());
  });
}

}  // namespace
}  // namespace grove
