// SPDX-License-Identifier: Apache-2.0
//
// A look-up may take as long as it likes; who waits for something else does not.
#include "resolver.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <latch>
#include <memory>
#include <string>
#include <vector>

namespace grove::transport {
namespace {

using Addresses = std::vector<std::string>;

constexpr std::size_t k_more_than_threads = 2 * Resolver::k_threads_max;

/// A name server that answers when it is told to, and knows when nobody asks it any more.
class SlowServer {
 public:
  [[nodiscard]] Resolver::LookUp look_up() {
    const std::shared_ptr<void> asked{nullptr,
                                      [state = state_](void*) { state->forgotten.raise(); }};
    return [state = state_, asked](const std::string&) -> Addresses {
      state->begun.raise();
      state->answers.wait();
      return {"::1", "10.0.0.1", "10.0.0.1"};
    };
  }
  void wait_for_a_look_up() { state_->begun.wait(); }
  void answer() { state_->answers.raise(); }
  void wait_for_its_threads() { state_->forgotten.wait(); }

 private:
  class Flag {
   public:
    void raise() {
      raised_ = true;
      raised_.notify_all();
    }
    void wait() const { raised_.wait(false); }

   private:
    std::atomic<bool> raised_{false};
  };
  struct State {
    Flag begun;
    Flag answers;
    Flag forgotten;
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();  // the threads' too
};

TEST(ALookUp, FindsEachAddressOnce) {
  SlowServer server;
  Addresses found;
  std::latch told{1};
  Resolver resolver{server.look_up()};
  resolver.look_up("node@a.example:1", [&](const Addresses& all) {
    found = all;
    told.count_down();
  });
  server.answer();
  told.wait();
  EXPECT_EQ(found, (Addresses{"[::1]:1", "10.0.0.1:1"}));
}

TEST(ALookUp, HoldsUpNoAddressThatIsNoName) {
  SlowServer server;
  std::latch told{static_cast<std::ptrdiff_t>(k_more_than_threads)};
  Addresses found;
  Resolver resolver{server.look_up()};
  for (std::size_t i = 0; i < k_more_than_threads; ++i) {
    resolver.look_up("a.example:1", [&told](const Addresses&) { told.count_down(); });
  }
  for (const char* address : {"a@10.0.0.1:1", "[::1]:1", "ipc:///run/a.ipc", "no address"}) {
    resolver.look_up(address, [&found](const Addresses& all) {
      found.insert(found.end(), all.begin(), all.end());
    });
  }
  EXPECT_EQ(found, (Addresses{"10.0.0.1:1", "[::1]:1", "ipc:///run/a.ipc"}));
  server.answer();
  told.wait();  // those that had no thread of their own, too
}

TEST(ALookUp, IsNotWaitedForAtTheEnd) {
  SlowServer server;
  bool told = false;
  {
    Resolver resolver{server.look_up()};
    for (std::size_t i = 0; i < k_more_than_threads; ++i) {
      resolver.look_up("a.example:1", [&told](const Addresses&) { told = true; });
    }
    server.wait_for_a_look_up();
    resolver.stop();
    resolver.look_up("10.0.0.1:1", [&told](const Addresses&) { told = true; });
  }
  server.answer();
  server.wait_for_its_threads();
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace grove::transport
