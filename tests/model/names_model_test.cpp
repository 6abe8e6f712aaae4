// SPDX-License-Identifier: Apache-2.0
//
// Every order in which a small cluster's names can be told, lost and compared.
#include "names_model.hpp"

#include "model/worlds.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace grove::model {
namespace {

constexpr std::size_t k_states_max = 3'000'000;

struct Case {
  const char* name;
  NamesModel::Limits limits;
};

class NamesModelTest : public testing::TestWithParam<Case> {};

TEST_P(NamesModelTest, NoForkLastsAndNoNameComesBack) {
  expect_sound(NamesModel{GetParam().limits}, k_states_max);
}

std::vector<Case> cases() {
  std::vector<Case> all{
      {"two_names", {.registrations = 2, .ends = 1, .names = 2}},
      {"two_registrations", {.registrations = 2, .ends = 1}},
      {"gathered", {.registrations = 2, .ends = 1, .gathers = true}},
      {"comparing", {.registrations = 1, .ends = 1, .ticks = 1}},
      {"moved_while_registered", {.registrations = 2, .moves = 1}},
      {"the_newest", {.registrations = 2, .ends = 1, .rule = Rule::newest}},
      {"neither", {.registrations = 2, .ends = 1, .rule = Rule::neither}},
  };
  if (!k_most) return all;
  const std::vector<Case> single{
      {"apart", {.registrations = 1, .ends = 1, .declared = 1, .apart = true}},
      {"gathered_in_a_cut", {.registrations = 1, .ends = 1, .cuts = 1, .gathers = true}},
      {"a_crash", {.registrations = 1, .ends = 1, .crashes = 1}},
      {"a_burial", {.registrations = 1, .crashes = 1, .declared = 1}},
      {"a_partition", {.registrations = 1, .ends = 1, .cuts = 1}},
      {"half_a_session", {.registrations = 1, .ends = 1, .cuts = 1, .halves = 1}},
      {"comparing_twice", {.registrations = 1, .ends = 1, .ticks = 2}},
      {"a_conflict", {.registrations = 2, .cuts = 1}},
      {"moved_twice", {.registrations = 1, .moves = 2, .ends = 1}},
      {"a_conflict_with_the_dead", {.registrations = 2, .crashes = 1}},
      {"the_newest_in_a_conflict", {.registrations = 2, .cuts = 1, .rule = Rule::newest}},
      {"neither_in_a_conflict", {.registrations = 2, .cuts = 1, .rule = Rule::neither}},
      {"the_newest_and_the_dead", {.registrations = 2, .crashes = 1, .rule = Rule::newest}},
      {"the_newest_is_moved", {.registrations = 2, .moves = 1, .rule = Rule::newest}},
  };
  const std::vector<Case> combined{
      {"three_registrations", {.registrations = 3, .ends = 1}},
      {"moved_to_and_fro", {.registrations = 1, .moves = 3}},
      {"taken_again", {.registrations = 1, .moves = 3, .again = true}},
      {"taken_again_in_a_conflict", {.registrations = 2, .moves = 1, .again = true}},
      {"moved_in_a_cut", {.registrations = 1, .moves = 1, .cuts = 1}},
      {"moved_and_ended_in_a_cut", {.registrations = 1, .moves = 1, .ends = 1, .cuts = 1}},
      {"moved_apart", {.registrations = 2, .moves = 1, .apart = true}},
      {"moved_and_crashed", {.registrations = 1, .moves = 1, .ends = 1, .crashes = 1}},
      {"half_a_session_in_a_conflict", {.registrations = 2, .cuts = 1, .halves = 1}},
      {"moved_in_half_a_session", {.registrations = 1, .moves = 1, .cuts = 1, .halves = 1}},
      {"half_a_session_and_a_crash", {.registrations = 1, .ends = 1, .halves = 1, .crashes = 1}},
      {"comparing_two_names", {.registrations = 2, .ends = 1, .ticks = 1, .names = 2}},
      {"comparing_in_a_cut", {.registrations = 1, .ends = 1, .cuts = 1, .ticks = 1}},
      {"comparing_and_a_crash", {.registrations = 1, .ends = 1, .crashes = 1, .ticks = 1}},
      {"the_living_buried", {.registrations = 1, .ends = 1, .cuts = 1, .declared = 1}},
      {"the_dead_buried", {.registrations = 1, .ends = 1, .crashes = 1, .declared = 1}},
      {"apart_and_cut", {.registrations = 1, .ends = 1, .cuts = 1, .apart = true}},
      {"a_conflict_apart", {.registrations = 2, .ends = 1, .apart = true}},
      {"a_cut_and_a_crash", {.registrations = 1, .ends = 1, .cuts = 1, .crashes = 1}},
      {"a_cut_and_a_burial", {.registrations = 1, .cuts = 1, .crashes = 1, .declared = 1}},
      {"one_cut_off", {.registrations = 1, .ends = 1, .cuts = 2}},
      {"all_cut_off", {.registrations = 1, .cuts = 3}},
      {"three_lives", {.registrations = 1, .ends = 1, .crashes = 2}},
      {"gathered_conflict", {.registrations = 2, .ends = 1, .cuts = 1, .gathers = true}},
      {"the_newest_apart", {.registrations = 2, .ends = 1, .apart = true, .rule = Rule::newest}},
      {"the_newest_of_three", {.registrations = 3, .ends = 1, .rule = Rule::newest}},
      {"the_newest_is_taken_again",
       {.registrations = 2, .moves = 1, .again = true, .rule = Rule::newest}},
      {"the_newest_is_moved_apart",
       {.registrations = 2, .moves = 1, .apart = true, .rule = Rule::newest}},
      {"the_newest_is_moved_to_and_fro", {.registrations = 1, .moves = 3, .rule = Rule::newest}},
      {"neither_of_three", {.registrations = 3, .ends = 1, .rule = Rule::neither}},
      {"neither_apart", {.registrations = 2, .ends = 1, .apart = true, .rule = Rule::neither}},
      {"two_names_in_a_cut", {.registrations = 2, .ends = 1, .cuts = 1, .names = 2}},
      {"two_names_and_a_crash", {.registrations = 2, .ends = 1, .crashes = 1, .names = 2}},
  };
  all.insert(all.end(), single.begin(), single.end());
  if (k_largest) all.insert(all.end(), combined.begin(), combined.end());
  return all;
}

INSTANTIATE_TEST_SUITE_P(Of, NamesModelTest, testing::ValuesIn(cases()),
                         [](const auto& row) { return std::string{row.param.name}; });

}  // namespace
}  // namespace grove::model
