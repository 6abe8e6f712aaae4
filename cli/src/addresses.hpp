// SPDX-License-Identifier: Apache-2.0
//
// The addresses of a command line: what they mean, once defaults are filled in.
#pragma once

#include "settings.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grove::cli {

struct Addresses {
  std::string listen;
  std::string advertise;  // port 0: the one bound
  std::vector<std::string> join;
  std::string local_path;  // beside the admin socket; empty: too long, or listen is one
};

/// Errors: bad_address, which names the flag.
[[nodiscard]] Result<Addresses> find_addresses(const Settings& settings);

/// An address to dial, with the default port if it names none. Errors: bad_address.
[[nodiscard]] Result<std::string> dialled(std::string_view text, std::uint16_t port);

/// $GROVE_PORT, the port of addresses that name none. Errors: bad_address.
[[nodiscard]] Result<std::uint16_t> default_port();

}  // namespace grove::cli
