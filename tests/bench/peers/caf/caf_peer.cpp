// SPDX-License-Identifier: Apache-2.0
//
// CAF's side of Grove's benchmark rows.
//
//     caf_peer ROW | --version
//
// prints "ROW[.FIGURE]SUFFIX caf VALUE UNIT" and exits with 0 if all went well: the plain figures
// from a fresh process with two workers, those ending in .1c from one with one worker on CPU 0.
// Each is one measurement after a warm-up of a tenth of its size; GROVE_BENCH_SCALE multiplies the
// sizes. The programs do what Grove's and Erlang's of the same name do.
//
// Written for CAF 0.17, which is what Debian has; timers cannot be cancelled there.
#include "bench/peers/caf/caf_peer.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using grove::bench::Figure;
using grove::bench::Program;

constexpr unsigned k_time_limit_seconds = 180;

std::vector<Figure> run(const Program& program, unsigned workers) {
  const auto configure = [&](caf::actor_system_config& config) {
    config.set("scheduler.max-threads", workers);
    if (program.peers > 0) grove::bench::join_others(config);
  };
  std::vector<grove::bench::PeerProcess> processes;
  while (processes.size() < program.peers) processes.push_back(grove::bench::start_peer(configure));
  caf::actor_system_config config;
  configure(config);
  // Never destroyed: that would wait for every actor.
  caf::actor_system& system = *new caf::actor_system{config};
  if (program.peers == 0) return program.run(system);
  std::vector<grove::bench::Peer> peers;
  for (const auto& process : processes) peers.push_back(grove::bench::meet(system, process));
  return program.run_with_peers(system, peers);
}

/// Measures in this process and ends it: whatever is still armed or idle goes with it.
[[noreturn]] void measure(const Program& program, unsigned workers) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::alarm(k_time_limit_seconds);
  const char* suffix = "";
  if (workers == 1) {
    suffix = ".1c";
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    if (::sched_setaffinity(0, sizeof cpus, &cpus) < 0) std::perror("sched_setaffinity");
  }
  int status = 0;
  try {
    for (const Figure& figure : run(program, workers)) {
      std::printf("%s%s%s caf %.*f %s\n", program.row, figure.name.c_str(), suffix,
                  figure.value >= 1000 ? 0 : 3, figure.value, figure.unit.c_str());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "caf_peer: %s: %s\n", program.row, error.what());
    status = 1;
  }
  std::fflush(stdout);
  ::_exit(status);
}

bool measure_in_fresh_process(const Program& program, unsigned workers) {
  const pid_t pid = ::fork();
  if (pid == 0) measure(program, workers);
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return pid > 0 && status == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string wanted = argc == 2 ? argv[1] : "";
  if (wanted == "--version") {
    std::printf("%d.%d.%d\n", CAF_MAJOR_VERSION, CAF_MINOR_VERSION, CAF_PATCH_VERSION);
    return 0;
  }
  for (const auto family : {grove::bench::message_programs, grove::bench::process_programs,
                            grove::bench::time_programs, grove::bench::remote_programs}) {
    for (const Program& program : family()) {
      if (program.row != wanted) continue;
      if (!measure_in_fresh_process(program, 2)) return 1;
      return !program.on_one_core || measure_in_fresh_process(program, 1) ? 0 : 1;
    }
  }
  std::fprintf(stderr, "caf_peer: no such row: %s\n", wanted.c_str());
  return 64;  // EX_USAGE of sysexits.h
}
