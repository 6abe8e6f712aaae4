// SPDX-License-Identifier: Apache-2.0
#include "bench/report.hpp"

#include "bench/systems.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

namespace grove::bench {
namespace {

constexpr const char* k_peers[] = {"erlang", "elixir", "caf", "zmq"};

/// Peers have one form of each row: pingpong.co.1c is compared with pingpong.1c.
std::string without_form(std::string name) {
  for (const std::string_view form : {".co", ".linked", ".curve"}) {
    const auto at = name.find(form);
    const auto end = at + form.size();
    if (at != std::string::npos && (end == name.size() || name[end] == '.')) {
      name.erase(at, form.size());
    }
  }
  return name;
}

/// Rates are to grow, all else is to be small.
bool is_rate(const std::string& unit) { return unit.ends_with("/s"); }
const char* direction(const std::string& unit) { return is_rate(unit) ? "" : " (less is better)"; }

/// Few digits, many units: 38.2 M, 512 k, 43.6.
std::string rounded(double value) {
  if (value >= 1e6) return fmt::format("{:.2f} M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:.0f} k", value / 1e3);
  return fmt::format("{:.{}f}", value, value >= 100 ? 0 : 2);
}

}  // namespace

void Report::add(const Row& row, const Figure& figure, const std::string& system) {
  const auto place = std::find_if(series_.begin(), series_.end(), [&](const Series& series) {
    return series.name == figure.name && series.system == system;
  });
  if (place != series_.end()) {
    place->values.push_back(figure.value);
  } else {
    series_.push_back({&row, figure.name, system, figure.unit, {figure.value}});
  }
}

double Report::Series::median() const {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const Report::Series* Report::counterpart(const std::string& name, const std::string& peer) const {
  for (const std::string& wanted : {name, without_form(name)}) {
    for (const Series& series : series_) {
      if (series.name == wanted && series.system == peer) return &series;
    }
  }
  return nullptr;
}

void Report::print_lines() const {
  for (const Series& series : series_) {
    std::puts(line({series.name, series.median(), series.unit}, series.system).c_str());
  }
}

void Report::print_ratios() const {
  for (const Series& series : series_) {
    if (series.system != "grove") continue;
    for (const char* peer : k_peers) {
      if (const Series* other = counterpart(series.name, peer)) {
        fmt::print("{} grove/{} {:.3g} ratio{}\n", series.name, peer,
                   series.median() / other->median(), direction(series.unit));
      }
    }
  }
}

void Report::print_markdown() const {
  std::string section;
  for (const Series& series : series_) {
    if (std::exchange(section, series.row->section) != series.row->section) {
      fmt::print(
          "\n## {}\n\n| row | system | median | min–max | ratio | wanted |\n"
          "| --- | --- | --- | --- | --- | --- |\n",
          section);
    }
    print_markdown(series);
  }
}

void Report::print_markdown(const Series& series) const {
  std::string ratios;
  std::string wanted;
  if (series.system == "grove") {
    for (const char* peer : k_peers) {
      const Series* other = counterpart(series.name, peer);
      if (other == nullptr) continue;
      ratios += fmt::format("{}{:.3g} x {}", ratios.empty() ? "" : ", ",
                            series.median() / other->median(), peer);
    }
    if (!ratios.empty()) ratios += direction(series.unit);
    for (const Target& target : series.row->targets) {
      if (target.figure != series.name) continue;
      wanted += fmt::format("{}{} {:.3g} x {}", wanted.empty() ? "" : ", ",
                            is_rate(series.unit) ? "≥" : "≤", target.ratio, target.peer);
    }
  }
  const auto [least, most] = std::minmax_element(series.values.begin(), series.values.end());
  fmt::print("| {} | {} | {} {} | {}–{} | {} | {} |\n", series.name, series.system,
             rounded(series.median()), series.unit, rounded(*least), rounded(*most), ratios,
             wanted);
}

}  // namespace grove::bench
