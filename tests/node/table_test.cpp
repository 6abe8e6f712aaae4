// SPDX-License-Identifier: Apache-2.0
#include "grove/node/table.hpp"

#include "grove/testkit/local_world.hpp"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace grove {
namespace {

using testkit::LocalWorld;
using Ages = Table<std::string, int>;

struct Go {};
struct Ready {
  Ages table;
};

/// Owns a table with one entry until it is told to go, or ended.
Task<> own_table(Context& context, Pid boss, std::string name, Access access) {
  auto table = context.new_table<std::string, int>(name, {.access = access});
  if (!table) context.exit(ExitReason::symbol(std::string{to_string(table.error().code)}));
  EXPECT_TRUE(table->insert("ann", 30));
  context.send(boss, Ready{*table});
  co_await context.receive<Go>();
}

template <class T>
Errc code_of(const Result<T>& result) {
  return result ? Errc{} : result.error().code;
}

// -- what a table does ----------------------------------------------------------------------

TEST(Table, KeepsOneValueForAKey) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ages ages = context.new_table<std::string, int>().value();
    EXPECT_TRUE(ages.insert("ann", 30));
    EXPECT_TRUE(ages.insert("bob", 40));
    EXPECT_TRUE(ages.insert("ann", 31));
    EXPECT_EQ(ages.lookup("ann").value(), 31);
    EXPECT_EQ(ages.size(), 2U);
    EXPECT_TRUE(ages.contains("bob"));
    EXPECT_TRUE(ages.erase("bob"));
    EXPECT_FALSE(ages.contains("bob"));
    EXPECT_EQ(code_of(ages.erase("bob")), Errc::not_found);
    EXPECT_EQ(code_of(ages.lookup("bob")), Errc::not_found);
    EXPECT_EQ(ages.take("ann").value(), 31);
    EXPECT_EQ(code_of(ages.take("ann")), Errc::not_found);
    EXPECT_EQ(ages.size(), 0U);
    co_return;
  });
}

TEST(Table, InsertNewLeavesWhatIsThere) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ages ages = context.new_table<std::string, int>().value();
    EXPECT_TRUE(ages.insert_new("ann", 30));
    EXPECT_EQ(code_of(ages.insert_new("ann", 99)), Errc::key_taken);
    EXPECT_EQ(ages.lookup("ann").value(), 30);
    co_return;
  });
}

TEST(Table, UpdateReturnsWhatItsFunctionReturns) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ages ages = context.new_table<std::string, int>().value();
    const auto older = [](int& age) { return ++age; };
    EXPECT_EQ(code_of(ages.update("ann", older)), Errc::not_found);
    EXPECT_EQ(ages.update("ann", older, 30).value(), 31);
    EXPECT_EQ(ages.update("ann", older, 30).value(), 32);
    EXPECT_TRUE(ages.update("ann", [](int& age) { age = 0; }));
    EXPECT_EQ(ages.lookup("ann").value(), 0);
    co_return;
  });
}

TEST(Table, IsABagWhenItsValuesAreVectors) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto bag = context.new_table<std::string, std::vector<int>>().value();
    for (const int number : {3, 1, 3}) {
      const auto add = [&](std::vector<int>& numbers) { numbers.push_back(number); };
      EXPECT_TRUE(bag.update("key", add, {}));
    }
    EXPECT_EQ(bag.lookup("key").value(), (std::vector{3, 1, 3}));
    co_return;
  });
}

TEST(Table, FindsSelectsAndErasesByPredicate) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto squares = context.new_table<int, int>().value();
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(squares.insert(i, i * i));
    const auto found = squares.find_first([](int, int square) { return square == 49; });
    EXPECT_EQ(found.value().key, 7);
    EXPECT_EQ(found.value().value, 49);
    EXPECT_EQ(code_of(squares.find_first([](int, int value) { return value < 0; })),
              Errc::not_found);
    EXPECT_EQ(squares.select([](int key, int) { return key < 10; }).value().size(), 10U);
    EXPECT_EQ(squares.erase_if([](int key, int) { return key % 2 == 0; }).value(), 50U);
    int sum = 0;
    EXPECT_TRUE(squares.for_each([&sum](int key, int) { sum += key; }));
    EXPECT_EQ(sum, 2500);
    EXPECT_TRUE(squares.clear());
    EXPECT_EQ(squares.size(), 0U);
    co_return;
  });
}

TEST(Table, AnOrderedSetIsSortedByKey) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto table = context.new_table<int, char, TableKind::ordered_set>().value();
    EXPECT_EQ(code_of(table.first()), Errc::not_found);
    EXPECT_EQ(code_of(table.last()), Errc::not_found);
    for (const int key : {30, 10, 20, 40}) EXPECT_TRUE(table.insert(key, 'x'));
    EXPECT_EQ(table.first().value().key, 10);
    EXPECT_EQ(table.last().value().key, 40);
    EXPECT_EQ(table.next(10).value().key, 20);
    EXPECT_EQ(table.next(15).value().key, 20);
    EXPECT_EQ(code_of(table.next(40)), Errc::not_found);
    EXPECT_EQ(table.previous(20).value().key, 10);
    EXPECT_EQ(code_of(table.previous(10)), Errc::not_found);
    const auto middle = table.range(10, 30).value();
    EXPECT_EQ(middle.size(), 2U);
    EXPECT_EQ(middle.back().key, 20);
    EXPECT_EQ(table.range(30, 10).value().size(), 0U);
    EXPECT_EQ(table.find_first([](int, char) { return true; }).value().key, 10);
    EXPECT_TRUE(table.erase(10));
    EXPECT_EQ(table.select([](int, char) { return true; }).value().front().key, 20);
    co_return;
  });
}

TEST(Table, APredicateThatThrowsLeavesTheTableUsable) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ages ages = context.new_table<std::string, int>().value();
    EXPECT_TRUE(ages.insert("ann", 30));
    const auto bad = [](const std::string&, int) -> bool { throw std::runtime_error("bad"); };
    EXPECT_THROW((void)ages.find_first(bad), std::runtime_error);
    EXPECT_THROW((void)ages.erase_if(bad), std::runtime_error);
    EXPECT_THROW((void)ages.update("ann", [](int&) { throw std::runtime_error("bad"); }),
                 std::runtime_error);
    EXPECT_EQ(ages.lookup("ann").value(), 30);
    EXPECT_TRUE(ages.insert("ann", 31));
    co_return;
  });
}

TEST(Table, AFunctionThatCallsIntoItsOwnTableThrowsAndDoesNotHang) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ages ages = context.new_table<std::string, int>().value();
    const Ages other = context.new_table<std::string, int>().value();
    EXPECT_TRUE(ages.insert("ann", 30));
    const auto each = [&](auto function) {
      return ages.for_each([&](const std::string&, int) { function(); });
    };
    EXPECT_THROW((void)each([&] { (void)ages.lookup("ann"); }), std::logic_error);
    EXPECT_THROW((void)each([&] { (void)ages.insert("bob", 1); }), std::logic_error);
    EXPECT_THROW((void)each([&] { (void)ages.size(); }), std::logic_error);
    EXPECT_THROW((void)each([&] { (void)ages.drop(); }), std::logic_error);
    EXPECT_THROW((void)ages.update("ann", [&](int&) { (void)ages.clear(); }), std::logic_error);
    const auto both = [&] {
      EXPECT_TRUE(other.insert("ann", 1));
      const auto back = [&](int&) { (void)ages.lookup("ann"); };
      EXPECT_THROW((void)other.update("ann", back), std::logic_error);
    };
    EXPECT_TRUE(each(both));
    EXPECT_EQ(ages.lookup("ann").value(), 30);
    EXPECT_EQ(other.lookup("ann").value(), 1);
    co_return;
  });
}

TEST(Table, AValueIsDestroyedWithoutTheLock) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto table = context.new_table<int, std::shared_ptr<int>>().value();
    int seen = 0;
    const auto value = [&] {
      return std::shared_ptr<int>{new int{1}, [&seen, table](const int* number) {
                                    seen += table.contains(2) ? 10 : 1;
                                    delete number;
                                  }};
    };
    EXPECT_TRUE(table.insert(1, value()));
    EXPECT_TRUE(table.insert(1, value()));  // replaces
    EXPECT_TRUE(table.erase(1));
    EXPECT_TRUE(table.insert(1, value()));
    EXPECT_EQ(table.erase_if([](int, const auto&) { return true; }).value(), 1U);
    EXPECT_TRUE(table.insert(1, value()));
    EXPECT_TRUE(table.clear());
    EXPECT_TRUE(table.insert(1, value()));
    EXPECT_TRUE(table.drop());
    EXPECT_EQ(seen, 5);
    co_return;
  });
}

TEST(Table, AnUpdateThatThrowsLeavesNoInitialValueBehind) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto table = context.new_table<std::string, int>("t").value();
    const auto fail = [](int&) -> int { throw std::runtime_error{"no luck"}; };
    EXPECT_THROW((void)table.update(std::string{"a"}, fail, 5), std::runtime_error);
    EXPECT_FALSE(table.contains("a"));
    EXPECT_TRUE(table.insert("b", 1));
    EXPECT_THROW((void)table.update(std::string{"b"}, fail, 5), std::runtime_error);
    EXPECT_TRUE(table.contains("b"));
    co_return;
  });
}

// -- who may --------------------------------------------------------------------------------

struct AccessRow {
  const char* name;
  Access access;
  bool others_read;
  bool others_write;
};

class TableAccess : public testing::TestWithParam<AccessRow> {
 protected:
  /// Tries everything that reads, and everything that writes, in the name of whoever calls.
  static void check(const Ages& table, bool reads, bool writes) {
    const Errc read = reads ? Errc{} : Errc::noaccess;
    const Errc write = writes ? Errc{} : Errc::noaccess;
    const auto is_ann = [](const std::string& name, int) { return name == "ann"; };
    const auto is_tmp = [](const std::string& name, int) { return name == "tmp"; };
    EXPECT_EQ(code_of(table.lookup("ann")), read);
    EXPECT_EQ(table.contains("ann"), reads);
    EXPECT_EQ(code_of(table.find_first(is_ann)), read);
    EXPECT_EQ(code_of(table.select(is_ann)), read);
    EXPECT_EQ(code_of(table.for_each([](const std::string&, int) {})), read);
    EXPECT_EQ(code_of(table.insert("tmp", 1)), write);
    EXPECT_EQ(code_of(table.update("tmp", [](int& age) { ++age; })), write);
    EXPECT_EQ(code_of(table.update(
                  "tmp", [](int& age) { ++age; }, 1)),
              write);
    EXPECT_EQ(code_of(table.erase("tmp")), write);
    EXPECT_EQ(code_of(table.insert_new("tmp", 1)), write);
    EXPECT_EQ(code_of(table.take("tmp")), write);
    EXPECT_EQ(code_of(table.erase_if(is_tmp)), write);
    EXPECT_EQ(table.size(), 1U);
  }
};

INSTANTIATE_TEST_SUITE_P(Table, TableAccess,
                         testing::Values(AccessRow{"public", Access::public_, true, true},
                                         AccessRow{"protected", Access::protected_, true, false},
                                         AccessRow{"private", Access::private_, false, false}),
                         [](const auto& row) { return row.param.name; });

TEST_P(TableAccess, TheOwnerMayDoEverything) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ages ages =
        context.new_table<std::string, int>("ages", {.access = GetParam().access}).value();
    EXPECT_TRUE(ages.insert("ann", 30));
    check(ages, true, true);
    EXPECT_TRUE(ages.clear());
    EXPECT_TRUE(ages.drop());
    co_return;
  });
}

TEST_P(TableAccess, AnotherProcessMayDoWhatTheAccessSays) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.spawn(own_table, context.self(), "ages", GetParam().access);
    co_await context.receive<Ready>();
    const Ages ages = context.node().find_table<std::string, int>("ages").value();
    check(ages, GetParam().others_read, GetParam().others_write);
    EXPECT_EQ(code_of(ages.drop()), Errc::noaccess);
    EXPECT_EQ(code_of(ages.clear()), GetParam().others_write ? Errc{} : Errc::noaccess);
  });
}

TEST_P(TableAccess, AThreadOutsideMayDoWhatAnotherProcessMay) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.spawn(own_table, context.self(), "ages", GetParam().access);
    const Ready ready = co_await context.receive<Ready>();
    std::thread outside{[&] {
      check(ready.table, GetParam().others_read, GetParam().others_write);
      EXPECT_EQ(code_of(ready.table.drop()), Errc::noaccess);
    }};
    outside.join();
  });
}

TEST(Table, TheNextProcessInTheOwnersPlaceIsNotTheOwner) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Spawned owner = context.spawn_monitor(own_table, context.self(), "", Access::private_);
    const Ready ready = co_await context.receive<Ready>();
    context.send(owner.pid, Go{});
    co_await context.receive<Down>();
    const Pid next = context.spawn([table = ready.table](Context& child) -> Task<> {
      EXPECT_EQ(code_of(table.insert("ann", 1)), Errc::noproc);
      child.exit(ExitReason::normal());
      co_return;
    });
    context.monitor(next);
    co_await context.receive<Down>();
  });
}

// -- how a table ends -----------------------------------------------------------------------

TEST(TableEnd, ItsNameIsFreeAndItsEntriesAreGoneBeforeTheOwnersDown) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    for (const bool killed : {false, true}) {
      const Spawned owner =
          context.spawn_monitor(own_table, context.self(), "ages", Access::public_);
      const Ready ready = co_await context.receive<Ready>();
      EXPECT_TRUE(ready.table);
      if (killed) {
        context.exit(owner.pid, ExitReason::kill());
      } else {
        context.send(owner.pid, Go{});
      }
      co_await context.receive<Down>();
      EXPECT_FALSE(ready.table);
      EXPECT_EQ(code_of(ready.table.lookup("ann")), Errc::noproc);
      EXPECT_EQ(code_of(ready.table.insert("ann", 1)), Errc::noproc);
      EXPECT_EQ(code_of(ready.table.for_each([](const auto&, int) {})), Errc::noproc);
      EXPECT_EQ(code_of(ready.table.clear()), Errc::noproc);
      EXPECT_EQ(code_of(ready.table.drop()), Errc::noproc);
      EXPECT_FALSE(ready.table.contains("ann"));
      EXPECT_EQ(ready.table.size(), 0U);
      EXPECT_TRUE(context.node().tables().empty());
      const Ages again = context.new_table<std::string, int>("ages").value();
      EXPECT_TRUE(again.drop());
    }
  });
}

TEST(TableEnd, ComesBeforeTheOwnersDownInTheWatchersMailbox) {
  LocalWorld world;
  world.run([&node = world.node()](Context& context) -> Task<> {
    const auto owner = [&node, boss = context.self()](Context& child) -> Task<> {
      const auto table = child.new_table<int, std::shared_ptr<int>>("marked").value();
      const std::shared_ptr<int> mark{new int{0}, [&node, boss](const int* number) {
                                        node.send(boss,
                                                  code_of(node.find_table<int, int>("marked")));
                                        delete number;
                                      }};
      EXPECT_TRUE(table.insert(1, mark));
      co_return;
    };
    context.spawn_monitor(owner);
    const EnvelopePtr first = co_await context.receive_any();
    const Errc* code = first->message.get<Errc>();
    EXPECT_TRUE(code != nullptr && *code == Errc::not_found);  // the entry went, and its name
  });
}

TEST(TableEnd, ALinkedProcessSeesNoTableWhenItGetsTheExit) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    context.trap_exit(true);
    const Pid owner = context.spawn_link(own_table, context.self(), "ages", Access::public_);
    co_await context.receive<Ready>();
    context.exit(owner, ExitReason::symbol("boom"));
    co_await context.receive<Exit>();
    const auto found = context.node().find_table<std::string, int>("ages");
    EXPECT_EQ(code_of(found), Errc::not_found);
  });
}

TEST(TableEnd, TheOwnersDestructorsStillUseIt) {
  LocalWorld world;
  struct Leave {
    Ages table;
    ~Leave() { EXPECT_TRUE(table.insert("left", 1)); }
  };
  const auto owner = [](Context& context) -> Task<> {
    const Leave leave{context.new_table<std::string, int>("ages").value()};
    co_await context.receive<Go>();
  };
  const Pid pid = world.node().spawn(owner);
  world.settle();
  world.node().exit(pid, ExitReason::kill());
  world.settle();
  EXPECT_FALSE(world.node().is_alive(pid));
}

TEST(TableEnd, AProcessThatEndsGetsNoNewTable) {
  LocalWorld world;
  std::optional<Errc> code;
  struct Late {  // a message, destroyed after the end of its receiver
    Context* context;
    std::optional<Errc>* code;
    Late(Context* its_context, std::optional<Errc>* result) : context{its_context}, code{result} {}
    Late(Late&& other) noexcept
        : context{std::exchange(other.context, nullptr)}, code{other.code} {}
    ~Late() {
      if (context != nullptr) *code = code_of(context->new_table<int, int>("late"));
    }
  };
  world.node().async([&code](Context& context) -> Task<> {
    context.send(context.self(), Late{&context, &code});
    co_return;
  });
  world.settle();
  EXPECT_EQ(code, Errc::noproc);
  EXPECT_TRUE(world.node().tables().empty());
}

TEST(TableEnd, AHandleOutlivesItsNode) {
  Ages ages;
  EXPECT_EQ(code_of(ages.lookup("ann")), Errc::noproc);  // a handle of no table
  EXPECT_EQ(code_of(ages.drop()), Errc::noproc);
  EXPECT_EQ(ages.size(), 0U);
  {
    LocalWorld world;
    world.node().spawn([&ages](Context& context) -> Task<> {
      ages = context.new_table<std::string, int>("ages", {.access = Access::public_}).value();
      co_await context.receive<Go>();
    });
    world.settle();
    EXPECT_TRUE(ages.insert("ann", 30));
  }
  EXPECT_EQ(code_of(ages.lookup("ann")), Errc::noproc);
  EXPECT_EQ(code_of(ages.insert("ann", 30)), Errc::noproc);
}

TEST(TableEnd, ANodeThatGoesWithItsProcessesTakesTheirTables) {
  testkit::VirtualClock clock;
  SeededScheduler scheduler{nullptr};
  Ages ages;
  {
    Node node{{.name = "short", .clock = &clock, .scheduler = &scheduler}};
    node.spawn([&ages](Context& context) -> Task<> {
      ages = context.new_table<std::string, int>("ages").value();
      co_await context.receive<Go>();
    });
    scheduler.run_until_idle();
    EXPECT_TRUE(ages);
  }
  EXPECT_FALSE(ages);
}

// -- names and inspection -------------------------------------------------------------------

TEST(TableName, IsHeldByOneTableAtATime) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Spawned owner =
        context.spawn_monitor(own_table, context.self(), "ages", Access::protected_);
    co_await context.receive<Ready>();
    const auto second = context.new_table<int, int>("ages");
    EXPECT_EQ(code_of(second), Errc::name_taken);
    EXPECT_EQ(code_of(context.new_table<int, int>(std::string(256, 'x'))), Errc::bad_argument);
    context.send(owner.pid, Go{});
    co_await context.receive<Down>();
    EXPECT_TRUE((context.new_table<int, int>("ages")));
  });
}

TEST(TableName, FindsOnlyATableOfTheSameTypesAndKind) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Ages ages = context.new_table<std::string, int>("ages").value();
    const Node& node = context.node();
    EXPECT_EQ((node.find_table<std::string, int>("ages").value()), ages);
    EXPECT_EQ((code_of(node.find_table<std::string, int>("pages"))), Errc::not_found);
    EXPECT_EQ((code_of(node.find_table<std::string, int>(""))), Errc::not_found);
    EXPECT_EQ((code_of(node.find_table<std::string, long>("ages"))), Errc::bad_argument);
    const auto ordered = node.find_table<std::string, int, TableKind::ordered_set>("ages");
    EXPECT_EQ(code_of(ordered), Errc::bad_argument);
    EXPECT_NE(ordered.error().detail.find("int"), std::string::npos) << ordered.error().detail;
    co_return;
  });
}

TEST(TableInspection, ShowsEveryTableByName) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const auto unnamed = context.new_table<int, int, TableKind::ordered_set>().value();
    const auto zoo = context.new_table<int, int>("zoo").value();
    context.spawn(own_table, context.self(), "ages", Access::private_);
    co_await context.receive<Ready>();
    EXPECT_TRUE(zoo.insert(1, 1));
    const std::vector<TableInfo> rows = context.node().tables();
    EXPECT_EQ(rows.size(), 3U);
    if (rows.size() != 3) co_return;
    EXPECT_EQ(rows[0].name, "");
    EXPECT_EQ(rows[0].kind, TableKind::ordered_set);
    EXPECT_EQ(rows[1].name, "ages");
    EXPECT_EQ(rows[1].access, Access::private_);
    EXPECT_NE(rows[1].owner, context.self());
    EXPECT_EQ(rows[1].size, 1U);
    EXPECT_EQ(rows[2].name, "zoo");
    EXPECT_EQ(rows[2].owner, context.self());
    EXPECT_EQ(rows[2].key_type, "int");
    EXPECT_GT(rows[2].bytes, 2 * sizeof(int));
    EXPECT_LT(rows[0].id, rows[1].id);
  });
}
}  // namespace
}  // namespace grove
