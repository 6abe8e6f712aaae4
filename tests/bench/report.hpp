// SPDX-License-Identifier: Apache-2.0
//
// Report: gathers the figures of several repetitions and prints medians, ratios and tables.
#pragma once

#include "bench/bench.hpp"

#include <string>
#include <utility>
#include <vector>

namespace grove::bench {

class Report {
 public:
  /// `row` is the figure's, and outlives the report.
  void add(const Row& row, const Figure& figure, const std::string& system);
  /// "row system median unit", in the order first seen.
  void print_lines() const;
  /// "row grove/peer R ratio" for every figure of Grove's that a peer has too; "(less is better)"
  /// follows where the figures are no rates.
  void print_ratios() const;
  /// A table in Markdown for each section of rows, with the targets beside the ratios.
  void print_markdown() const;

 private:
  struct Series {
    const Row* row;
    std::string name;
    std::string system;
    std::string unit;
    std::vector<double> values;
    [[nodiscard]] double median() const;
  };
  /// The series of `peer` that grove's `name` is compared with; null when there is none.
  [[nodiscard]] const Series* counterpart(const std::string& name, const std::string& peer) const;

  void print_markdown(const Series& series) const;

  std::vector<Series> series_;
};

}  // namespace grove::bench
