// SPDX-License-Identifier: Apache-2.0
#include "grove/testkit/checkers.hpp"

#include <set>
#include <utility>

namespace grove::testkit {
namespace {

struct Stream {
  std::map<std::uint64_t, std::uint64_t> epochs;  // of each number that was sent
  std::set<std::uint64_t> received;
  std::uint64_t last = 0;
};

}  // namespace

Violations check_order(const History& history) {
  Violations wrong;
  std::map<std::pair<Pid, Pid>, Stream> streams;
  const auto say = [&](const auto& ends, std::uint64_t number, const char* what) {
    wrong.push_back("from " + to_string(ends.first) + " to " + to_string(ends.second) + ", " +
                    std::to_string(number) + ' ' + what);
  };
  for (const auto& [at, event] : history) {
    if (const auto* sent = std::get_if<Sent>(&event)) {
      streams[{sent->from, sent->to}].epochs[sent->number] = sent->epoch;
    } else if (const auto* received = std::get_if<Received>(&event)) {
      const std::pair ends{received->from, received->to};
      Stream& stream = streams[ends];
      if (!stream.epochs.contains(received->number)) {
        say(ends, received->number, "came and was never sent");
      } else if (!stream.received.insert(received->number).second) {
        say(ends, received->number, "came twice");
      } else if (received->number < stream.last) {
        say(ends, received->number, "came after a later one");
      }
      stream.last = std::max(stream.last, received->number);
    }
  }
  for (const auto& [ends, stream] : streams) {
    const std::uint64_t* lost_in = nullptr;
    for (const auto& [number, epoch] : stream.epochs) {
      if (!stream.received.contains(number)) {
        lost_in = &epoch;
      } else if (lost_in != nullptr && *lost_in == epoch) {
        say(ends, number, "came, and not all that was sent before it on that connection");
      }
    }
  }
  return wrong;
}

}  // namespace grove::testkit
