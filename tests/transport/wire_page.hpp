// SPDX-License-Identifier: Apache-2.0
//
// docs/wire.md as tests read it: its blocks of bytes and its tables of numbers.
#pragma once

#include "grove/transport/frame.hpp"

#include "support/bytes.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace grove::testkit {

struct Block {
  std::string kind;  // frame, term, body, read
  std::string name;
  transport::Buffer bytes;
  std::string meaning;
};
using Row = std::vector<std::string>;

struct Page {
  std::vector<Block> blocks;
  std::map<std::string, std::vector<Row>> tables;  // all rows below a heading, without their heads

  /// Number and name of each row below `heading` that is not reserved.
  [[nodiscard]] std::map<int, std::string> numbers(const std::string& heading) const {
    std::map<int, std::string> found;
    const auto table = tables.find(heading);
    EXPECT_NE(table, tables.end()) << heading;
    if (table == tables.end()) return found;
    for (const Row& row : table->second) {
      if (row.back().find("(reserved)") != std::string::npos) continue;
      EXPECT_TRUE(found.emplace(std::stoi(row.at(0)), row.at(1)).second) << row.at(0);
    }
    return found;
  }
};

[[nodiscard]] inline std::string trimmed(std::string text) {
  text.erase(0, text.find_first_not_of(" `"));
  text.erase(text.find_last_not_of(" `") + 1);
  return text;
}
[[nodiscard]] inline Row cells_of(const std::string& line) {
  Row cells;
  std::istringstream in{line.substr(1)};
  for (std::string cell; std::getline(in, cell, '|');) cells.push_back(trimmed(std::move(cell)));
  return cells;
}

[[nodiscard]] inline Page read_page() {
  std::ifstream file{GROVE_SOURCES "/docs/wire.md"};
  Page page;
  std::string heading;
  bool in_block = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("```hex ")) {
      std::istringstream words{line.substr(7)};
      Block block;
      words >> block.kind >> block.name;
      page.blocks.push_back(std::move(block));
      in_block = true;
    } else if (line == "```") {
      in_block = false;
    } else if (in_block && line.starts_with("= ")) {
      std::string& meaning = page.blocks.back().meaning;
      meaning += (meaning.empty() ? "" : "\n") + line.substr(2);
    } else if (in_block) {
      const transport::Buffer bytes = hex(line.substr(0, line.find('#')));
      transport::Buffer& all = page.blocks.back().bytes;
      all.insert(all.end(), bytes.begin(), bytes.end());
    } else if (line.starts_with("#")) {
      heading = line.substr(line.find(' ') + 1);
    } else if (line.starts_with("| ") &&
               std::isdigit(static_cast<unsigned char>(trimmed(line.substr(1))[0])) != 0) {
      page.tables[heading].push_back(cells_of(line));
    }
  }
  return page;
}

}  // namespace grove::testkit
