// SPDX-License-Identifier: Apache-2.0
#include "grove/run.hpp"

#include "admin_client.hpp"
#include "node_runner.hpp"
#include "settings.hpp"

#include <nlohmann/json.hpp>

#include <iostream>

namespace grove {

int run(int argc, char** argv, App app) {
  const cli::Parsed parsed = cli::parse(argc, argv, app);
  if (parsed.exit_code >= 0) return parsed.exit_code;
  const cli::Settings& settings = parsed.settings;
  if (settings.verb == "run") return cli::run_node(settings, app);
  const auto answer = cli::ask(settings);
  if (answer) return cli::print(settings, *answer);
  if (settings.json) {
    std::cout << nlohmann::json{{"schema_version", 1}, {"error", answer.error().detail}}.dump()
              << '\n';
  }
  std::cerr << "grove: " << answer.error().detail << '\n';
  if (settings.verb == "health") return cli::k_no;
  return answer.error().code == Errc::bad_argument ? cli::k_usage : cli::k_unavailable;
}

}  // namespace grove
