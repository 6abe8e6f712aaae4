// SPDX-License-Identifier: Apache-2.0
//
// Numbered messages from every node to every other, and floods for a node that takes nothing.
#pragma once

#include "worker.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

namespace chaos {

/// One of a row: it begins with each monitor of the sink, which is asked for before the first.
struct Numbered {
  grove::Pid from;
  grove::Pid to;
  std::string row;  // the monitor's reference
  std::uint64_t number = 0;
  std::string ballast;
};
struct Flood {
  std::string ballast;
};

/// Found by the name sink-NODE.
class Sink : public grove::GenServer {
 public:
  using Handles = grove::Handles<Numbered, Flood>;
  void handle_info(const Numbered& message) {
    history().write(context(), "got",
                    {{"from", to_string(message.from)},
                     {"to", to_string(message.to)},
                     {"row", message.row},
                     {"number", std::to_string(message.number)}});
  }
  void handle_info(const Flood&) {}
};

class Streamer : public Worker {
 public:
  using Handles = grove::Handles<Tick>;
  Streamer() : Worker{std::chrono::milliseconds{100}} { note("start", {{"what", "streamer"}}); }

  void handle_info(Tick) {
    tick_again();
    if (phase() == Phase::faults) {
      for (const auto& [name, pid] : node().global_names()) {
        if (name.starts_with("sink-") && pid.node != node().id() && !rows_.contains(pid)) {
          begin(pid);
        }
      }
      for (auto& [sink, row] : rows_) send(sink, row);
    } else if (!std::exchange(told_, true)) {
      for (const auto& [sink, row] : rows_) tell(row);
    }
  }
  void handle_info(const grove::Down& down) {
    const auto row = rows_.find(down.pid);
    tell(row->second);
    note("down", {{"ref", to_string(down.ref)},
                  {"pid", to_string(down.pid)},
                  {"reason", to_string(down.reason)}});
    rows_.erase(row);
  }

 private:
  struct Row {
    std::string ref;
    std::uint64_t sent = 0;
  };

  void begin(const grove::Pid& sink) {
    const std::string ref = to_string(context().monitor(sink));
    note("monitor", {{"ref", ref}, {"pid", to_string(sink)}});
    rows_[sink] = {ref};
  }
  /// A few are so large that they travel in pieces.
  void send(const grove::Pid& sink, Row& row) {
    constexpr std::size_t k_large = std::size_t{1} << 19U;
    std::string ballast(row.sent % 100 == 99 ? k_large : row.sent % 10 == 9 ? 5000 : 0, 'x');
    context().send(sink, Numbered{self(), sink, row.ref, row.sent++, std::move(ballast)});
  }
  void tell(const Row& row) {
    note("sent", {{"row", row.ref}, {"count", std::to_string(row.sent)}});
  }

  std::map<grove::Pid, Row> rows_;  // by sink
  bool told_ = false;
};

/// Sends to a peer as much as it may while the driver's file flood-PEER is there: up to the budget
/// of a peer that is stopped, and a little more.
class Flooder : public Worker {
 public:
  using Handles = grove::Handles<Tick>;
  explicit Flooder(std::string control)
      : Worker{std::chrono::milliseconds{20}}, control_{std::move(control)} {}

  void handle_info(Tick) {
    tick_again();
    constexpr std::size_t k_piece = std::size_t{1} << 18U;
    constexpr std::size_t k_pieces_max = 400;  // 100 MiB, at a budget of 64
    bool any = false;
    for (const auto& [name, pid] : node().global_names()) {
      if (!name.starts_with("sink-") || pid.node == node().id()) continue;
      if (!std::filesystem::exists(control_ + "/flood-" + node_name(pid.node))) continue;
      any = true;
      for (int piece = 0; piece < 8 && sent_ < k_pieces_max; ++piece, ++sent_) {
        context().send(pid, Flood{std::string(k_piece, 'x')});
      }
    }
    if (!any) sent_ = 0;
  }

 private:
  std::string control_;
  std::size_t sent_ = 0;  // pieces of this flood
};

}  // namespace chaos

GROVE_MESSAGE(chaos::Numbered, "chaos.numbered", from, to, row, number, ballast)
GROVE_MESSAGE(chaos::Flood, "chaos.flood", ballast)
