// SPDX-License-Identifier: Apache-2.0
//
// Where the cluster's secret comes from: a file or the environment, never the command line, which
// every user of the machine can read.
#pragma once

#include "grove/core/result.hpp"
#include "grove/transport/cookie.hpp"

#include <string>

namespace grove::cli {

struct FoundCookie {
  transport::Cookie cookie;  // empty: none is set
  bool is_short = false;     // who has recorded the network could guess it
};

/// The first line of `file` or of $GROVE_COOKIE_FILE, else $GROVE_COOKIE. What has been read is
/// wiped, from the environment too: programs that this one starts do not inherit it.
/// Errors: io, refused (others may read or change the file).
[[nodiscard]] Result<FoundCookie> find_cookie(const std::string& file);

/// `grove keygen`: a fresh cookie on stdout, or in a new file of mode 0400. Returns: the exit code.
int keygen(const std::string& path);

}  // namespace grove::cli
