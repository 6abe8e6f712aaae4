// SPDX-License-Identifier: Apache-2.0
//
// Membership in whole simulated clusters: what its user sees of the members.
#include "grove/testkit/sim_world.hpp"

#include "cluster/told_of_end.hpp"

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

class MembersThrough : public Members, public ::testing::WithParamInterface<bool> {
 protected:
  void take_away() {
    if (GetParam()) {
      world.pause("c");
    } else {
      world.partition({{"a", "b"}, {"c"}});
    }
  }
  void give_back() {
    if (GetParam()) {
      world.resume("c");
    } else {
      world.heal();
    }
  }
};

TEST_P(MembersThrough, ACutOrAPauseKeepTheirLifeAndProcessesAndCanBeMonitoredAndLinkedAnew) {
  const Life life = seen("a", "c").life;
  const Pid target = world["c"].node().spawn([](Context& context) -> Task<> {
    context.trap_exit(true);
    for (;;) co_await context.receive_any();
  });
  const auto reasons = [&] {
    auto future = testkit::told_of_end(world["a"].node(), target);
    world.run_for(1s);
    return future;
  };
  auto before = reasons();
  const auto ups = world.total(Metric::sessions_up);
  const auto dead = world.total(Metric::members_declared_dead);
  take_away();
  world.run_for(40s);
  EXPECT_EQ(SimWorld::ready(before), std::vector(2, ExitReason::noconnection()));
  EXPECT_EQ(world.total(Metric::members_declared_dead), dead + 2) << "by a and b; none by c";
  give_back();
  world.run_for(20s);
  EXPECT_EQ(world.total(Metric::sessions_up), ups + 4) << "new sessions, each seen from both ends";
  EXPECT_EQ(world.total(Metric::members_declared_dead), dead + 2);
  const Member c = seen("a", "c");
  EXPECT_EQ(c.state, Member::State::up);
  EXPECT_EQ(c.life, life);
  EXPECT_GT(c.incarnation, 0U);
  EXPECT_GE(world.total(Metric::members_suspected), 2U);
  EXPECT_GE(world.total(Metric::probes_unanswered), 2U);
  EXPECT_GE(world["c"].node().metrics().get(Metric::suspicions_refuted), 1U);
  auto after = reasons();
  world["c"].node().exit(target, ExitReason::symbol("kill"));
  world.run_for(1s);
  EXPECT_EQ(SimWorld::ready(after), std::vector(2, ExitReason::killed()));
}
INSTANTIATE_TEST_SUITE_P(Both, MembersThrough, ::testing::Bool(),
                         [](const auto& of) { return std::string{of.param ? "pause" : "cut"}; });

// -- what members say of themselves ---------------------------------------------------------

class Metadata : public ::testing::Test {
 protected:
  /// Each node is of the role that its name is, and says where it is.
  Metadata() {
    world.configure([this](ClusterConfig& config) { config.metadata = next; });
    for (const char* name : {"a", "b", "c"}) {
      next = {{name, "worker"}, where(name)};
      world.add_node(name);
    }
    EXPECT_TRUE(world.run_until([this] { return world.all_connected(); }, 10s));
    world.run_for(1s);
  }
  static Value where(const std::string& place) { return Value::map({{"where", place}}); }
  std::vector<std::string> of_role(const std::string& by, const std::string& role) {
    std::vector<std::string> names;
    world[by].cluster().members_with_role(role, [&](const std::vector<Member>& members) {
      for (const Member& member : members) names.push_back(member.name);
    });
    world.run_for(1s);
    return names;
  }
  NodeMetadata seen(const std::string& by, const std::string& of) {
    NodeMetadata found;
    world[by].cluster().members([&](const std::vector<Member>& members) {
      for (const Member& member : members) {
        if (member.name == of) found = member.metadata;
      }
    });
    world.run_for(1s);
    return found;
  }
  NodeMetadata next;
  SimWorld world{42};
  using Names = std::vector<std::string>;
};

TEST_F(Metadata, OfAllMembersAreKnownToAll) {
  for (const char* by : {"a", "b", "c"}) {
    for (const char* of : {"a", "b", "c"}) {
      EXPECT_EQ(seen(by, of), (NodeMetadata{{of, "worker"}, where(of)})) << by << " of " << of;
    }
    EXPECT_EQ(of_role(by, "worker").size(), 3U);
    EXPECT_EQ(of_role(by, "c"), Names{"c"});
    EXPECT_EQ(of_role(by, "nobody"), Names{});
  }
}

TEST_F(Metadata, AreOthersAfterAnUpdateAlsoThroughACut) {
  world.partition({{"a"}, {"b"}});
  world.run_for(10s);
  ASSERT_TRUE(world["a"].cluster().set_metadata({{"spare"}, {}}).has_value());
  world.run_for(30s);
  EXPECT_EQ(seen("b", "a"), (NodeMetadata{{"spare"}, {}})) << "through c";
  EXPECT_EQ(seen("a", "a"), (NodeMetadata{{"spare"}, {}}));
  EXPECT_EQ(of_role("b", "spare"), Names{"a"}) << "partial members count";
  EXPECT_EQ(of_role("b", "worker"), (Names{"b", "c"}));
}

TEST_F(Metadata, ANodeThatIsOutOfReachHasNoRoleToOffer) {
  world.kill("c");
  world.run_for(1s);
  EXPECT_EQ(of_role("a", "worker"), (Names{"a", "b"}));
  next = {{"spare"}, {}};
  world.add_node("c");
  world.run_for(10s);
  EXPECT_EQ(of_role("a", "spare"), Names{"c"}) << "a new life says anew what it is";
  EXPECT_EQ(of_role("a", "worker"), (Names{"a", "b"}));
}

TEST_F(Metadata, ThatMakeNoSenseOrAreTooLargeAreRefused) {
  const auto refusal = [&](NodeMetadata metadata) {
    const auto set = world["a"].cluster().set_metadata(std::move(metadata));
    return set ? Errc{} : set.error().code;
  };
  EXPECT_EQ(refusal({{"Web"}, {}}), Errc::bad_argument);
  EXPECT_EQ(refusal({{"web@host"}, {}}), Errc::bad_argument);
  EXPECT_EQ(refusal({{}, Value{7}}), Errc::bad_argument);
  EXPECT_EQ(refusal({{}, Value::map({{7, "seven"}})}), Errc::bad_argument);
  EXPECT_EQ(refusal({{}, Value::map({{"key", std::string(k_metadata_bytes_max, 'x')}})}),
            Errc::too_large);
  Value deep;
  for (int i = 0; i < 100; ++i) deep = Value::list({deep});
  EXPECT_EQ(refusal({{}, Value::map({{"key", deep}})}), Errc::bad_argument);
  for (int i = 0; i < 200'000; ++i) deep = Value::list({std::move(deep)});
  EXPECT_EQ(refusal({{}, Value::map({{"key", deep}})}), Errc::bad_argument);
  EXPECT_EQ(seen("b", "a"), (NodeMetadata{{"a", "worker"}, where("a")})) << "as it was";
  EXPECT_EQ(refusal({{}, Value::map({{"key", std::string(k_metadata_bytes_max - 20, 'x')}})}),
            Errc{});
}

}  // namespace
}  // namespace grove
