// SPDX-License-Identifier: Apache-2.0
#include "grove/run.hpp"

#include "admin_client.hpp"
#include "cookie_source.hpp"
#include "node_runner.hpp"
#include "settings.hpp"

#include <nlohmann/json.hpp>

namespace grove {

int run(int argc, char** argv, App app) {
  const cli::Parsed parsed = cli::parse(argc, argv, app);
  if (parsed.exit_code >= 0) return parsed.exit_code;
  const cli::Settings& settings = parsed.settings;
  if (settings.verb == "run") return cli::run_node(settings, app);
  if (settings.verb == "keygen") return cli::keygen(settings.out);
  const auto answer = cli::ask(settings);
  if (answer) return cli::print(settings, *answer);
  const auto code_of = [](Errc error) {
    if (error == Errc::bad_argument) return cli::k_usage;
    return error == Errc::timeout ? cli::k_try_again : cli::k_unavailable;
  };
  const int code = settings.verb == "health" ? cli::k_no : code_of(answer.error().code);
  return cli::complain(settings.json, code, answer.error().detail);
}

}  // namespace grove
