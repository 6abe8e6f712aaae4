// SPDX-License-Identifier: Apache-2.0
//
// explore(): visits every state that a model can reach, breadth first, so that what it finds has
// the shortest way there.
//
// A model is a class with
//
//   using State = ...;                                           a value
//   State initial() const;
//   void for_each_step(const State&, F f) const;                 f(label, State): what may happen
//   std::uint64_t fingerprint(const State&) const;               of states as good as the same
//   std::optional<std::string> broken(const State&) const;       what must never be so, and is
//
// Two states with one fingerprint by accident: one in 2^64 for each pair of states visited.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace grove::model {

namespace detail {

/// The steps to a state, found by going the way again.
template <class Model, class Origins>
std::vector<std::string> labels(const Model& model, const Origins& origins, std::uint64_t state) {
  const std::uint64_t first = model.fingerprint(model.initial());
  std::vector<std::uint32_t> steps;
  for (; state != first; state = origins.at(state).from) steps.push_back(origins.at(state).step);
  std::vector<std::string> way;
  typename Model::State at = model.initial();
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    std::uint32_t number = 0;
    std::optional<typename Model::State> there;
    model.for_each_step(at, [&](const std::string& label, typename Model::State state_there) {
      if (number++ != *step) return;
      way.push_back(label);
      there = std::move(state_there);
    });
    at = *std::move(there);
  }
  return way;
}

}  // namespace detail

struct Explored {
  std::size_t states = 0;
  std::size_t steps = 0;
  std::size_t depth = 0;         // of the longest of the shortest ways
  bool complete = false;         // no state is left unvisited
  std::string broken;            // what the model said; empty: nothing
  std::vector<std::string> way;  // the steps from the initial state to it
};

/// Bounds: at most `states_max` states are visited.
/// Cost: some 50 bytes for each state, whole states only while they wait.
template <class Model>
Explored explore(const Model& model, std::size_t states_max) {
  using State = typename Model::State;
  struct Origin {
    std::uint64_t from;
    std::uint32_t step;  // which one of that state's
  };
  struct Waiting {
    State state;
    std::uint64_t fingerprint;
    std::size_t depth;
  };
  Explored result;
  std::unordered_map<std::uint64_t, Origin> origins;
  std::deque<Waiting> waiting;

  const auto visit = [&](State state, Origin origin, std::size_t depth) {
    const std::uint64_t fingerprint = model.fingerprint(state);
    if (!origins.try_emplace(fingerprint, origin).second) return;
    if (auto what = model.broken(state); what && result.broken.empty()) {
      result.broken = *std::move(what);
      result.way = detail::labels(model, origins, fingerprint);
    }
    result.depth = std::max(result.depth, depth);
    waiting.push_back({std::move(state), fingerprint, depth});
  };
  visit(model.initial(), {}, 0);
  while (!waiting.empty() && result.broken.empty() && origins.size() < states_max) {
    const Waiting next = std::move(waiting.front());
    waiting.pop_front();
    std::uint32_t step = 0;
    model.for_each_step(next.state, [&](const std::string&, State state) {
      ++result.steps;
      visit(std::move(state), {next.fingerprint, step++}, next.depth + 1);
    });
  }
  result.states = origins.size();
  result.complete = waiting.empty() && result.broken.empty();
  return result;
}

}  // namespace grove::model
