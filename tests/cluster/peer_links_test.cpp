// SPDX-License-Identifier: Apache-2.0
//
// PeerLinks from many threads.
#include "peer_links.hpp"

#include "grove/testkit/virtual_clock.hpp"
#include "grove/transport/memory_network.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace grove::cluster {
namespace {

class Links : public testing::Test {
 protected:
  PeerLinkPtr link_to(const std::string& name, std::uint64_t life = 1) {
    transport::Sessions::Up up;
    up.peer = intern_node(name, Life{life});
    up.session = ++sessions_;
    return std::make_shared<PeerLink>(*transport_, up, FlowConfig{});
  }

 private:
  testkit::VirtualClock clock_;
  Random random_{1};
  transport::MemoryNetwork network_{clock_, random_};
  std::unique_ptr<transport::Transport> transport_{network_.endpoint()};
  SessionId sessions_ = 0;
};

TEST_F(Links, AreFoundFromWhenTheyAreThereUntilTheyAreNot) {
  PeerLinks links;
  PeerLinks others;
  const PeerLinkPtr a = link_to("a");
  const PeerLinkPtr b = link_to("b");
  EXPECT_EQ(links.find(a->peer), nullptr);
  links.add(b);
  links.add(a);
  EXPECT_EQ(links.find(a->peer), a);
  EXPECT_EQ(links.connected("b"), b->peer);
  EXPECT_EQ(links.all(), (std::vector{a, b}));
  EXPECT_EQ(others.find(a->peer), nullptr);
  links.remove(a->peer);
  EXPECT_EQ(links.find(a->peer), nullptr);
  EXPECT_EQ(links.size(), 1U);
  EXPECT_EQ(others.size(), 0U);
}

TEST_F(Links, AChangeIsSeenByWhoHearsOfIt) {
  constexpr int k_changes = 2'000;
  PeerLinks links;
  const PeerLinkPtr stays = link_to("stays");
  const PeerLinkPtr comes_and_goes = link_to("comes_and_goes");
  links.add(stays);
  std::atomic<int> changes{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      for (int before = 0; before < k_changes;) {
        before = changes.load();
        const PeerLinkPtr found = links.find(comes_and_goes->peer);
        ASSERT_EQ(links.find(stays->peer), stays);
        if (changes.load() != before) continue;
        // The next change may have been made, but not been told yet: then it is either.
        EXPECT_TRUE(found == nullptr || found == comes_and_goes);
        EXPECT_TRUE(found == nullptr || before < k_changes);
      }
    });
  }
  for (int i = 0; i < k_changes; i += 2) {
    links.add(comes_and_goes);
    ++changes;
    links.remove(comes_and_goes->peer);
    ++changes;
  }
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace grove::cluster
