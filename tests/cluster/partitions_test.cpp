// SPDX-License-Identifier: Apache-2.0
//
// The table of docs/cluster.md, walked row by row, with each policy: the page is what is read here,
// so it says what happens.
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace grove {
namespace {

using namespace std::chrono_literals;
using testkit::SimWorld;

/// A cell's or a line's parts, without blanks and backquotes around them.
std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream stream{text};
  for (std::string part; std::getline(stream, part, by);) {
    const auto first = part.find_first_not_of(" `");
    const auto last = part.find_last_not_of(" `");
    parts.push_back(first == std::string::npos ? "" : part.substr(first, last - first + 1));
  }
  return parts;
}

/// Nodes are letters.
std::vector<std::string> nodes_of(const std::string& letters) {
  std::vector<std::string> nodes;
  for (const char letter : letters) {
    if (letter >= 'a' && letter <= 'z') nodes.emplace_back(1, letter);
  }
  return nodes;
}

struct Row {
  std::string shape;
  std::string fault;
  std::string seen;
  std::string policy;
  std::string minority;  // letters, or "nobody"
  friend void PrintTo(const Row& row, std::ostream* out) {
    *out << row.shape << " (" << row.fault << "), " << row.policy;
  }
};

std::vector<Row> rows_of_the_page() {
  std::ifstream page{GROVE_SOURCES "/docs/cluster.md"};
  std::vector<Row> rows;
  std::vector<std::string> head;
  for (std::string line; std::getline(page, line);) {
    const auto cells = split(line, '|');
    if (cells.size() < 6) {
      head.clear();
    } else if (cells[1] == "shape") {
      head = cells;
    } else if (!head.empty() && !cells[1].starts_with("---")) {
      for (std::size_t i = 4; i < cells.size(); ++i) {
        rows.push_back({cells[1], cells[2], cells[3], head[i], cells[i]});
      }
    }
  }
  return rows;
}

class Partitions : public testing::TestWithParam<Row> {
 protected:
  Partitions() {
    const std::string& fault = GetParam().fault;
    all = nodes_of(fault.substr(0, fault.find(':')));
    std::sort(all.begin(), all.end());
    world.configure([this](ClusterConfig& config) {
      if (GetParam().policy == "keep_majority") config.partition.policy = keep_majority();
      config.partition.changed = [this](Side side) { sides.push_back(side); };
    });
    for (const std::string& name : all) world.add_node(name);
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
    world.run_for(10s);
    for (const std::string& name : all) lives[name] = world[name].node().life();
  }
  /// `a / bc`: parts; `abc: a-b`: a link; `abc: a>b`: one direction of it; `abc: bc killed`.
  void inflict(const std::string& fault) {
    if (const auto parts = split(fault, '/'); parts.size() > 1) {
      std::vector<std::vector<std::string>> groups;
      for (const std::string& part : parts) groups.push_back(nodes_of(part));
      world.partition(groups);
      return;
    }
    const std::string what = split(fault, ':').at(1);
    if (const auto killed = what.find(" killed"); killed != std::string::npos) {
      for (const std::string& name : nodes_of(what.substr(0, killed))) world.kill(name);
      return;
    }
    ASSERT_EQ(what.size(), 3U) << what;
    world.cut(what.substr(0, 1), what.substr(2));
    if (what[1] == '-') world.cut(what.substr(2), what.substr(0, 1));
  }
  std::map<std::string, Member> seen_by(const std::string& name) {
    std::map<std::string, Member> seen;
    world[name].cluster().members([&](const std::vector<Member>& members) {
      for (const Member& member : members) seen[member.name] = member;
    });
    world.run_for(1ms);
    return seen;
  }
  bool takes_names(const std::string& name) {
    Node& node = world[name].node();
    const Pid pid = node.spawn([](Context& context) -> Task<> { co_await context.sleep_for(1s); });
    const auto taken = node.register_name("of_" + name, pid, Scope::cluster);
    EXPECT_TRUE(taken || taken.error().code == Errc::refused);
    world.run_for(5s);  // the name is free again
    return taken.has_value();
  }
  static std::string_view word(Member::State state) {
    const std::string_view words[] = {"up", "partial", "suspect", "down", "left"};
    return words[static_cast<std::size_t>(state)];
  }

  SimWorld world{7};
  std::vector<std::string> all;
  std::map<std::string, Life> lives;
  std::vector<Side> sides;  // as the hook was told, on whichever node
};

TEST_P(Partitions, ComeToWhatThePageSays) {
  const Row& row = GetParam();
  inflict(row.fault);
  world.run_for(60s);
  std::map<std::string, std::map<std::string, std::string>> wanted;
  for (const std::string& sentence : split(row.seen, ';')) {  // "ab: c down"
    const auto parts = split(sentence, ':');
    ASSERT_EQ(parts.size(), 2U) << sentence;
    const auto words = split(parts[1], ' ');
    ASSERT_EQ(words.size(), 2U) << sentence;
    for (const std::string& by : nodes_of(parts[0])) {
      for (const std::string& of : nodes_of(words[0])) wanted[by][of] = words[1];
    }
  }
  const auto minority = nodes_of(row.minority == "nobody" ? "" : row.minority);
  for (const std::string& name : world.names()) {
    for (const auto& [of, member] : seen_by(name)) {
      EXPECT_EQ(word(member.state), wanted[name].contains(of) ? wanted[name][of] : "up")
          << name << " sees " << of;
    }
    const bool in_minority = std::find(minority.begin(), minority.end(), name) != minority.end();
    EXPECT_EQ(world[name].cluster().side(), in_minority ? Side::minority : Side::majority) << name;
    EXPECT_EQ(takes_names(name), !in_minority) << name;
  }
  EXPECT_EQ(sides, std::vector<Side>(minority.size(), Side::minority)) << "the hook was told";
  EXPECT_EQ(world.total(Metric::minorities), minority.size());

  world.heal();
  for (const std::string& name : all) {
    if (!world.is_up(name)) lives[name] = world.add_node(name).node().life();
  }
  world.run_for(40s);
  EXPECT_TRUE(world.all_connected());
  for (const std::string& name : world.names()) {
    for (const auto& [of, member] : seen_by(name)) {
      EXPECT_EQ(word(member.state), "up") << name << " sees " << of;
      EXPECT_EQ(member.life, lives[of]);
    }
    EXPECT_EQ(world[name].cluster().side(), Side::majority) << name;
    EXPECT_TRUE(takes_names(name)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Page, Partitions, testing::ValuesIn(rows_of_the_page()));

TEST(PartitionsPage, HasBothPoliciesAndTheShapesThatMatter) {
  std::map<std::string, int> policies;
  std::size_t minorities = 0;
  for (const Row& row : rows_of_the_page()) {
    ++policies[row.policy];
    minorities += row.minority == "nobody" ? 0 : 1;
  }
  EXPECT_EQ(policies.size(), 2U);
  EXPECT_GE(policies["continue"], 9);
  EXPECT_EQ(policies["continue"], policies["keep_majority"]);
  EXPECT_GE(minorities, 6U);
}

}  // namespace
}  // namespace grove
