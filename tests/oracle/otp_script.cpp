// SPDX-License-Identifier: Apache-2.0
//
// otp_script: runs the oracle's scripts on Grove and prints what real OTP prints for them.
//
//   otp_script SCRIPT...                  logs to stdout
//   otp_script --dir DIR --out OUT        DIR/*.script -> OUT/*.log
//   ... --seed N                          one thread, a random order of processes
//   ... --threads N                       N workers at the same time
//
// A script of several nodes starts a program for each, or, with --seed, simulates them.
#include "dist_node.hpp"
#include "dist_stage.hpp"
#include "driver.hpp"
#include "local_stage.hpp"
#include "sim_stage.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using grove::oracle::Engine;

constexpr unsigned k_node_threads = 2;  // of each node of several

struct Options {
  std::vector<fs::path> scripts;
  fs::path dir;
  fs::path out;
  std::optional<std::uint64_t> seed;
  unsigned threads = 0;
  std::string node;
};

std::vector<fs::path> scripts_in(const fs::path& dir) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator{dir}) {
    if (entry.path().extension() == ".script") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::unique_ptr<Engine> make_engine(const Options& options) {
  if (options.threads > 0) return std::make_unique<grove::oracle::ThreadedEngine>(options.threads);
  return std::make_unique<grove::oracle::SteppedEngine>(options.seed);
}

using grove::oracle::Driver;
using grove::oracle::Outcome;

Outcome run_ops(const std::vector<grove::oracle::Op>& ops, const Options& options) {
  const bool has_nodes = !ops.empty() && ops.front().name() == "node";
  if (has_nodes && options.seed) {
    grove::oracle::SimStage stage{*options.seed};
    return Driver{stage}.run(ops);
  }
  if (has_nodes) {
    grove::oracle::DistStage stage{options.threads > 0 ? options.threads : k_node_threads};
    return Driver{stage}.run(ops);
  }
  const std::unique_ptr<Engine> engine = make_engine(options);
  grove::oracle::LocalStage stage{*engine};
  return Driver{stage}.run(ops);
}

/// Returns: whether the script went through to its end.
bool run(const fs::path& script, const Options& options) {
  std::ifstream file{script};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    std::cerr << "otp_script: cannot read " << script << '\n';
    return false;
  }
  Outcome outcome{true, {}};
  try {
    outcome = run_ops(grove::oracle::parse_script(text.str()), options);
  } catch (const std::exception& error) {
    std::cerr << "otp_script: " << error.what() << '\n';
  }
  if (options.out.empty()) {
    std::cout << outcome.log;
  } else {
    std::ofstream{options.out / script.stem().concat(".log")} << outcome.log;
  }
  if (outcome.failed) std::cerr << "FAILED " << script.string() << '\n';
  return !outcome.failed;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Runs the OTP oracle's scripts (SPEC.md) on Grove."};
  Options options;
  app.add_option("SCRIPT", options.scripts, "scripts to run; their logs go to stdout");
  app.add_option("--dir", options.dir, "run every DIR/*.script")->check(CLI::ExistingDirectory);
  app.add_option("--out", options.out, "write OUT/*.log instead of to stdout");
  auto* seed = app.add_option("--seed", options.seed, "run processes in this seed's random order");
  app.add_option("--threads", options.threads, "run processes on that many real threads")
      ->check(CLI::Range(1, 64))
      ->excludes(seed);
  app.add_option("--node", options.node, "be this node of a script: what otp_script starts itself");
  CLI11_PARSE(app, argc, argv);
  if (!options.node.empty()) return grove::oracle::run_dist_node(options.node, options.threads);

  if (!options.dir.empty()) options.scripts = scripts_in(options.dir);
  if (options.scripts.empty()) {
    std::cerr << "otp_script: no scripts\n";
    return 1;
  }
  if (!options.out.empty()) fs::create_directories(options.out);
  int failed = 0;
  for (const fs::path& script : options.scripts) failed += run(script, options) ? 0 : 1;
  return failed == 0 ? 0 : 1;
}
