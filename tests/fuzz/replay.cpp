// SPDX-License-Identifier: Apache-2.0
//
// Runs every target over its corpus, without a fuzzer: `fuzz_replay CORPUS`.
#include "targets.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (argc != 2) {
    std::fputs("usage: fuzz_replay CORPUS\n", stderr);
    return 64;
  }
  for (const auto& [name, run] : grove::fuzz::k_targets) {
    int files = 0;
    for (const auto& entry : fs::directory_iterator{fs::path{argv[1]} / name}) {
      std::printf("%s\n", entry.path().c_str());  // the last one named is the one that fails
      std::fflush(stdout);
      std::ifstream file{entry.path(), std::ios::binary};
      const std::string text{std::istreambuf_iterator<char>{file}, {}};
      // In memory of just that size: a sanitizer sees a read past its end.
      const std::vector<char> exact(text.begin(), text.end());
      run(std::as_bytes(std::span{exact}));
      ++files;
    }
    if (files == 0) {
      std::fprintf(stderr, "no corpus for %s\n", std::string{name}.c_str());
      return 1;
    }
  }
  return 0;
}
