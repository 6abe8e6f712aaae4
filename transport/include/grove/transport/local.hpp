// SPDX-License-Identifier: Apache-2.0
//
// Where nodes of the same machine reach each other: a socket file, told in the handshake together
// with the machine it is on.
#pragma once

#include <optional>
#include <string>

namespace grove::transport {

/// This machine, until it boots again: the same in each of its containers, another one on each
/// virtual machine. Empty: the system does not say.
[[nodiscard]] std::string this_machine();

/// The `local` of a handshake: MACHINE:PATH. Empty when either is.
[[nodiscard]] std::string local_text(const std::string& machine, const std::string& path);
/// Returns: the address to dial for a peer's `local`; nothing when it is on another machine.
[[nodiscard]] std::optional<std::string> local_address(const std::string& local,
                                                       const std::string& machine);

}  // namespace grove::transport
