// SPDX-License-Identifier: Apache-2.0
//
// The worlds of two nodes' sessions that are explored, all of each.
#include "model/sessions_model.hpp"

#include "model/worlds.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

namespace grove::model {
namespace {

constexpr std::size_t k_states_max = 2'000'000;

struct Case {
  const char* name;
  SessionsModel::Limits limits;
};

class SessionsModelTest : public testing::TestWithParam<Case> {};

TEST_P(SessionsModelTest, BothHaveOneSessionInTheEndAndNeverTwo) {
  expect_sound(SessionsModel{GetParam().limits}, k_states_max);
}

std::vector<Case> cases() {
  std::vector<Case> all{
      {"one_dials", {.one_dials = true}},
      {"a_break", {.breaks = 1, .one_dials = true}},
      {"a_silence", {.silences = 1, .one_dials = true}},
      {"a_break_and_a_pause", {.breaks = 1, .pauses = 1, .batches = 0, .one_dials = true}},
  };
  if (!k_most) return all;
  const std::vector<Case> most{
      {"both_dial", {}},
      {"both_connect_by_hand", {.by_hand = true}},
      {"on_one_machine", {.one_machine = true}},
      {"told", {.told = 1, .one_dials = true}},
      {"a_crash", {.crashes = 1, .one_dials = true}},
      {"a_crash_on_one_machine",
       {.crashes = 1, .batches = 0, .one_dials = true, .one_machine = true}},
      {"a_crash_and_a_pause", {.crashes = 1, .pauses = 1, .batches = 0, .one_dials = true}},
      {"a_break_and_a_silence", {.breaks = 1, .silences = 1, .batches = 1, .one_dials = true}},
      {"two_breaks", {.breaks = 2, .one_dials = true}},
      {"two_silences", {.silences = 2, .batches = 1, .one_dials = true}},
      {"both_dial_and_a_break", {.breaks = 1, .batches = 0}},
      {"both_dial_and_a_pause", {.pauses = 1, .batches = 0}},
      {"both_dial_and_a_silence", {.silences = 1, .batches = 0}},
  };
  const std::vector<Case> largest{
      {"a_break_and_a_crash", {.breaks = 1, .crashes = 1, .batches = 1, .one_dials = true}},
      {"a_break_on_one_machine", {.breaks = 1, .batches = 0, .one_machine = true}},
      {"both_dial_and_a_crash", {.crashes = 1, .batches = 0}},
  };
  all.insert(all.end(), most.begin(), most.end());
  if (k_largest) all.insert(all.end(), largest.begin(), largest.end());
  return all;
}

INSTANTIATE_TEST_SUITE_P(Of, SessionsModelTest, testing::ValuesIn(cases()),
                         [](const auto& row) { return std::string{row.param.name}; });

}  // namespace
}  // namespace grove::model
