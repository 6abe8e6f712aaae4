// SPDX-License-Identifier: Apache-2.0
//
// The transcripts in the tree, line by line.
#pragma once

#include "support/bytes.hpp"
#include "transport/transcript.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grove::testkit {

struct Line {
  char mark;  // n for a node's first
  Step step;
  std::string meaning;
  int number;
};
[[nodiscard]] inline bool has_frame(std::string_view words) {
  return words.starts_with("frame ") || words.starts_with("send ") || words.starts_with("answer ");
}
/// Takes the last of the words, which is bytes.
[[nodiscard]] inline transport::Buffer take_bytes(std::string& words) {
  const auto at = words.rfind(' ');
  transport::Buffer bytes = hex(std::string_view{words}.substr(at));
  words.resize(at);
  return bytes;
}

/// The lines of a transcript, without its remarks.
[[nodiscard]] inline std::vector<Line> lines_of(const std::filesystem::path& path) {
  std::ifstream file{path};
  std::vector<Line> lines;
  int number = 0;
  for (std::string text; std::getline(file, text);) {
    ++number;
    if (text.empty() || text[0] == '#') continue;
    if (text[0] == '=') {
      std::string& meaning = lines.back().meaning;
      meaning += (meaning.empty() ? "" : "\n") + text.substr(2);
      continue;
    }
    Line line{text[0], {text.substr(text.find(' ') + 1), {}}, {}, number};
    const bool two_parts = line.step.words.starts_with("parts ");
    if (two_parts) line.step.tail = take_bytes(line.step.words);
    if (two_parts || has_frame(line.step.words)) line.step.frame = take_bytes(line.step.words);
    lines.push_back(std::move(line));
  }
  return lines;
}

[[nodiscard]] inline std::vector<std::filesystem::path> all_transcripts() {
  const std::filesystem::path folder{GROVE_SOURCES "/tests/transport/transcripts"};
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{folder}) {
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace grove::testkit
