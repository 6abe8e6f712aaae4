// SPDX-License-Identifier: Apache-2.0
//
// Two nodes dial each other: every order in which what is under way can arrive, tried out. A link
// keeps its order in each direction; nothing else is ordered. What a node has become depends on
// what it has seen, and in which order: two ways to the same two histories are one.
#include "transport/session_net.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace grove::transport {
namespace {

using namespace std::chrono_literals;

/// All of the world that matters: copied at each fork.
struct World {
  struct Node {
    Sessions sessions;
    std::vector<Sessions::Up> ups;
    std::size_t downs = 0;
    std::size_t counts = 0;
    std::string history;
  };
  struct Link {
    std::size_t dialler;
    LinkId id;
    Route route;
    bool open = true;                                       // not hung up
    std::deque<std::optional<Buffer>> there{std::nullopt};  // nothing: the connection itself
    std::deque<Buffer> back{};
  };
  std::vector<Node> nodes;
  std::vector<Link> links;
  std::vector<std::pair<std::size_t, std::string>> looked_up;
  Clock::TimePoint now{1000s};

  void perform(std::size_t who, const Sessions::Actions& actions) {
    for (const Sessions::Action& action : actions) {
      if (const auto* dial = std::get_if<Sessions::Dial>(&action)) {
        links.push_back({who, dial->link, std::to_string(who) + '.' + std::to_string(dial->link)});
      } else if (const auto* resolve = std::get_if<Sessions::Resolve>(&action)) {
        looked_up.emplace_back(who, resolve->address);
      } else if (const auto* send = std::get_if<Sessions::Send>(&action)) {
        for (Link& link : links) {
          if (link.open && link.dialler == who && link.id == send->link) {
            link.there.emplace_back(send->frame);
          }
        }
      } else if (const auto* answer = std::get_if<Sessions::Answer>(&action)) {
        for (Link& link : links) {
          if (link.open && link.dialler != who && link.route == answer->route) {
            link.back.push_back(answer->frame);
          }
        }
      } else if (const auto* hang_up = std::get_if<Sessions::HangUp>(&action)) {
        for (Link& link : links) {
          if (link.dialler == who && link.id == hang_up->link) link.open = false;
        }
      } else if (const auto* up = std::get_if<Sessions::Up>(&action)) {
        nodes[who].ups.push_back(*up);
      } else if (std::holds_alternative<Sessions::Down>(action)) {
        ++nodes[who].downs;
      } else if (std::holds_alternative<Sessions::Count>(action)) {
        ++nodes[who].counts;
      }
    }
  }

  /// What may happen next: an answered look-up, or the head of a direction of a link.
  [[nodiscard]] std::vector<std::size_t> choices() const {
    std::vector<std::size_t> all;
    if (!looked_up.empty()) all.push_back(0);
    for (std::size_t i = 0; i < links.size(); ++i) {
      if (!links[i].there.empty()) all.push_back(2 * i + 1);
      if (links[i].open && !links[i].back.empty()) all.push_back(2 * i + 2);
    }
    return all;
  }

  void step(std::size_t choice) {
    if (choice == 0) {
      const auto [who, address] = looked_up.back();
      looked_up.pop_back();
      nodes[who].history += '?';
      perform(who, nodes[who].sessions.on_resolved(address, {address}, now));
      return;
    }
    const std::size_t at = (choice - 1) / 2;
    const std::size_t dialler = links[at].dialler;
    if (choice % 2 == 0) {
      const Frame frame = Frame::own(links[at].back.front());
      links[at].back.pop_front();
      nodes[dialler].history += '<' + links[at].route;
      perform(dialler, nodes[dialler].sessions.on_answer(links[at].id, frame, now));
      return;
    }
    const std::optional<Buffer> sent = links[at].there.front();
    links[at].there.pop_front();
    if (sent) {
      const Route route = links[at].route;
      nodes[1 - dialler].history += '>' + route;
      perform(1 - dialler, nodes[1 - dialler].sessions.on_frame(route, Frame::own(*sent), now));
    } else if (links[at].open) {
      nodes[dialler].history += '=' + links[at].route;
      perform(dialler, nodes[dialler].sessions.on_link_up(links[at].id, now));
    }
  }

  void lose(std::size_t at) {
    Link& link = links[at];
    link.open = false;
    link.there.clear();
    perform(link.dialler,
            nodes[link.dialler].sessions.on_link_down(link.id, "connection lost", now));
  }

  /// Without any choice: whatever is under way arrives, and time goes on.
  void settle(Clock::Duration duration) {
    for (const auto end = now + duration; now < end; now += 250ms) {
      for (std::size_t who = 0; who < nodes.size(); ++who) {
        perform(who, nodes[who].sessions.on_tick(now));
      }
      int left = 1000;
      for (auto next = choices(); !next.empty(); next = choices()) {
        ASSERT_GT(--left, 0) << "the nodes never stop talking: " << nodes[0].history << " | "
                             << nodes[1].history;
        step(next.front());
      }
    }
  }
};

World::Node node(const std::string& name, std::uint64_t life, const std::string& address,
                 const std::string& seed, const std::string& machine) {
  SessionsConfig config;
  config.name = name;
  config.life = Life{life};
  config.address = address;
  config.local = local_text(machine, "/run/" + name);
  config.machine = machine;
  config.seeds = {seed};
  config.cookie = Cookie{"secret"};
  config.random_seed = life;
  config.nonce = testkit::counting_nonces(life << 32U);
  return {Sessions{std::move(config)}, {}, 0, 0, {}};
}

World two_that_dial_each_other(const std::string& machine) {
  World world;
  world.nodes.push_back(node("a", 10, "10.0.0.1:1", "10.0.0.2:1", machine));
  world.nodes.push_back(node("b", 20, "10.0.0.2:1", "10.0.0.1:1", machine));
  for (const std::size_t who : {0U, 1U}) {
    world.perform(who, world.nodes[who].sessions.on_tick(world.now));
  }
  while (!world.looked_up.empty()) world.step(0);
  return world;
}

/// Both have the same session, the last of as many as came up; it lasts, and no link is left over.
void expect_one_session(World world, bool only) {
  for (const World::Node& one : world.nodes) {
    ASSERT_EQ(one.ups.size(), one.downs + 1) << one.history;
    ASSERT_TRUE(!only || one.downs == 0) << one.history;
  }
  const SessionHeader a = world.nodes[0].ups.back().header;
  const SessionHeader b = world.nodes[1].ups.back().header;
  ASSERT_EQ(a.from_epoch, b.to_epoch);
  ASSERT_EQ(a.to_epoch, b.from_epoch);
  std::array<int, 2> open{};
  for (const World::Link& link : world.links) open[link.dialler] += link.open ? 1 : 0;
  ASSERT_EQ(open, (std::array{1, 1}));
  const std::vector<World::Node> before = world.nodes;
  world.settle(5s);
  for (const std::size_t who : {0U, 1U}) {
    ASSERT_EQ(world.nodes[who].downs, before[who].downs) << before[who].history;
    ASSERT_EQ(world.nodes[who].counts, before[who].counts) << "each hears the other";
  }
}

/// Goes down every path from `world` to its end, once. Returns: the ends.
std::size_t explore(const World& world, const std::function<void(const World&)>& visit,
                    std::set<std::string>& seen) {
  if (!seen.insert(world.nodes[0].history + '|' + world.nodes[1].history).second) return 0;
  visit(world);
  const auto choices = world.choices();
  if (choices.empty()) expect_one_session(world, true);
  std::size_t ends = choices.empty() ? 1 : 0;
  for (const std::size_t choice : choices) {
    if (testing::Test::HasFatalFailure()) return ends;
    World next = world;
    next.step(choice);
    ends += explore(next, visit, seen);
  }
  return ends;
}

class SimultaneousDials : public testing::TestWithParam<const char*> {};

TEST_P(SimultaneousDials, GiveOneSessionInEveryOrder) {
  std::set<std::string> seen;
  const std::size_t ends = explore(
      two_that_dial_each_other(GetParam()), [](const World&) {}, seen);
  EXPECT_GT(ends, 400U);
}

INSTANTIATE_TEST_SUITE_P(Sessions, SimultaneousDials, testing::Values("", "m1"),
                         [](const auto& row) {
                           return std::string{*row.param == 0 ? "over_tcp" : "on_one_machine"};
                         });

// They ended each other's sessions for ever, once: each new dial dropped the link that the other
// one had just come to use.
TEST(LostLink, OfWhicheverNodeAtWhateverMomentLeavesOneSessionInTheEnd) {
  std::set<std::string> seen;
  std::size_t lost = 0;
  const auto lose_each = [&lost](const World& world) {
    for (std::size_t i = 0; i < world.links.size(); ++i) {
      if (!world.links[i].open || testing::Test::HasFatalFailure()) continue;
      World other = world;
      other.lose(i);
      other.settle(10s);
      expect_one_session(std::move(other), false);
      ++lost;
    }
  };
  explore(two_that_dial_each_other(""), lose_each, seen);
  EXPECT_GT(lost, 2000U);
}

}  // namespace
}  // namespace grove::transport
