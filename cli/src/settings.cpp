// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include "grove/version.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <map>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace grove::cli {
namespace {

std::string from_environment(const char* name, std::string fallback = {}) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : std::move(fallback);
}

std::string default_run_dir() {
  const std::string runtime = from_environment("XDG_RUNTIME_DIR");
  if (!runtime.empty() && access(runtime.c_str(), W_OK) == 0) return runtime + "/grove";
  return "/tmp/grove-" + std::to_string(getuid());
}

std::string default_name() {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  return std::string{"grove@"} + (host[0] != '\0' ? host : "localhost");
}

/// Without slashes behind it: with one a directory would be its own parent.
std::string run_dir() {
  std::string dir = from_environment("GROVE_RUN_DIR", default_run_dir());
  while (dir.size() > 1 && dir.ends_with('/')) dir.pop_back();
  return dir;
}

/// Of a list with commas, without blanks around each.
std::vector<std::string> list_from_environment(const char* name) {
  std::vector<std::string> list;
  std::stringstream text{from_environment(name)};
  for (std::string one; std::getline(text, one, ',');) {
    one.erase(0, one.find_first_not_of(' '));
    one.erase(one.find_last_not_of(' ') + 1);
    if (!one.empty()) list.push_back(one);
  }
  return list;
}

constexpr unsigned k_workers_max = 1024;
constexpr unsigned k_stable_max = 24 * 60 * 60;
constexpr unsigned k_peer_budget_max = 64 * 1024;

/// A sentence for what the parser could not make sense of.
int usage_error(const CLI::App& line, const CLI::ParseError& error, int argc, char** argv) {
  const std::vector<std::string_view> args{argv + std::min(argc, 1), argv + argc};
  const bool json = std::find(args.begin(), args.end(), "--json") != args.end();
  std::string why = error.what();
  std::string help = line.get_name();
  if (const auto verbs = line.get_subcommands(); !verbs.empty()) {
    help += ' ' + verbs.front()->get_name();
  } else if (args.empty()) {
    why = "say what to do";
  } else if (!args.front().starts_with('-')) {
    why = '"' + std::string{args.front()} + "\" is no command";
  }
  return complain(json, k_usage, why + "; see: " + help + " --help");
}

}  // namespace

Parsed parse(int argc, char** argv, const App& app) {
  Parsed parsed;
  Settings& to = parsed.settings;
  std::string program = argc > 0 ? std::filesystem::path{argv[0]}.filename().string() : "grove";
  CLI::App line{"A node of a Grove cluster, and the commands to join and inspect one.", program};
  line.set_version_flag("--version", std::string{version()});
  line.require_subcommand(1);
  line.footer(
      "Environment: GROVE_NAME, GROVE_LISTEN, GROVE_ADVERTISE, GROVE_JOIN (comma "
      "separated), GROVE_PORT,\n  GROVE_SEEDS_FILE, GROVE_ROLES and GROVE_META (comma separated), "
      "GROVE_PARTITION, GROVE_MINORITY,\n  GROVE_CLUSTER, GROVE_COOKIE or GROVE_COOKIE_FILE, "
      "GROVE_RUN_DIR, GROVE_NODE, GROVE_LOG. Flags win over them.\n"
      "Exit codes: 0 yes, 1 no (health), 64 usage, 65 bad data, 69 unavailable, 70 internal, "
      "75 try again,\n  78 configuration.");
  to.run_dir = run_dir();

  CLI::App* run = line.add_subcommand("run", "Start a node and stay with it until it is stopped.");
  to.name_is_given = !from_environment("GROVE_NAME").empty();
  to.name = from_environment("GROVE_NAME", default_name());
  to.listen = from_environment("GROVE_LISTEN", "127.0.0.1:0");
  to.advertise = from_environment("GROVE_ADVERTISE");
  to.cluster = from_environment("GROVE_CLUSTER", "grove");
  std::string log = from_environment("GROVE_LOG", "info");
  to.seeds_file = from_environment("GROVE_SEEDS_FILE");
  to.partition = from_environment("GROVE_PARTITION", "continue");
  to.minority = from_environment("GROVE_MINORITY", "stay");
  to.when_busy = "suspend";
  const CLI::Option* name_flag =
      run->add_option("--name", to.name, "this node's name, [a-z0-9_-]{1,63}(@host)?")
          ->capture_default_str();
  run->add_option("--listen", to.listen,
                  "where other nodes reach it: HOST[:PORT], [IPV6][:PORT], * (every address) or "
                  "ipc:///PATH; port 0 takes a free one, none means 7400 (or GROVE_PORT)")
      ->capture_default_str();
  run->add_option("--advertise", to.advertise,
                  "HOST[:PORT] or ipc:///PATH where others reach it, behind NAT or in a container "
                  "(default: where it listens; no port: the one bound)");
  run->add_option("--join", to.join,
                  "a node to join, tried until it answers: HOST[:PORT], ipc:///PATH, or NODE@HOST "
                  "to join no other node than that; may be given several times; a DNS name may "
                  "stand for several nodes");
  run->add_option(
      "--seeds-file", to.seeds_file,
      "a file of more nodes to join, one a line, # begins a comment; read again when it "
      "changes");
  run->add_option("--role", to.roles,
                  "what this node is for, as all members are told, [a-z0-9_-]{1,63}; may be given "
                  "several times");
  run->add_option("--meta", to.meta,
                  "KEY=VALUE that all members are told of this node; may be given several times");
  run->add_option("--partition", to.partition,
                  "when the network is cut: continue, or keep_majority: half of the nodes or fewer "
                  "are not ready and take no new cluster-wide names; the same on all nodes")
      ->capture_default_str();
  run->add_option("--stable-after", to.stable_after,
                  "seconds that the same nodes must be out of reach before that policy is asked")
      ->check(CLI::Range(1U, k_stable_max))
      ->capture_default_str();
  run->add_option("--minority", to.minority,
                  "what this node does in such a minority: stay, or stop (exit code 75)")
      ->capture_default_str();
  run->add_option("--peer-budget", to.peer_budget,
                  "MiB that are kept for a node that takes less than it is sent")
      ->check(CLI::Range(1U, k_peer_budget_max))
      ->capture_default_str();
  run->add_option("--when-busy", to.when_busy,
                  "what becomes of a message beyond that: suspend its sender, fail in it, or drop")
      ->check(CLI::IsMember({"suspend", "fail", "drop"}))
      ->capture_default_str();
  run->add_option("--cluster", to.cluster, "only nodes of one cluster name talk to each other")
      ->capture_default_str();
  run->add_option("--cookie-file", to.cookie_file,
                  "file of mode 0400 with the secret that all nodes share; with one, everything "
                  "between nodes is encrypted and strangers are refused (see keygen)");
  run->add_option("--workers", to.workers, "scheduler threads; 0: one per core")
      ->check(CLI::Range(0U, k_workers_max))
      ->capture_default_str();
  run->add_option("--log", log, "debug, info, warning, error or off")->capture_default_str();
  for (const App::Option& option : app.options()) {
    if (auto* const* values = std::get_if<std::vector<std::string>*>(&option.value)) {
      run->add_option(option.flag, **values, option.help)
          ->expected(1)
          ->take_all()
          ->check([&option](const std::string& value) {
            return value.empty() ? option.flag + " needs a value that is not empty" : "";
          });
    } else if (auto* const* number = std::get_if<unsigned*>(&option.value)) {
      run->add_option(option.flag, **number, option.help);
    } else {
      run->add_flag(option.flag, *std::get<bool*>(option.value), option.help);
    }
  }

  CLI::App* keygen = line.add_subcommand(
      "keygen", "Print a fresh cookie, or write it to a new file that only you can read.");
  keygen->add_option("--out", to.out, "the file to make, mode 0400; never overwrites one");

  struct Verb {
    const char* name;
    const char* help;
    std::vector<std::pair<const char*, bool>> args;  // name, required
  };
  const std::vector<Verb> verbs{
      {"join", "Make the running node join another one, or forget it.", {{"ADDRESS", true}}},
      {"leave", "Make the running node leave its cluster and stop.", {}},
      {"health", "Is the node alive, or ready? Exit code 0 yes, 1 no.", {}},
      {"members", "List the nodes of the cluster, and who was refused.", {}},
      {"ps", "List the processes of the node.", {}},
      {"tree", "Show the node's supervision tree.", {}},
      {"names", "List the cluster-wide names.", {}},
      {"groups", "List the process groups and their members.", {}},
      {"tables", "List the tables of the node.", {}},
      {"whereis", "Find the process that holds a name.", {{"NAME", true}}},
      {"info", "Show all about one process, of any node.", {{"PID", true}}},
      {"kill", "Send an exit signal to a process.", {{"PID", true}, {"REASON", false}}},
      {"metrics", "Show the node's counters.", {}},
      {"stop", "Stop the node in good order.", {}},
  };
  to.node = from_environment("GROVE_NODE");
  bool ready = false;
  for (const Verb& verb : verbs) {
    CLI::App* sub = line.add_subcommand(verb.name, verb.help);
    sub->add_flag("--json", to.json, "print one JSON object");
    sub->add_option("--node", to.node, "the node to ask, where several run here");
    for (const auto& [name, required] : verb.args) {
      CLI::Option* arg = sub->add_option_function<std::string>(
          name, [&to](const std::string& value) { to.args.push_back(value); });
      if (required) arg->required();
    }
    if (std::string_view{verb.name} == "join") {
      sub->add_flag("--forget", to.forget, "look for that address no more; sessions stay");
    }
    if (std::string_view{verb.name} == "health") {
      CLI::Option* live = sub->add_flag("--live", to.live, "does it answer at all");
      sub->add_flag("--ready", ready, "has it started and joined (the default)")->excludes(live);
    }
  }

  try {
    line.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
    if (asked) line.exit(error, std::cout, std::cerr);  // --help, --version
    parsed.exit_code = asked ? k_ok : usage_error(line, error, argc, argv);
    return parsed;
  }
  to.verb = line.get_subcommands().front()->get_name();
  to.name_is_given = to.name_is_given || name_flag->count() > 0;
  if (to.join.empty()) to.join = list_from_environment("GROVE_JOIN");
  if (to.roles.empty()) to.roles = list_from_environment("GROVE_ROLES");
  if (to.meta.empty()) to.meta = list_from_environment("GROVE_META");
  if (to.verb != "run") return parsed;  // the others log nothing
  const std::map<std::string, LogLevel> levels{{"debug", LogLevel::debug},
                                               {"info", LogLevel::info},
                                               {"warning", LogLevel::warning},
                                               {"error", LogLevel::error},
                                               {"off", LogLevel::off}};
  const auto level = levels.find(log);
  if (level == levels.end()) {
    parsed.exit_code = complain(
        false, k_usage, '"' + log + "\" is no log level; use debug, info, warning, error or off");
    return parsed;
  }
  to.log_level = level->second;
  return parsed;
}

Result<void> make_run_dir(const std::string& dir) {
  const auto unusable = [&dir](Errc code, const std::string& why) {
    return Error{code, "cannot use " + dir + " for the admin socket: " + why +
                           "; set GROVE_RUN_DIR to a directory of yours"};
  };
  if (dir.size() > k_socket_path_max) return unusable(Errc::io, "the path is too long");
  std::error_code error;
  if (const auto parent = std::filesystem::path{dir}.parent_path(); !parent.empty()) {
    std::filesystem::create_directories(parent, error);
    if (error) return unusable(Errc::io, error.message());
  }
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return unusable(Errc::io, std::strerror(errno));
  }
  // One that was there keeps its mode: it may be a home, or /tmp. The socket has a mode of its own.
  struct stat status {};
  if (stat(dir.c_str(), &status) != 0) return unusable(Errc::io, std::strerror(errno));
  if (!S_ISDIR(status.st_mode)) return unusable(Errc::io, "it is no directory");
  if (status.st_uid != getuid() && status.st_uid != 0) {
    return unusable(Errc::refused, "it belongs to another user");
  }
  if (access(dir.c_str(), W_OK | X_OK) != 0) return unusable(Errc::io, std::strerror(errno));
  return {};
}

std::string socket_path(const std::string& run_dir, const std::string& node) {
  return run_dir + '/' + node + ".sock";
}

}  // namespace grove::cli
