// SPDX-License-Identifier: Apache-2.0
#include "name_origin.hpp"

#include "grove/core/random.hpp"

#include <gtest/gtest.h>

namespace grove::cluster {
namespace {

NameRecord held(const std::string& name, std::uint32_t index, std::uint64_t at = 1) {
  NameRecord record;
  record.name = name;
  record.state = NameState::held;
  record.index = index;
  record.generation = 1;
  record.at = at;
  return record;
}
NameRecord gone(const std::string& name) {
  NameRecord record;
  record.name = name;
  return record;
}
NamesPull pull_of(const NameOrigin& copy) {
  return {"a", 1, copy.version(), copy.complete(), copy.cursor()};
}
NameOrigin::Taken apply(NameOrigin& copy, const NamesPart& part) {
  EXPECT_TRUE(is_well_formed(part));
  return copy.apply(part, [](const NameOrigin::Touched&) {});
}

TEST(NameOrigin, ACopyFollowsByChangesAndHasTheSameHash) {
  NameOrigin owner;
  NameOrigin copy;
  owner.change(held("x", 1));
  EXPECT_EQ(apply(copy, owner.part_for(pull_of(copy))), NameOrigin::Taken::applied);
  EXPECT_TRUE(copy.complete());
  owner.change(held("y", 2));
  owner.change(gone("x"));
  EXPECT_EQ(apply(copy, *owner.changes_after(copy.version())), NameOrigin::Taken::applied);
  EXPECT_EQ(copy.names(), owner.names());
  EXPECT_EQ(copy.hash(), owner.hash());
  EXPECT_EQ(copy.version(), 3U);
}

// The known way to a zombie: a snapshot that was made before the removal arrives after it.
TEST(NameOrigin, AStaleSnapshotNeverRevivesARemovedName) {
  NameOrigin owner;
  owner.change(held("x", 1));
  NameOrigin copy;
  const NamesPart stale = owner.part_for(pull_of(copy));
  const NamesPart stale_change = *owner.changes_after(0);
  apply(copy, stale);
  owner.change(gone("x"));
  apply(copy, *owner.changes_after(1));
  ASSERT_EQ(copy.find("x"), nullptr);
  EXPECT_EQ(apply(copy, stale), NameOrigin::Taken::old);
  EXPECT_EQ(apply(copy, stale_change), NameOrigin::Taken::old);
  EXPECT_EQ(copy.find("x"), nullptr);
}

TEST(NameOrigin, AGapChangesNothing) {
  NameOrigin owner;
  owner.change(held("x", 1));
  NameOrigin copy;
  apply(copy, owner.part_for(pull_of(copy)));
  owner.change(held("y", 2));
  owner.change(held("z", 3));
  EXPECT_EQ(apply(copy, *owner.changes_after(2)), NameOrigin::Taken::gap);
  EXPECT_EQ(copy.find("z"), nullptr);
  EXPECT_EQ(copy.version(), 1U);
}

TEST(NameOrigin, OfChangesThatOverlapOnlyTheNewOnesCount) {
  NameOrigin owner;
  owner.change(held("x", 1));
  NameOrigin copy;
  apply(copy, owner.part_for(pull_of(copy)));
  owner.change(gone("x"));
  owner.change(held("x", 2));
  apply(copy, *owner.changes_after(1));
  EXPECT_EQ(apply(copy, *owner.changes_after(0)), NameOrigin::Taken::old);
  owner.change(held("y", 3));
  EXPECT_EQ(apply(copy, *owner.changes_after(0)), NameOrigin::Taken::applied);
  EXPECT_EQ(copy.find("x")->index, 2U);
  EXPECT_EQ(copy.names(), owner.names());
}

TEST(NameOrigin, ManyNamesComeInPartsOfBoundedSize) {
  NameOrigin owner;
  for (int i = 0; i < 20'000; ++i) owner.change(held("name-" + std::to_string(i), 1));
  NameOrigin copy;
  int parts = 0;
  for (; copy.version() == 0 || !copy.complete(); ++parts) {
    const NamesPart part = owner.part_for(pull_of(copy));
    EXPECT_LE(part.names.size() * 40, k_part_bytes);
    ASSERT_EQ(apply(copy, part), NameOrigin::Taken::applied);
    owner.change(held("name-0", static_cast<std::uint32_t>(parts + 2)));  // it does not stand still
  }
  EXPECT_GT(parts, 10);
  apply(copy, owner.part_for(pull_of(copy)));
  EXPECT_EQ(copy.hash(), owner.hash());
}

TEST(NameOrigin, ManyNamesComeThoughNewsOvertakesEachPart) {
  NameOrigin owner;
  for (int i = 0; i < 20'000; ++i) owner.change(held("name-" + std::to_string(i), 1));
  NameOrigin copy;
  for (std::uint32_t parts = 0; copy.version() == 0 || !copy.complete(); ++parts) {
    ASSERT_LT(parts, 100U);
    const NamesPull pull = pull_of(copy);
    const std::uint64_t told = owner.version();
    owner.change(held("name-0", parts + 2));     // of what the copy has
    owner.change(held("name-9999", parts + 2));  // of what it has not, but in the end
    owner.change(gone(std::string{"name-"} + std::to_string(2 * parts + 1)));
    const NamesPart part = owner.part_for(pull);
    if (copy.version() > 0) apply(copy, *owner.changes_after(told));
    ASSERT_EQ(apply(copy, part), NameOrigin::Taken::applied);
  }
  EXPECT_EQ(copy.version(), owner.version());
  EXPECT_EQ(copy.names(), owner.names());
  EXPECT_EQ(copy.hash(), owner.hash());
}

TEST(NameOrigin, WhoMissedMoreThanIsRememberedGetsAllAnew) {
  NameOrigin owner;
  owner.change(held("x", 1));
  NameOrigin copy;
  apply(copy, owner.part_for(pull_of(copy)));
  for (std::uint32_t i = 0; i < 1000; ++i) owner.change(held("y", i));
  owner.change(gone("x"));
  EXPECT_FALSE(owner.changes_after(1));
  apply(copy, owner.part_for(pull_of(copy)));
  EXPECT_EQ(copy.names(), owner.names());
}

TEST(NameOrigin, OneThatIsNotCompleteServesNobody) {
  NameOrigin owner;
  for (int i = 0; i < 5000; ++i) owner.change(held("name-" + std::to_string(i), 1));
  NameOrigin half;
  apply(half, owner.part_for(pull_of(half)));
  ASSERT_FALSE(half.complete());
  EXPECT_EQ(half.part_for(pull_of(NameOrigin{})).version, 0U);
}

TEST(NameOrigin, WhatCannotBeIsNotWellFormed) {
  const auto with = [](NameRecord record) {
    NamesPart part;
    part.from = 4;
    part.version = 5;
    part.changes.push_back(std::move(record));
    return part;
  };
  EXPECT_TRUE(is_well_formed(with(held("x", 1))));
  EXPECT_FALSE(is_well_formed(with(held("", 1))));
  EXPECT_FALSE(is_well_formed(with(held(std::string(256, 'x'), 1))));
  EXPECT_FALSE(is_well_formed(with(held("\xC3", 1))));
  EXPECT_FALSE(is_well_formed(with(held("x", 1, ~std::uint64_t{0}))));
  NameRecord older_than_itself = held("x", 1);
  older_than_itself.since = older_than_itself.at + 1;
  EXPECT_FALSE(is_well_formed(with(older_than_itself)));
  NameRecord nobody = held("x", 1);
  nobody.generation = 0;
  EXPECT_FALSE(is_well_formed(with(nobody)));
  NamesPart part = with(held("x", 1));
  part.version = 9;
  EXPECT_FALSE(is_well_formed(part));
  part = {};
  part.from = part.version = 5;
  part.ranged = true;
  part.names = {held("b", 1), held("a", 1)};
  EXPECT_FALSE(is_well_formed(part));
}

/// Copies that fetch from the owner and from each other, in parts that are lost, late and repeated.
class Fetching {
 public:
  explicit Fetching(std::uint64_t seed) : random_{seed} {}

  void step() {
    if (random_.percent(40)) {
      change();
    } else if (random_.percent(50) || late_.empty()) {
      const NameOrigin& from = random_.percent(50) ? owner_ : copies_[random_.below(3)];
      late_.push_back(random_.percent(70) ? from.part_for(pull_of(copies_[random_.below(3)]))
                                          : owner_.changes_after(owner_.version()).value());
    } else {
      deliver();
    }
  }
  void finish() {
    for (NameOrigin& copy : copies_) {
      for (int i = 0; i < 100 && copy.version() < owner_.version(); ++i) {
        apply(copy, owner_.part_for(pull_of(copy)));
      }
      for (int i = 0; i < 100 && !copy.complete(); ++i) {
        apply(copy, owner_.part_for(pull_of(copy)));
      }
      EXPECT_EQ(copy.names(), owner_.names());
      EXPECT_EQ(copy.hash(), owner_.hash());
    }
  }

 private:
  void change() {
    // Long names, so that a few fill a part. The time says which change it is.
    const std::string name = std::string(200, 'x') + std::to_string(random_.below(400));
    NameRecord record = random_.percent(70) ? held(name, 1, owner_.version() + 1) : gone(name);
    owner_.change(std::move(record));
    removed_[name] = owner_.find(name) == nullptr ? owner_.version() : 0;
  }
  void deliver() {
    const std::size_t which = random_.below(late_.size());
    NameOrigin& copy = copies_[random_.below(3)];
    const NameOrigin before = copy;
    apply(copy, late_[which]);
    EXPECT_GE(copy.version(), before.version());
    for (const auto& [name, entry] : before.names()) {
      const NameEntry* now = copy.find(name);
      if (now != nullptr) {
        EXPECT_GE(now->at, entry.at) << "a name went back";
      }
    }
    if (copy.complete()) {
      for (const auto& [name, entry] : copy.names()) {
        const std::uint64_t at = removed_[name];
        EXPECT_FALSE(at != 0 && at <= copy.version()) << "a zombie";
      }
    }
    if (random_.percent(70)) late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(which));
  }

  Random random_;
  NameOrigin owner_;
  std::vector<NameOrigin> copies_ = std::vector<NameOrigin>(3);
  std::vector<NamesPart> late_;
  std::map<std::string, std::uint64_t> removed_;  // the version at which it went; 0: it is there
};

TEST(NameOrigin, EachNameGoesForwardWhateverIsLostLateOrRepeated) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    Fetching fetching{seed};
    for (int i = 0; i < 600; ++i) fetching.step();
    fetching.finish();
  }
}

}  // namespace
}  // namespace grove::cluster
