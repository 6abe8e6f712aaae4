// SPDX-License-Identifier: Apache-2.0
//
// Settings: what the command line, the environment and the defaults come to, in that order.
#pragma once

#include "grove/core/log.hpp"
#include "grove/core/result.hpp"
#include "grove/run.hpp"

#include <string>
#include <vector>

namespace grove::cli {

/// Of sysexits.h, by the names used in messages.
enum ExitCode : int {
  k_ok = 0,
  k_no = 1,
  k_usage = 64,
  k_data = 65,
  k_unavailable = 69,
  k_internal = 70,
  k_try_again = 75,
  k_config = 78,
};

struct Settings {
  std::string verb;
  std::vector<std::string> args;  // of the verb
  bool json = false;
  std::string node;  // which running node to ask; empty: the only one
  std::string run_dir;
  bool live = false;    // health
  bool forget = false;  // join
  std::string out;      // keygen

  // run
  std::string name;
  bool name_is_given = false;  // by the flag or the environment
  std::string listen;
  std::string advertise;
  std::vector<std::string> join;
  std::string seeds_file;
  std::vector<std::string> roles;
  std::vector<std::string> meta;  // KEY=VALUE each
  std::string partition;          // a policy's name
  std::string minority;           // what to do in one: stay, stop
  unsigned stable_after = 20;     // seconds, before the policy is asked
  unsigned peer_budget = 64;      // MiB
  std::string when_busy;          // and what then: suspend, fail, drop
  std::string cluster;
  std::string cookie_file;
  LogLevel log_level = LogLevel::info;
  unsigned workers = 0;
};

/// Of the admin socket's path; the system's own limit is a little more.
inline constexpr std::size_t k_socket_path_max = 100;
/// Of one line to a node.
inline constexpr std::size_t k_request_bytes_max = std::size_t{64} * 1024;

struct Parsed {
  Settings settings;
  int exit_code = -1;  // 0 or more: the parser has said all there is to say
};
[[nodiscard]] Parsed parse(int argc, char** argv, const App& app);

/// Says on stderr why there is no answer, with `json` on stdout too. Returns: `code`.
int complain(bool json, int code, const std::string& why);

/// Makes the directory of the admin sockets, for this user only, if there is none.
/// Errors: io, refused (another user's: who owns it could answer in a node's place).
[[nodiscard]] Result<void> make_run_dir(const std::string& dir);
[[nodiscard]] std::string socket_path(const std::string& run_dir, const std::string& node);

}  // namespace grove::cli
