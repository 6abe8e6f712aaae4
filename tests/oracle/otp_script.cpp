// SPDX-License-Identifier: Apache-2.0
//
// otp_script: runs the oracle's scripts on Grove and prints what real OTP prints for them.
//
//   otp_script SCRIPT...                  logs to stdout
//   otp_script --dir DIR --out OUT        DIR/*.script -> OUT/*.log
//   ... --seed N                          one thread, a random order of processes
//   ... --threads N                       N workers at the same time
#include "driver.hpp"

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

struct Options {
  std::vector<fs::path> scripts;
  fs::path dir;
  fs::path out;
  std::optional<std::uint64_t> seed;
  unsigned threads = 0;
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

/// Returns: whether the script went through to its end.
bool run(const fs::path& script, const Options& options) {
  std::ifstream file{script};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) {
    std::cerr << "otp_script: cannot read " << script << '\n';
    return false;
  }
  const std::unique_ptr<Engine> engine = make_engine(options);
  const grove::oracle::Outcome outcome = grove::oracle::run_script(text.str(), *engine);
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
  CLI11_PARSE(app, argc, argv);

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
