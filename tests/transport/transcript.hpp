// SPDX-License-Identifier: Apache-2.0
//
// Transcript: what one node's sessions heard and did, a line each, and every frame's bytes.
//
//   node NAME LIFE ADDRESS CLUSTER COOKIE MIN MAX   a node, from its start
//   > EVENT WORDS [FRAME]                           what happens to it
//   > parts ROUTE FRAME TAIL                        a frame of two parts comes
//   < ACTION WORDS [FRAME]                          what it does thereupon
//   = MEANING                                       of the frame above
//   # what the reader should know
#pragma once

#include "grove/transport/sessions.hpp"

#include "support/bytes.hpp"
#include "transport/session_net.hpp"

#include <chrono>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace grove::testkit {

/// A line of a transcript.
struct Step {
  std::string words;
  transport::Buffer frame;
  transport::Buffer tail = {};  // the second part of one that has two
  friend bool operator==(const Step&, const Step&) = default;
};

/// An action as the transcript has it; no words for what is meant for people.
[[nodiscard]] inline Step step_of(const Sessions::Action& action) {
  struct Visitor {
    Step operator()(const Sessions::Dial& one) const {
      return {"dial " + std::to_string(one.link) + ' ' + one.address, {}};
    }
    Step operator()(const Sessions::Resolve& one) const { return {"resolve " + one.address, {}}; }
    Step operator()(const Sessions::HangUp& one) const {
      return {"hang-up " + std::to_string(one.link), {}};
    }
    Step operator()(const Sessions::Send& one) const {
      return {"send " + std::to_string(one.link), one.frame};
    }
    Step operator()(const Sessions::Answer& one) const {
      return {"answer " + one.route, one.frame};
    }
    Step operator()(const Sessions::Up& one) const {
      return {"up " + node_name(one.peer) + ' ' + std::to_string(node_life(one.peer).value) + ' ' +
                  std::to_string(one.session) + ' ' + std::to_string(one.link),
              {}};
    }
    Step operator()(const Sessions::Down& one) const {
      return {"down " + node_name(one.peer) + ' ' + std::to_string(one.session), {}};
    }
    Step operator()(const Sessions::Deliver& one) const {
      return {"deliver " + node_name(one.peer) + ' ' + std::to_string(one.session), {}};
    }
    Step operator()(const Sessions::Acknowledged&) const { return {}; }  // nothing to be seen
    Step operator()(const Sessions::Connected&) const { return {}; }
    Step operator()(const Sessions::Say&) const { return {}; }
    Step operator()(const Sessions::Count& one) const {
      constexpr const char* names[] = {"stale", "malformed", "refused"};
      return {std::string{"count "} + names[static_cast<int>(one.what)], {}};
    }
  };
  return std::visit(Visitor{}, action);
}
[[nodiscard]] inline std::vector<Step> steps_of(const Sessions::Actions& actions) {
  std::vector<Step> steps;
  for (const auto& action : actions) {
    if (Step step = step_of(action); !step.words.empty()) steps.push_back(std::move(step));
  }
  return steps;
}

/// A node whose sessions hear what a transcript says.
class TranscriptNode {
 public:
  /// Reads the words after `node`.
  explicit TranscriptNode(const std::string& words) : sessions_{config_of(words)} {}

  /// Names stand for themselves, and are looked up at once.
  Sessions::Actions hear(const Step& event) {
    Sessions::Actions actions = begin(event);
    for (std::size_t i = 0; i < actions.size(); ++i) {  // what was done comes in its place
      const auto* resolve = std::get_if<Sessions::Resolve>(&actions[i]);
      if (resolve == nullptr) continue;
      const std::string address = resolve->address;
      const auto found = sessions_.on_resolved(address, {address}, now_);
      const auto place = actions.erase(actions.begin() + static_cast<std::ptrdiff_t>(i--));
      actions.insert(place, found.begin(), found.end());
    }
    return actions;
  }

 private:
  Sessions::Actions begin(const Step& event) {
    std::istringstream words{event.words};
    std::string what;
    std::string who;
    std::uint64_t number = 0;
    words >> what;
    if (what == "tick") {
      words >> number;
      now_ = k_start + std::chrono::milliseconds{number};
      return sessions_.on_tick(now_);
    }
    if (what == "stop") return sessions_.stop(now_);
    if (what == "frame" || what == "parts" || what == "resolved" || what == "end") {
      words >> who >> number;
      if (what == "frame" || what == "parts") {
        Frame frame = Frame::own(event.frame);
        frame.tail = Bytes::copy(event.tail);
        return sessions_.on_frame(who, frame, now_);
      }
      if (what == "resolved") return sessions_.on_resolved(who, {who}, now_);
      return sessions_.end(intern_node(who, Life{number}), "it is told to", now_);
    }
    words >> number;
    if (what == "link-up") return sessions_.on_link_up(number, now_);
    if (what == "link-down") return sessions_.on_link_down(number, "lost", now_);
    if (what == "answer") return sessions_.on_answer(number, Frame::own(event.frame), now_);
    throw std::invalid_argument{"no such event: " + event.words};
  }

  static constexpr Clock::TimePoint k_start{std::chrono::seconds{1000}};

  static transport::SessionsConfig config_of(const std::string& words) {
    transport::SessionsConfig config;
    std::string secret;
    unsigned min = 0;
    unsigned max = 0;
    std::istringstream in{words};
    in >> config.name >> config.life.value >> config.address >> config.cluster >> secret >> min >>
        max;
    config.cookie = transport::Cookie{secret};
    config.versions = {static_cast<std::uint8_t>(min), static_cast<std::uint8_t>(max)};
    config.features = 0;
    config.nonce = counting_nonces(config.life.value << 32U);
    return config;
  }
  Sessions sessions_;
  Clock::TimePoint now_ = k_start;
};

}  // namespace grove::testkit
