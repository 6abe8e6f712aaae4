// SPDX-License-Identifier: Apache-2.0
#include "bench/systems.hpp"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace grove::bench {
namespace {

constexpr unsigned k_time_limit_seconds = 180;

[[noreturn]] void fail_errno(const char* what) {
  throw std::system_error{errno, std::generic_category(), what};
}

std::filesystem::path own_path() { return std::filesystem::read_symlink("/proc/self/exe"); }
std::string zmq_peer() { return own_path().replace_filename("zmq_peer"); }
std::string caf_peer() { return own_path().replace_filename("caf_peer"); }
std::string erlang_peer() { return GROVE_BENCH_SOURCES "/peers/erlang/run.sh"; }
std::string elixir_peer() { return GROVE_BENCH_SOURCES "/peers/elixir/run.sh"; }

bool in_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders{path == nullptr ? "" : path};
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + '/' + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

[[noreturn]] void become(const std::vector<std::string>& command, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  std::perror(arguments[0]);
  ::_exit(127);
}

/// Reads what is there, at most until `enough`. Returns: nothing at the end.
std::string read_some(int descriptor, std::size_t enough) {
  std::string text(enough, '\0');
  for (;;) {
    const ssize_t size = ::read(descriptor, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) fail_errno("read");
    text.resize(static_cast<std::size_t>(size));
    return text;
  }
}

/// Reads lines "row system value unit"; what belongs to another system is a mistake.
std::vector<Figure> parse(const std::string& text, const std::string& system) {
  std::vector<Figure> figures;
  std::istringstream lines{text};
  for (std::string one; std::getline(lines, one);) {
    std::istringstream words{one};
    Figure figure;
    std::string from;
    if (!(words >> figure.name >> from >> figure.value >> figure.unit) || from != system) {
      throw std::runtime_error{system + " printed a line that is no figure: " + one};
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string processor() {
  std::ifstream file{"/proc/cpuinfo"};
  for (std::string one; std::getline(file, one);) {
    if (one.starts_with("model name")) return one.substr(one.find(':') + 2);
  }
  return "unknown processor";
}

}  // namespace

std::string own_program() { return own_path(); }

Child::Child(const std::vector<std::string>& command) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) fail_errno("pipe2");
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) fail_errno("fork");
  if (pid_ == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    become(command, parent);
  }
  ::close(ends[1]);
  output_ = ends[0];
}

Child::~Child() {
  kill();
  wait();
  ::close(output_);
}

std::string Child::read_line() {
  std::string text;
  for (;;) {
    const std::string next = read_some(output_, 1);
    if (next.empty()) throw std::runtime_error{"a program that was started says nothing"};
    if (next == "\n") return text;
    text += next;
  }
}

std::string Child::read_all() {
  std::string text;
  for (;;) {
    const std::string next = read_some(output_, 4096);
    if (next.empty()) return text;
    text += next;
  }
}

void Child::signal(int number) const noexcept {
  if (pid_ > 0) ::kill(pid_, number);
}

int Child::wait() {
  int status = 0;
  while (pid_ > 0 && ::waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) break;
  }
  pid_ = -1;
  return status;
}

std::string output_of(const std::vector<std::string>& command) {
  Child child{command};
  std::string text = child.read_all();
  const int status = child.wait();
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
    throw std::runtime_error{
        fmt::format("{}: not done after {} s", command.back(), k_time_limit_seconds)};
  }
  if (status != 0) throw std::runtime_error{command.front() + ' ' + command.back() + " failed"};
  return text;
}

std::vector<Figure> measure(const Row& row, const std::string& system) {
  if (system == "erlang") return parse(output_of({erlang_peer(), row.name}), system);
  if (system == "elixir") return parse(output_of({elixir_peer(), row.name}), system);
  if (system == "caf") return parse(output_of({caf_peer(), row.name}), system);
  if (system == "zmq") return parse(output_of({zmq_peer(), row.name}), system);
  std::vector<Figure> figures;
  for (const Measurement& measurement : row.measurements) {
    const std::string text = output_of({own_path(), "--measure", measurement.name});
    for (Figure& figure : parse(text, system)) figures.push_back(std::move(figure));
  }
  return figures;
}

void measure_here(const Measurement& measurement) {
  ::alarm(k_time_limit_seconds);
  if (measurement.name.ends_with(".1c")) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    if (::sched_setaffinity(0, sizeof cpus, &cpus) < 0) fail_errno("sched_setaffinity");
  }
  for (const Figure& figure : measurement.run(measurement)) {
    std::puts(line(figure, "grove").c_str());
  }
}

std::optional<std::string> missing(const std::string& system) {
  if (system == "erlang" && !in_path("erl")) return "erl is not in PATH";
  if (system == "elixir" && !in_path("elixir")) return "elixir is not in PATH";
  if (system == "caf" && ::access(caf_peer().c_str(), X_OK) != 0) return "no " + caf_peer();
  if (system == "zmq" && ::access(zmq_peer().c_str(), X_OK) != 0) return "no " + zmq_peer();
  return std::nullopt;
}

std::string describe_machine() {
  utsname system{};
  ::uname(&system);
  std::string text =
      fmt::format("{}, {} CPUs; {} {}; C++ compiler {}", processor(),
                  std::thread::hardware_concurrency(), system.sysname, system.release, __VERSION__);
  if (!missing("erlang")) {
    const std::string release =
        output_of({"erl", "-noshell", "-eval",
                   "io:format(\"~s~n\", [erlang:system_info(otp_release)]), halt()."});
    text += "; Erlang/OTP " + first_line(release);
  }
  if (!missing("caf")) text += "; CAF " + first_line(output_of({caf_peer(), "--version"}));
  return text;
}

std::string line(const Figure& figure, const std::string& system) {
  return fmt::format("{} {} {:.{}f} {}", figure.name, system, figure.value,
                     figure.value >= 1000 ? 0 : 3, figure.unit);
}

}  // namespace grove::bench
