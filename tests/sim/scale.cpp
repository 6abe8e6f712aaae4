// SPDX-License-Identifier: Apache-2.0
#include "scale.hpp"

#include "grove/testkit/sim_world.hpp"

#include "support/resident_bytes.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <iomanip>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>

namespace grove::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testkit::SimWorld;

constexpr unsigned k_first_names = 1000;  // what comes and goes with these is there then
constexpr unsigned k_names = 5000;
constexpr auto k_idle = seconds{10};
constexpr auto k_patience = seconds{120};

struct Row {
  unsigned nodes = 0;
  double connected_ms = 0;
  double agreed_ms = 0;
  double killed_ms = 0;
  double silent_s = 0;
  double removed_s = 0;
  double bytes_per_s = 0;  // of each node, idle
  double name_ms = 0;
  double name_bytes = 0;
};

Task<> forever(Context& context) {
  for (;;) co_await context.receive_any();
}

class Growth {
 public:
  explicit Growth(unsigned nodes) : nodes_{nodes} { row_.nodes = nodes; }

  Row measure() {
    for (unsigned i = 1; i <= nodes_; ++i) world_.add_node(name(i));
    const double connected =
        until("connects", milliseconds{1}, [&] { return world_.all_connected(); });
    const double agreed = until("agrees", milliseconds{1}, [&] {
      return all([&](const std::string& by) { return members(by, Member::State::up) == nodes_; });
    });
    row_.connected_ms = 1000 * connected;
    row_.agreed_ms = 1000 * (connected + agreed);
    idle();
    names();
    row_.killed_ms = 1000 * death([&] { world_.kill(name(2)); }, name(2));
    row_.silent_s = death([&] { world_.power_off(name(3)); }, name(3));
    row_.removed_s =
        row_.silent_s + until("removes a member", milliseconds{100}, [&] {
          return all([&](const std::string& by) { return members(by, Member::State::down) == 2; });
        });
    return row_;
  }

 private:
  static std::string name(unsigned number) { return "n" + std::to_string(number); }

  /// Returns: the virtual time that it takes. Units: seconds.
  double until(const char* what, Clock::Duration step, const std::function<bool()>& done) {
    const Clock::TimePoint began = world_.clock().now();
    while (!done()) {
      if (world_.clock().now() - began > k_patience) {
        throw std::runtime_error{"a cluster of " + std::to_string(nodes_) + " never " + what};
      }
      world_.run_for(step);
    }
    return std::chrono::duration<double>{world_.clock().now() - began}.count();
  }
  bool all(const std::function<bool(const std::string&)>& fulfils) {
    const std::vector<std::string> names = world_.names();
    return std::all_of(names.begin(), names.end(), fulfils);
  }
  std::size_t members(const std::string& by, Member::State state) {
    const std::vector<Member> seen = world_.members(by);
    return static_cast<std::size_t>(std::count_if(
        seen.begin(), seen.end(), [&](const Member& member) { return member.state == state; }));
  }
  std::uint64_t bytes() {
    std::uint64_t sum = 0;
    for (const std::string& one : world_.names()) sum += world_.bytes_sent(one);
    return sum;
  }

  void idle() {
    world_.run_for(k_idle);  // news of the joining die out
    const std::uint64_t before = bytes();
    world_.run_for(k_idle);
    const double seconds_idle = std::chrono::duration<double>{k_idle}.count();
    row_.bytes_per_s = static_cast<double>(bytes() - before) / nodes_ / seconds_idle;
  }

  void names() {
    Node& first = world_[name(1)].node();
    std::vector<Pid> pids;
    for (unsigned i = 0; i < k_names; ++i) pids.push_back(first.spawn(forever));
    world_.settle();
    row_.name_ms = 1000 * give_names(pids, 0, 1);
    give_names(pids, 1, k_first_names);
    const auto before = static_cast<double>(testkit::resident_bytes());
    give_names(pids, k_first_names, k_names);
    row_.name_bytes = (static_cast<double>(testkit::resident_bytes()) - before) /
                      (k_names - k_first_names) / nodes_;
  }
  /// To processes of the first node. Returns: how long it takes until all know them. Units:
  /// seconds.
  double give_names(const std::vector<Pid>& pids, unsigned from, unsigned to) {
    const auto text = [](unsigned number) { return "name-" + std::to_string(number); };
    for (unsigned i = from; i < to; ++i) {
      (void)world_[name(1)].node().register_name(text(i), pids[i], Scope::cluster);
      world_.settle();
    }
    return until("knows its names", std::chrono::microseconds{100}, [&] {
      return all([&](const std::string& by) {
        const Node& node = world_[by].node();
        return node.whereis(text(to - 1), Scope::cluster) && node.global_names().size() == to;
      });
    });
  }

  /// Returns: when the last DOWN of the node's process is there. Units: seconds.
  double death(const std::function<void()>& end, const std::string& of) {
    const Pid target = world_[of].node().spawn(forever);
    const auto downs = std::make_shared<std::size_t>(0);
    std::size_t wanted = 0;
    for (const std::string& by : world_.names()) {
      if (by == of) continue;
      ++wanted;
      world_[by].node().spawn([target, downs](Context& context) -> Task<> {
        context.monitor(target);
        (void)co_await context.receive<Down>();
        ++*downs;
      });
    }
    world_.run_for(milliseconds{100});
    end();
    return until("hears of a death", std::chrono::microseconds{100},
                 [&] { return *downs == wanted; });
  }

  unsigned nodes_;
  SimWorld world_{1};
  Row row_;
};

struct Column {
  const char* title;
  const char* file;
  double Row::*value;
};
constexpr Column k_columns[] = {
    {"all have sessions, ms", "connect", &Row::connected_ms},
    {"all agree on members, ms", nullptr, &Row::agreed_ms},
    {"kill to last DOWN, ms", nullptr, &Row::killed_ms},
    {"silence to last DOWN, s", nullptr, &Row::silent_s},
    {"silence to removed by all, s", "removed", &Row::removed_s},
    {"bytes a second and node, idle", "bytes", &Row::bytes_per_s},
    {"a name is known to all, ms", nullptr, &Row::name_ms},
    {"bytes a name and node", "names", &Row::name_bytes},
};

std::string number(double value) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(value < 100 ? 1 : 0) << value;
  return text.str();
}

std::string table(const std::vector<Row>& rows) {
  std::string text = "| nodes |";
  std::string line = "\n| --- |";
  for (const Column& column : k_columns) {
    text += std::string{" "} + column.title + " |";
    line += " --- |";
  }
  text += line + '\n';
  for (const Row& row : rows) {
    text += "| " + std::to_string(row.nodes) + " |";
    for (const Column& column : k_columns) text += ' ' + number(row.*column.value) + " |";
    text += '\n';
  }
  return text;
}

/// Nodes on a logarithmic axis to the right, the value upwards from zero.
std::string plot(const std::vector<Row>& rows, const Column& column) {
  constexpr double k_width = 480;
  constexpr double k_height = 240;
  constexpr double k_margin = 40;
  double most = 0;
  for (const Row& row : rows) most = std::max(most, row.*column.value);
  const double left = std::log(rows.front().nodes);
  const double span = std::max(std::log(rows.back().nodes) - left, 1e-9);
  std::ostringstream svg;
  svg << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << k_width + 2 * k_margin
      << "\" height=\"" << k_height + 2 * k_margin << "\" font-family=\"sans-serif\" "
      << "font-size=\"12\">\n<text x=\"" << k_margin << "\" y=\"20\">" << column.title
      << "</text>\n";
  std::string points;
  for (const Row& row : rows) {
    const double x = k_margin + k_width * (std::log(row.nodes) - left) / span;
    const double y = k_margin + k_height * (1 - row.*column.value / std::max(most, 1e-9));
    points += number(x) + ',' + number(y) + ' ';
    svg << "<circle cx=\"" << x << "\" cy=\"" << y << "\" r=\"3\"/>\n<text x=\"" << x << "\" y=\""
        << y - 8 << "\" text-anchor=\"middle\">" << number(row.*column.value)
        << "</text>\n<text x=\"" << x << "\" y=\"" << k_height + 1.5 * k_margin
        << "\" text-anchor=\"middle\">" << row.nodes << "</text>\n";
  }
  svg << "<polyline points=\"" << points << "\" fill=\"none\" stroke=\"black\"/>\n</svg>\n";
  return svg.str();
}

void write(const std::string& path, const std::string& text) {
  std::ofstream file{path};
  file << text;
  file.close();
  if (!file) throw std::runtime_error{"cannot write " + path};
}

constexpr const char* k_intro = R"(# How a cluster grows

Made by `./dev sim --report`: whole clusters on virtual time ([testing.md](testing.md)), all with a
session to each other, over a network with a delay of 50 to 350 us. All nodes start at once and know
one of them. Times are virtual, so they are the same on any machine, and are of the protocol alone:
a real machine adds what its work takes. Memory is what the
program has resident more with 4,000 names than before; that is of the machine.

)";

}  // namespace

void report_scale(const std::string& folder, const std::vector<unsigned>& sizes) {
  const std::string page_file = folder + "/scale.md";
  if (!std::ofstream{page_file, std::ios::app}) {  // for it takes long to come to that
    throw std::runtime_error{"cannot write " + page_file};
  }
  std::vector<Row> rows;
  for (const unsigned nodes : sizes) {
    std::cerr << nodes << " nodes ...\n";
    rows.push_back(Growth{nodes}.measure());
  }
  std::string page = k_intro + table(rows);
  for (const Column& column : k_columns) {
    if (column.file == nullptr) continue;
    const std::string file = std::string{"scale_"} + column.file + ".svg";
    write(folder + '/' + file, plot(rows, column));
    page += std::string{"\n!["} + column.title + "](" + file + ")\n";
  }
  write(page_file, page);
}

}  // namespace grove::sim
