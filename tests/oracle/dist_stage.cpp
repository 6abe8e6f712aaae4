// SPDX-License-Identifier: Apache-2.0
#include "dist_stage.hpp"

#include "dist_node.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/wait.h>
#include <utility>
#include <vector>

extern char** environ;

namespace grove::oracle {
namespace {

constexpr int k_looks = 20'000;  // a millisecond apart: SPEC.md, section 3

/// This program once more, with `words` and with `socket` as the file k_control_file.
pid_t start_program(std::vector<std::string> words, int socket) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, socket, k_control_file);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", &files, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (error != 0) throw std::runtime_error{std::string{"cannot start a node: "} + strerror(error)};
  return pid;
}

}  // namespace

DistStage::~DistStage() {
  for (const auto& [name, program] : programs_) {
    ::kill(program.pid, SIGKILL);
    waitpid(program.pid, nullptr, 0);
  }
}

std::string DistStage::start_node(const std::string& name) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::runtime_error{"no socket"};
  }
  Channel ours{ends[0]};
  const Channel theirs{ends[1]};
  const pid_t pid =
      start_program({"otp_script", "--node", name, "--threads", std::to_string(threads_)}, ends[1]);
  programs_.emplace(name, Program{pid, std::move(ours)});
  return hear(name).get<Listening>()->address;
}

Message DistStage::hear(const std::string& name) {
  std::optional<Message> message = programs_.at(name).channel.receive();
  if (!message) throw std::runtime_error{name + " has ended by itself"};
  return std::move(*message);
}

void DistStage::reap(const std::string& name) {
  waitpid(programs_.at(name).pid, nullptr, 0);
  programs_.erase(name);
}

void DistStage::kill_node(const std::string& name) {
  ::kill(programs_.at(name).pid, SIGKILL);
  reap(name);
}

void DistStage::stop_node(const std::string& name) {
  ask(name, Message::make<EndNode>());
  reap(name);
}

Message DistStage::ask(const std::string& node, Message request) {
  programs_.at(node).channel.send(request);
  return hear(node);
}

bool DistStage::wait_until(const std::function<bool()>& done) {
  for (int look = 0; look < k_looks; ++look) {
    if (done()) return true;
    poll(nullptr, 0, 1);
  }
  return false;
}

/// At the same time.
template <class Answer, class Request>
std::map<std::string, Answer> DistStage::ask_all() {
  for (auto& [name, program] : programs_) program.channel.send(Message::make<Request>());
  std::map<std::string, Answer> answers;
  for (const auto& [name, program] : programs_) {
    const Message answer = hear(name);
    answers.emplace(name, *answer.get<Answer>());
  }
  return answers;
}

/// Quiet is: nothing runs anywhere; a round trip over each connection brings up whatever was on its
/// way; and nothing has run anywhere since.
bool DistStage::settle() {
  std::map<std::string, std::uint64_t> before;
  for (int look = 0; look < k_looks; ++look) {
    std::map<std::string, std::uint64_t> turns;
    for (const auto& [name, still] : ask_all<Stillness, AwaitQuiet>()) {
      if (!still.quiet) return false;
      turns[name] = still.turns;
    }
    if (look > 0 && turns == before) return true;
    before = std::move(turns);
    ask_all<Done, FlushSessions>();
  }
  return false;
}

}  // namespace grove::oracle
