// SPDX-License-Identifier: Apache-2.0
#include "grove/run.hpp"

#include "admin_client.hpp"
#include "cookie_source.hpp"
#include "node_runner.hpp"
#include "settings.hpp"

#include <nlohmann/json.hpp>

#include <iostream>

namespace grove {
namespace {

/// A script would take nothing for an answer. Health is told by the code alone.
int delivered(const cli::Settings& settings, int code) {
  std::cout.flush();
  if (std::cout || code != cli::k_ok || settings.verb == "health") return code;
  return cli::complain(false, cli::k_unavailable, "cannot write the answer to stdout");
}

}  // namespace

int run(int argc, char** argv, App app) {
  const cli::Parsed parsed = cli::parse(argc, argv, app);
  if (parsed.exit_code >= 0) return parsed.exit_code;
  const cli::Settings& settings = parsed.settings;
  if (settings.verb == "run") return cli::run_node(settings, app);
  if (settings.verb == "keygen") return cli::keygen(settings.out);
  const auto answer = cli::ask(settings);
  if (answer) return delivered(settings, cli::print(settings, *answer));
  const auto code_of = [](Errc error) {
    if (error == Errc::bad_argument) return cli::k_usage;
    return error == Errc::timeout ? cli::k_try_again : cli::k_unavailable;
  };
  const int code = settings.verb == "health" ? cli::k_no : code_of(answer.error().code);
  return cli::complain(settings.json, code, answer.error().detail);
}

}  // namespace grove
