// SPDX-License-Identifier: Apache-2.0
#include "bench/bench.hpp"

#include "support/resident_bytes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <stdexcept>

namespace grove::bench {

std::vector<Measurement> on_two_and_one(
    const std::string& name, std::function<std::vector<Figure>(const Measurement&)> run) {
  return {{name, 2, run}, {name + ".1c", 1, run}};
}

std::uint64_t scaled(std::uint64_t size, std::uint64_t least) {
  const char* text = std::getenv("GROVE_BENCH_SCALE");
  const double scale = text != nullptr && *text != '\0' ? std::stod(text) : 1.0;
  const auto result = static_cast<std::uint64_t>(std::llround(static_cast<double>(size) * scale));
  return std::max(result, least);
}

double percentile(std::vector<double> samples, double fraction) {
  const double rank = std::ceil(fraction * static_cast<double>(samples.size()));
  const auto index = std::max<std::size_t>(static_cast<std::size_t>(rank), 1) - 1;
  std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(index),
                   samples.end());
  return samples.at(index);
}

double cpu_seconds(pid_t process) {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(process, &clock) != 0 || ::clock_gettime(clock, &used) != 0) {
    throw std::runtime_error{"no CPU time of a process"};
  }
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

double resident_bytes() { return static_cast<double>(testkit::resident_bytes()); }

double peak_resident_mb(pid_t process) {
  std::ifstream file{"/proc/" + std::to_string(process) + "/status"};
  for (std::string word; file >> word;) {
    double kibibytes = 0;
    if (word == "VmHWM:" && file >> kibibytes) return kibibytes * 1024 / 1e6;
  }
  throw std::runtime_error{"no memory figure of a process"};
}

}  // namespace grove::bench
