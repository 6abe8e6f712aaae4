// SPDX-License-Identifier: Apache-2.0
//
// SeedsFile: addresses to join, one a line, in a file that may change while the node runs.
//
//   # of the west
//   a@10.0.0.1
//   seeds.example:7400   # each node that the name stands for
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/log.hpp"
#include "grove/core/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grove::cluster {

/// The addresses in `text`, as sessions call them, each once. Errors: bad_address (says which
/// line).
[[nodiscard]] Result<std::vector<std::string>> parse_seeds(std::string_view text,
                                                           std::uint16_t port);

class SeedsFile {
 public:
  static constexpr std::size_t k_bytes_max = std::size_t{64} << 10U;
  static constexpr Clock::Duration k_look = std::chrono::seconds{2};

  /// Without a path it has nothing to say.
  SeedsFile(std::string path, std::uint16_t port) : path_{std::move(path)}, port_{port} {}

  /// What the file says now; nothing when that is what it said last, right or wrong.
  /// Errors: io (no such file, or longer than k_bytes_max), bad_address.
  /// Blocks: as long as the file's disk. Cost: the whole file is read.
  [[nodiscard]] std::optional<Result<std::vector<std::string>>> read();
  /// The same, at most every k_look; what is wrong is said to `log`, and nothing is returned.
  [[nodiscard]] std::optional<std::vector<std::string>> look(Clock::TimePoint now, Log& log);

 private:
  const std::string path_;
  const std::uint16_t port_;
  std::optional<std::string> last_;  // the text, or why there was none
  Clock::TimePoint next_look_{};
};

}  // namespace grove::cluster
