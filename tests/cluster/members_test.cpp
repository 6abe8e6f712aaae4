// SPDX-License-Identifier: Apache-2.0
//
// Membership in whole simulated clusters: what its user sees of the members.
#include "grove/testkit/sim_world.hpp"

#include <gtest/gtest.h>

namespace grove {
namespace {

using std::chrono_literals::operator""s;
using testkit::SimWorld;

class Members : public ::testing::Test {
 protected:
  Members() {
    for (const char* name : {"a", "b", "c"}) world.add_node(name);
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  }
  Member seen(const std::string& by, const std::string& of) {
    Member found;
    world[by].cluster().members([&](std::vector<Member> members) {
      for (const Member& member : members) {
        if (member.name == of) found = member;
      }
    });
    world.run_for(1s);
    return found;
  }
  SimWorld world{42};
};

TEST_F(Members, ThatDieAreSuspectAndThenDown) {
  world.kill("c");
  world.run_for(1s);
  EXPECT_EQ(seen("a", "c").state, Member::State::suspect);
  world.run_for(20s);
  EXPECT_EQ(seen("a", "c").state, Member::State::down);
  EXPECT_EQ(seen("b", "c").state, Member::State::down);
}

TEST_F(Members, OutOfReachFromHereArePartialWhileAThirdReachesThem) {
  world.partition({{"a"}, {"b"}});
  world.run_for(60s);
  const Member b = seen("a", "b");
  EXPECT_EQ(b.state, Member::State::partial);
  EXPECT_EQ(b.reached_by, "c");
  EXPECT_EQ(seen("c", "a").state, Member::State::up);
  EXPECT_EQ(world.total(Metric::members_declared_dead), 0U);
  world.heal();
  world.run_for(20s);
  EXPECT_EQ(seen("a", "b").state, Member::State::up);
}

TEST_F(Members, CutOffFromTheRestRemoveNobodyAndComeBackWithTheirLife) {
  const Life life = seen("a", "c").life;
  world.partition({{"a", "b"}, {"c"}});
  world.run_for(40s);
  EXPECT_EQ(seen("a", "c").state, Member::State::down);
  const Member a = seen("c", "a");
  EXPECT_EQ(a.state, Member::State::suspect);
  EXPECT_EQ(a.accusers, std::vector<std::string>{"c"});
  world.heal();
  world.run_for(20s);
  EXPECT_TRUE(world.all_connected());
  const Member c = seen("a", "c");
  EXPECT_EQ(c.state, Member::State::up);
  EXPECT_EQ(c.life, life);
  EXPECT_GT(c.incarnation, 0U);
}

TEST_F(Members, ALateNodeLearnsOfAllAndMeetsThem) {
  world.add_node("d");
  ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  EXPECT_EQ(seen("d", "c").state, Member::State::up);
}

TEST_F(Members, ANewLifeIsTheMemberFromThenOn) {
  const Life before = seen("a", "c").life;
  world.kill("c");
  world.add_node("c");
  ASSERT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
  const Member c = seen("a", "c");
  EXPECT_EQ(c.state, Member::State::up);
  EXPECT_GT(c.life, before);
}

}  // namespace
}  // namespace grove
