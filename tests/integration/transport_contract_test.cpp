// SPDX-License-Identifier: Apache-2.0
//
// What every Transport promises, whatever carries its frames.
#include "grove/core/random.hpp"
#include "grove/testkit/virtual_clock.hpp"
#include "grove/transport/memory_network.hpp"
#include "grove/transport/zmq_transport.hpp"

#include "support/wait_until.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;
using testkit::VirtualClock;

Buffer bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span{text});
  return {bytes.begin(), bytes.end()};
}
std::string text_of(const Frame& frame) {
  return {reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size()};
}

/// Something that makes transports, and lets them run until something has happened.
struct Medium {
  virtual ~Medium() = default;
  virtual std::unique_ptr<Transport> make() = 0;
  virtual std::string free_address() = 0;
  virtual Clock& clock() = 0;
  virtual Scheduler& scheduler() = 0;
  virtual bool run_until(const std::function<bool()>& done) = 0;
};

class Simulated final : public Medium {
 public:
  std::unique_ptr<Transport> make() override { return network_.endpoint(); }
  std::string free_address() override { return "10.0.0." + std::to_string(++last_) + ":1"; }
  Clock& clock() override { return clock_; }
  Scheduler& scheduler() override { return scheduler_; }
  bool run_until(const std::function<bool()>& done) override {
    const auto limit = clock_.now() + 10s;
    while (!done()) {
      if (!clock_.advance_to_next(limit)) return done();
    }
    return true;
  }

 private:
  VirtualClock clock_;
  SeededScheduler scheduler_{nullptr};
  Random random_{5};
  MemoryNetwork network_{clock_, random_};
  int last_ = 0;
};

class Real final : public Medium {
 public:
  Real(std::string address, bool in_process)
      : address_{std::move(address)}, in_process_{in_process} {}
  ~Real() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  std::unique_ptr<Transport> make() override {
    return make_zmq_transport(*clock_, {.in_process = in_process_});
  }
  std::string free_address() override {
    if (!address_.empty()) return address_;
    if (directory_.empty()) {
      std::string name = std::filesystem::temp_directory_path() / "grove-contract-XXXXXX";
      directory_ = mkdtemp(name.data());
    }
    return "ipc://" + directory_ + '/' + std::to_string(++last_);
  }
  Clock& clock() override { return *clock_; }
  Scheduler& scheduler() override { return *scheduler_; }
  bool run_until(const std::function<bool()>& done) override {
    return testkit::wait_until(*clock_, done);
  }

 private:
  const std::string address_;  // empty: socket files
  const bool in_process_;
  std::unique_ptr<Clock> clock_ = make_system_clock();
  std::unique_ptr<Scheduler> scheduler_ = make_thread_scheduler(1);
  std::string directory_;
  int last_ = 0;
};

/// A transport, and a note of all that happens to it.
class Party final : public Transport::Events {
 public:
  explicit Party(Medium& medium) : transport{medium.make()}, medium_{medium} {
    const auto bound = transport->listen(medium.free_address());
    EXPECT_TRUE(bound) << bound.error().detail;
    if (bound) address = *bound;
  }
  ~Party() { transport->stop(); }
  Party(const Party&) = delete;
  Party& operator=(const Party&) = delete;

  void on_frame(const Route& from, Frame frame) override {
    const std::lock_guard lock{mutex_};
    route_ = from;
    notes_.push_back("frame " + text_of(frame));
  }
  void on_answer(LinkId link, Frame frame) override {
    note("answer " + std::to_string(link) + ' ' + text_of(frame));
  }
  void on_link_up(LinkId link) override {
    transport->share(link);  // tests send from threads of their own
    note("up " + std::to_string(link));
  }
  void on_link_down(LinkId link, const std::string&) override {
    note("down " + std::to_string(link));
  }
  void on_handshake_failed(bool, const std::string&, const std::string&) override {}
  Clock::TimePoint on_tick() override { return medium_.clock().now() + 10ms; }

  void start() { transport->start(*this, medium_.scheduler()); }
  /// Runs on the loop, and has run.
  void on_loop(const std::function<void(Transport&)>& action) {
    auto ran = std::make_shared<std::atomic<bool>>(false);
    transport->post([this, action, ran] {
      action(*transport);
      *ran = true;
    });
    ASSERT_TRUE(medium_.run_until([&] { return ran->load(); }));
  }
  void dial(LinkId link, const std::string& to) {
    on_loop([&](Transport& mine) { mine.dial(link, to); });
  }
  SendResult send(LinkId link, const std::string& text) {
    return transport->send(link, bytes_of(text), {});
  }
  [[nodiscard]] std::vector<std::string> notes() const {
    const std::lock_guard lock{mutex_};
    return notes_;
  }
  [[nodiscard]] Route route() const {
    const std::lock_guard lock{mutex_};
    return route_;
  }
  [[nodiscard]] bool sees(const std::string& what) {
    return medium_.run_until([&] {
      const auto all = notes();
      return std::find(all.begin(), all.end(), what) != all.end();
    });
  }

  const std::unique_ptr<Transport> transport;
  std::string address;

 private:
  void note(std::string what) {
    const std::lock_guard lock{mutex_};
    notes_.push_back(std::move(what));
  }
  Medium& medium_;
  mutable std::mutex mutex_;  // guards what follows
  std::vector<std::string> notes_;
  Route route_;
};

struct Way {
  const char* name;
  std::function<std::unique_ptr<Medium>()> medium;
};

class TransportContract : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    for (Party* party : {&a, &b}) party->start();
  }
  void connect(LinkId link = 1) {
    a.dial(link, b.address);
    ASSERT_TRUE(a.sees("up " + std::to_string(link)));
  }
  std::unique_ptr<Medium> medium = GetParam().medium();
  Party a{*medium};
  Party b{*medium};
};

INSTANTIATE_TEST_SUITE_P(
    Over, TransportContract,
    testing::Values(Way{"a_simulated_network", [] { return std::make_unique<Simulated>(); }},
                    Way{"tcp", [] { return std::make_unique<Real>("127.0.0.1:0", false); }},
                    Way{"tcp6", [] { return std::make_unique<Real>("[::1]:0", false); }},
                    Way{"socket_files", [] { return std::make_unique<Real>("", false); }},
                    Way{"memory", [] { return std::make_unique<Real>("127.0.0.1:0", true); }}),
    [](const auto& row) { return std::string{row.param.name}; });

TEST_P(TransportContract, WhoIsDialledIsReachedAndCanAnswer) {
  connect();
  EXPECT_EQ(a.send(1, "hello"), SendResult::sent);
  ASSERT_TRUE(b.sees("frame hello"));
  b.on_loop([&](Transport& mine) { mine.answer(b.route(), bytes_of("welcome")); });
  EXPECT_TRUE(a.sees("answer 1 welcome"));
  EXPECT_EQ(a.notes(), (std::vector<std::string>{"up 1", "answer 1 welcome"}));
  EXPECT_EQ(b.notes(), (std::vector<std::string>{"frame hello"})) << "a dial alone says nothing";
}

TEST_P(TransportContract, EachLinkHasARouteOfItsOwn) {
  connect(1);
  connect(2);
  EXPECT_EQ(a.send(1, "by one"), SendResult::sent);
  ASSERT_TRUE(b.sees("frame by one"));
  const Route one = b.route();
  EXPECT_EQ(a.send(2, "by two"), SendResult::sent);
  ASSERT_TRUE(b.sees("frame by two"));
  EXPECT_NE(b.route(), one);
  b.on_loop([&](Transport& mine) { mine.answer(one, bytes_of("to one")); });
  EXPECT_TRUE(a.sees("answer 1 to one"));
}

TEST_P(TransportContract, BothMayDialEachOther) {
  a.dial(1, b.address);
  b.dial(1, a.address);
  ASSERT_TRUE(a.sees("up 1"));
  ASSERT_TRUE(b.sees("up 1"));
  EXPECT_EQ(a.send(1, "there"), SendResult::sent);
  EXPECT_EQ(b.send(1, "back"), SendResult::sent);
  EXPECT_TRUE(b.sees("frame there"));
  EXPECT_TRUE(a.sees("frame back"));
}

TEST_P(TransportContract, WhoDialsHimselfIsReachedToo) {
  a.dial(1, a.address);
  ASSERT_TRUE(a.sees("up 1"));
  EXPECT_EQ(a.send(1, "me"), SendResult::sent);
  EXPECT_TRUE(a.sees("frame me"));
}

TEST_P(TransportContract, NobodyThereIsALinkThatGoesDown) {
  std::string nobody;
  {
    Party gone{*medium};
    nobody = gone.address;
  }
  a.dial(1, nobody);
  EXPECT_TRUE(a.sees("down 1"));
}

TEST_P(TransportContract, FramesOfALinkArriveInOrderAndWhole) {
  connect();
  std::vector<std::string> sent;
  for (int i = 0; i < 500; ++i) {
    sent.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i) * 7, 'x'));
    ASSERT_EQ(a.send(1, sent.back()), SendResult::sent);
  }
  ASSERT_TRUE(medium->run_until([&] { return b.notes().size() == sent.size(); }));
  const auto arrived = b.notes();
  for (std::size_t i = 0; i < sent.size(); ++i) ASSERT_EQ(arrived[i], "frame " + sent[i]);
}

TEST_P(TransportContract, ALinkThatIsHungUpIsGoneAndSaysNoMore) {
  connect();
  EXPECT_EQ(a.send(1, "hello"), SendResult::sent);
  ASSERT_TRUE(b.sees("frame hello"));
  a.on_loop([](Transport& mine) {
    mine.hang_up(1);
    mine.hang_up(1);
    mine.hang_up(99);
  });
  EXPECT_EQ(a.send(1, "late"), SendResult::gone);
  b.on_loop([&](Transport& mine) { mine.answer(b.route(), bytes_of("too late")); });
  connect(2);  // something after it
  EXPECT_EQ(a.notes(), (std::vector<std::string>{"up 1", "up 2"}));
}

TEST_P(TransportContract, WhoStopsIsLostToAllWhoDialledHim) {
  connect(1);
  connect(2);
  EXPECT_EQ(a.send(1, "hello"), SendResult::sent);
  ASSERT_TRUE(b.sees("frame hello"));
  b.transport->stop();
  EXPECT_TRUE(a.sees("down 1"));
  EXPECT_TRUE(a.sees("down 2"));
  const std::size_t heard = b.notes().size();
  a.on_loop([](Transport& mine) {
    mine.hang_up(1);
    mine.hang_up(2);
  });
  EXPECT_EQ(b.notes().size(), heard) << "no event comes after stop()";
  a.dial(3, b.address);
  EXPECT_TRUE(a.sees("down 3")) << "nor does anybody listen there";
}

TEST_P(TransportContract, WhatWasAnsweredBeforeTheEndArrivesBeforeIt) {
  connect();
  EXPECT_EQ(a.send(1, "hello"), SendResult::sent);
  ASSERT_TRUE(b.sees("frame hello"));
  b.on_loop([&](Transport& mine) { mine.answer(b.route(), bytes_of("bye")); });
  ASSERT_TRUE(a.sees("answer 1 bye"));
  b.transport->stop();
  ASSERT_TRUE(a.sees("down 1"));
  EXPECT_EQ(a.notes(), (std::vector<std::string>{"up 1", "answer 1 bye", "down 1"}));
}

TEST_P(TransportContract, AnAnswerToNobodyIsLostAndHurtsNobody) {
  b.on_loop([](Transport& mine) { mine.answer("no route", bytes_of("x")); });
  connect();
}

TEST_P(TransportContract, ATakenAddressIsRefused) {
  const auto third = medium->make();
  const auto bound = third->listen(b.address);
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Errc::address_in_use);
  connect();  // b is still there
}

TEST_P(TransportContract, WhoListensTwiceIsReachedAtBoth) {
  Party both{*medium};
  const auto second = both.transport->listen(medium->free_address());
  ASSERT_TRUE(second) << second.error().detail;
  both.start();
  a.dial(1, both.address);
  a.dial(2, *second);
  EXPECT_TRUE(a.sees("up 1"));
  EXPECT_TRUE(a.sees("up 2"));
}

TEST_P(TransportContract, PostedActionsRunInTheirOrder) {
  auto ran = std::make_shared<std::vector<int>>();
  for (int i = 0; i < 100; ++i) a.transport->post([ran, i] { ran->push_back(i); });
  a.on_loop([](Transport&) {});
  ASSERT_EQ(ran->size(), 100U);
  EXPECT_TRUE(std::is_sorted(ran->begin(), ran->end()));
}

TEST_P(TransportContract, ANumberStandsForItself) {
  std::vector<std::string> found;
  std::atomic<bool> answered{false};
  a.transport->resolve("10.0.0.9:7", [&](std::vector<std::string> all) {
    found = std::move(all);
    answered = true;
  });
  ASSERT_TRUE(medium->run_until([&] { return answered.load(); }));
  EXPECT_EQ(found, std::vector<std::string>{"10.0.0.9:7"});
}

// -- what only real ones can show ------------------------------------------------------------

class RealTransport : public TransportContract {};

INSTANTIATE_TEST_SUITE_P(
    Over, RealTransport,
    testing::Values(Way{"tcp", [] { return std::make_unique<Real>("127.0.0.1:0", false); }},
                    Way{"socket_files", [] { return std::make_unique<Real>("", false); }},
                    Way{"memory", [] { return std::make_unique<Real>("127.0.0.1:0", true); }}),
    [](const auto& row) { return std::string{row.param.name}; });

TEST_P(RealTransport, ManyThreadsMaySendOnASharedLink) {
  connect();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i) {
        const std::string text = std::to_string(t) + ':' + std::to_string(i);
        a.send(1, text);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(medium->run_until([&] { return b.notes().size() == 2000; }));
  std::vector<int> next(4);
  for (const std::string& note : b.notes()) {
    const auto colon = note.find(':');
    const int thread = note[colon - 1] - '0';
    ASSERT_EQ(std::stoi(note.substr(colon + 1)), next[static_cast<std::size_t>(thread)]++);
  }
}

TEST_P(RealTransport, WhoStopsWhileOthersSendAndDialHurtsNobody) {
  connect();
  std::thread sender{[&] {
    while (a.send(1, "x") == SendResult::sent) {
    }
  }};
  for (LinkId link = 2; link < 20; ++link) {
    a.transport->post([&, link] { a.transport->dial(link, b.address); });
  }
  b.transport->stop();
  EXPECT_TRUE(a.sees("down 1"));
  for (LinkId link = 2; link < 20; ++link) EXPECT_TRUE(a.sees("down " + std::to_string(link)));
  sender.join();
}

TEST(InProcess, IsLeftOutByWhoeverSaysSo) {
  Real memory{"127.0.0.1:0", true};
  Real sockets{"127.0.0.1:0", false};
  Party a{memory};
  Party b{sockets};
  for (Party* party : {&a, &b}) party->start();
  a.dial(1, b.address);
  b.dial(1, a.address);
  ASSERT_TRUE(a.sees("up 1"));
  ASSERT_TRUE(b.sees("up 1"));
  EXPECT_EQ(a.send(1, "x"), SendResult::sent);
  EXPECT_EQ(b.send(1, "x"), SendResult::sent);
  ASSERT_TRUE(a.sees("frame x"));
  ASSERT_TRUE(b.sees("frame x"));
  EXPECT_FALSE(a.route().starts_with("memory-"));
  EXPECT_FALSE(b.route().starts_with("memory-"));
}

TEST(InProcess, WhoListensOnAllAddressesIsFoundOverLoopback) {
  for (const char* all : {"0.0.0.0:0", "[::]:0", "*:0"}) {
    Real everywhere{all, true};
    Real here{"127.0.0.1:0", true};
    Party a{here};
    Party b{everywhere};
    for (Party* party : {&a, &b}) party->start();
    a.dial(1, "127.0.0.1" + b.address.substr(b.address.rfind(':')));
    ASSERT_TRUE(a.sees("up 1")) << all;
    EXPECT_EQ(a.send(1, "x"), SendResult::sent);
    ASSERT_TRUE(b.sees("frame x"));
    EXPECT_TRUE(b.route().starts_with("memory-")) << all;
  }
}

// -- socket files ---------------------------------------------------------------------------

class SocketFiles : public testing::Test {
 protected:
  [[nodiscard]] static std::string path_of(const std::string& address) {
    return address.substr(std::string_view{"ipc://"}.size());
  }
  Real medium{"", false};
};

TEST_F(SocketFiles, AreForThisUserOnlyAndGoWithTheNode) {
  std::string path;
  {
    const Party a{medium};
    path = path_of(a.address);
    const auto status = std::filesystem::status(path);
    EXPECT_EQ(status.type(), std::filesystem::file_type::socket);
    EXPECT_EQ(status.permissions(), std::filesystem::perms{0600});
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(SocketFiles, OfANodeThatDiedAreReplaced) {
  const std::string address = medium.free_address();
  const std::string path = path_of(address);
  {
    const auto dead = medium.make();
    ASSERT_TRUE(dead->listen(address));
    std::filesystem::rename(path, path + ".kept");  // so that its end does not remove it
  }
  std::filesystem::rename(path + ".kept", path);
  const auto next = medium.make();
  const auto bound = next->listen(address);
  EXPECT_TRUE(bound) << bound.error().detail;
}

TEST_F(SocketFiles, OfAnotherKindAreLeftAlone) {
  const std::string address = medium.free_address();
  std::filesystem::create_directory(path_of(address));
  const auto node = medium.make();
  const auto bound = node->listen(address);
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Errc::bad_address);
  EXPECT_TRUE(std::filesystem::is_directory(path_of(address)));
}

TEST_F(SocketFiles, ThatCannotBeMadeAreABadAddress) {
  const auto bound = medium.make()->listen("ipc:///no/such/directory/a");
  ASSERT_FALSE(bound);
  EXPECT_EQ(bound.error().code, Errc::bad_address);
  EXPECT_NE(bound.error().detail.find("No such file"), std::string::npos) << bound.error().detail;
}

TEST_F(SocketFiles, MayBeAbstractNames) {
  Real abstract{"ipc://@grove-contract-" + std::to_string(getpid()), false};
  Party a{abstract};
  Party b{medium};
  for (Party* party : {&a, &b}) party->start();
  b.dial(1, a.address);
  EXPECT_TRUE(b.sees("up 1"));
  EXPECT_EQ(medium.make()->listen(a.address).error().code, Errc::address_in_use);
}

// -- names ----------------------------------------------------------------------------------

TEST(Names, StandForAllTheirAddresses) {
  Real medium{"127.0.0.1:0", false};
  Party a{medium};
  a.start();
  const auto found = [&](const std::string& address) {
    auto all = std::make_shared<std::promise<std::vector<std::string>>>();
    auto future = all->get_future();
    a.transport->resolve(address, [all](std::vector<std::string> those) { all->set_value(those); });
    return testkit::value_of(future);
  };
  const auto localhost = found("a@localhost:7");
  EXPECT_FALSE(localhost.empty());
  for (const std::string& one : localhost) {
    EXPECT_TRUE(one == "127.0.0.1:7" || one == "[::1]:7") << one;
  }
  EXPECT_TRUE(found("no-such-host.invalid:7").empty());
  EXPECT_EQ(found("[0::1]:7"), std::vector<std::string>{"[::1]:7"});
}

}  // namespace
}  // namespace grove::transport
