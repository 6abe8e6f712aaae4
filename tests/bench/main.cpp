// SPDX-License-Identifier: Apache-2.0
//
// grove-bench: measures rows with Grove and with the peers that are installed.
#include "bench/bench.hpp"
#include "bench/report.hpp"
#include "bench/systems.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grove::bench {
namespace {

constexpr int k_usage_error = 64;  // EX_USAGE of sysexits.h

constexpr const char* k_usage =
    "usage: grove-bench [--only SYSTEM] [--reps N] [--ratio] [--markdown] ROW...\n"
    "       grove-bench --list\n"
    "\n"
    "Prints lines \"row system value unit\" for Grove and for the peers that are installed, each\n"
    "measured in fresh processes. Without .1c: two workers; with it: one, on CPU 0.\n"
    "  --only SYSTEM   only grove, erlang, elixir, caf or zmq\n"
    "  --reps N        N times, the systems in turn; prints medians\n"
    "  --ratio         prints Grove's figures divided by the peers', too; less is better for some\n"
    "  --markdown      prints tables: row, system, median, min-max, ratio, what it should be\n"
    "  --list          prints the rows\n"
    "Endings of figures: .co coroutines, .linked to a parent, .curve between nodes with a cookie.\n"
    "GROVE_BENCH_SCALE multiplies the sizes of the rows (default 1).\n";

struct Options {
  std::vector<std::string> rows;
  std::string only;
  std::string measure;
  std::string name = "peer";  // of the peer that this process is to be
  std::string wire = "tcp";   // that peer's
  unsigned reps = 1;
  unsigned peer = 0;  // workers of the peer that this process is to be; 0: it is none
  bool ratio = false;
  bool markdown = false;
  bool list = false;
  bool help = false;
};

/// Every family of rows adds its own here.
std::vector<Row> all_rows() {
  std::vector<Row> rows;
  for (const auto family :
       {local_rows, structure_rows, memory_rows, link_rows, timer_rows, stall_rows, supervised_rows,
        registry_rows, remote_rows, remote_death_rows, names_rows}) {
    for (Row& row : family()) rows.push_back(std::move(row));
  }
  return rows;
}

/// Returns: nothing, after a message, when the command line makes no sense.
std::optional<Options> parse(const std::vector<std::string>& arguments) {
  Options options;
  for (auto word = arguments.begin(); word != arguments.end(); ++word) {
    const bool takes_value = *word == "--only" || *word == "--reps" || *word == "--measure" ||
                             *word == "--peer" || *word == "--name" || *word == "--wire";
    if (takes_value && word + 1 == arguments.end()) {
      fmt::print(stderr, "grove-bench: {} needs a value\n", *word);
      return std::nullopt;
    }
    if (*word == "--only") {
      options.only = *++word;
    } else if (*word == "--measure") {
      options.measure = *++word;
    } else if (*word == "--name") {
      options.name = *++word;
    } else if (*word == "--wire") {
      options.wire = *++word;
    } else if (*word == "--reps" || *word == "--peer") {
      unsigned& number = *word == "--reps" ? options.reps : options.peer;
      const std::string& option = *word;
      const std::string& text = *++word;
      const char* const last = text.data() + text.size();
      const auto [end, error] = std::from_chars(text.data(), last, number);
      if (error != std::errc{} || end != last || number == 0) {
        fmt::print(stderr, "grove-bench: {} needs a number from 1 on, not {}\n", option, text);
        return std::nullopt;
      }
    } else if (*word == "--ratio") {
      options.ratio = true;
    } else if (*word == "--markdown") {
      options.markdown = true;
    } else if (*word == "--list") {
      options.list = true;
    } else if (*word == "--help" || *word == "-h") {
      options.help = true;
    } else if (word->starts_with("-")) {
      fmt::print(stderr, "grove-bench: no such option: {}\n", *word);
      return std::nullopt;
    } else {
      options.rows.push_back(*word);
    }
  }
  constexpr std::string_view systems[] = {"", "grove", "erlang", "elixir", "caf", "zmq"};
  if (std::find(std::begin(systems), std::end(systems), options.only) == std::end(systems)) {
    fmt::print(stderr, "grove-bench: no such system: {}\n", options.only);
    return std::nullopt;
  }
  return options;
}

std::vector<std::string> systems_of(const Row& row, const Options& options) {
  std::vector<std::string> systems{"grove"};
  systems.insert(systems.end(), row.peers.begin(), row.peers.end());
  std::erase_if(systems, [&](const std::string& system) {
    if (!options.only.empty() && system != options.only) return true;
    const auto reason = missing(system);
    if (reason) fmt::print(stderr, "{}: no figures for {}: {}\n", row.name, system, *reason);
    return reason.has_value();
  });
  return systems;
}

/// Returns: false when a peer failed; the others' figures are still worth having.
bool run_row(const Row& row, const Options& options, Report& whole) {
  const bool at_once = options.reps == 1 && !options.markdown;
  const std::vector<std::string> systems = systems_of(row, options);
  Report report;
  bool complete = true;
  for (unsigned rep = 0; rep < options.reps; ++rep) {
    for (const std::string& system : systems) {
      std::vector<Figure> figures;
      try {
        figures = measure(row, system);
      } catch (const std::exception& error) {
        if (system == "grove") throw;
        fmt::print(stderr, "{}: no figures for {}: {}\n", row.name, system, error.what());
        complete = false;
      }
      for (const Figure& figure : figures) {
        report.add(row, figure, system);
        whole.add(row, figure, system);
        if (at_once) std::puts(line(figure, system).c_str());
      }
      std::fflush(stdout);
    }
  }
  if (options.markdown) return complete;
  if (!at_once) report.print_lines();
  if (options.ratio) report.print_ratios();
  std::fflush(stdout);
  return complete;
}

const Row* find_row(const std::vector<Row>& rows, const std::string& name) {
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const Row& one) { return one.name == name; });
  return row == rows.end() ? nullptr : &*row;
}

int measure_one(const std::vector<Row>& rows, const std::string& name) {
  for (const Row& row : rows) {
    for (const Measurement& measurement : row.measurements) {
      if (measurement.name != name) continue;
      measure_here(measurement);
      return 0;
    }
  }
  fmt::print(stderr, "grove-bench: no such measurement: {}\n", name);
  return k_usage_error;
}

int run(const std::vector<std::string>& arguments) {
  const auto options = parse(arguments);
  if (!options) return k_usage_error;
  const std::vector<Row> rows = all_rows();
  if (options->help) fmt::print("{}\nRows:\n", k_usage);
  if (options->help || options->list) {
    for (const Row& row : rows) fmt::print("{:<20}{}\n", row.name, row.summary);
    return 0;
  }
  if (options->peer > 0) run_peer(options->peer, options->name, options->wire);
  if (!options->measure.empty()) return measure_one(rows, options->measure);
  if (options->rows.empty()) {
    fmt::print(stderr, "{}", k_usage);
    return k_usage_error;
  }
  for (const std::string& name : options->rows) {
    if (find_row(rows, name) != nullptr) continue;
    fmt::print(stderr, "grove-bench: no such row: {} (see grove-bench --list)\n", name);
    return k_usage_error;
  }
  Report report;
  bool complete = true;
  for (const std::string& name : options->rows) {
    complete &= run_row(*find_row(rows, name), *options, report);
  }
  if (options->markdown) {
    fmt::print("{}\n", describe_machine());
    report.print_markdown();
  }
  return complete ? 0 : 1;
}

}  // namespace
}  // namespace grove::bench

int main(int argc, char** argv) {
  try {
    return grove::bench::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "grove-bench: {}\n", error.what());
    return 1;
  }
}
