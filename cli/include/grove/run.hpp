// SPDX-License-Identifier: Apache-2.0
//
// grove::run: makes a program a node, with the whole `grove` command line.
//
//   int main(int argc, char** argv) { return grove::run(argc, argv, app); }
//
//   ./bank run --name a --listen 127.0.0.1:7401 --join 127.0.0.1:7402
//   ./bank members        (or: grove members)
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/node/supervisor.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <variant>
#include <vector>

namespace grove {

/// What a program adds to a node: its supervision tree, options of its own for `run`, and what of
/// its cluster no option says.
class App {
 public:
  App() = default;
  App(SupervisorSpec tree) : tree_{[tree = std::move(tree)] { return tree; }} {}

  /// The tree, made after the command line was read. What `tree` throws ends the program: an
  /// std::invalid_argument, for a value that makes no sense, as a usage error, 64; else 70.
  App& supervise(std::function<SupervisorSpec()> tree) {
    tree_ = std::move(tree);
    return *this;
  }
  /// Changes what the command line made of the configuration, before the node starts: how names are
  /// settled, a partition policy, times, limits. Who the node is and whom it joins stay as they
  /// were said: cluster, addresses, seeds, cookie. What `change` throws ends the program as above.
  App& configure(std::function<void(ClusterConfig&)> change) {
    configure_ = std::move(change);
    return *this;
  }
  /// Hands over the cluster, once it listens and before the tree starts: to tell metadata, to hear
  /// of members, to connect by hand. Runs in the node's first process; throws as above. Bounds: the
  /// tree's processes may use the cluster as long as they live.
  App& on_start(std::function<void(Cluster&)> use) {
    on_start_ = std::move(use);
    return *this;
  }
  /// How long the tree may take to end when the node is told to stop, 20 s unless this says more or
  /// less: all shutdown times in it, one after the other. Then the program ends without it, 70.
  App& stop_within(std::chrono::milliseconds time) {
    patience_ = time;
    return *this;
  }
  /// `--flag VALUE`, any number of times.
  App& option(std::string flag, std::string help, std::vector<std::string>& values) {
    options_.push_back({std::move(flag), std::move(help), &values});
    return *this;
  }
  /// `--flag N`.
  App& number(std::string flag, std::string help, unsigned& value) {
    options_.push_back({std::move(flag), std::move(help), &value});
    return *this;
  }
  /// `--flag`.
  App& flag(std::string name, std::string help, bool& value) {
    options_.push_back({std::move(name), std::move(help), &value});
    return *this;
  }

  struct Option {
    std::string flag;
    std::string help;
    std::variant<std::vector<std::string>*, unsigned*, bool*> value;
  };
  [[nodiscard]] const std::vector<Option>& options() const noexcept { return options_; }
  [[nodiscard]] std::chrono::milliseconds patience() const noexcept { return patience_; }
  [[nodiscard]] SupervisorSpec tree() const { return tree_ ? tree_() : SupervisorSpec{}; }
  void configure(ClusterConfig& config) const {  // run() does
    if (configure_) configure_(config);
  }
  void started(Cluster& cluster) const {  // run() says so
    if (on_start_) on_start_(cluster);
  }

 private:
  std::function<SupervisorSpec()> tree_;
  std::function<void(ClusterConfig&)> configure_;
  std::function<void(Cluster&)> on_start_;
  std::vector<Option> options_;
  std::chrono::milliseconds patience_ = std::chrono::seconds{20};
};

/// Runs the command line. Blocks until the node or the command has ended.
/// Signals: a node catches SIGINT and SIGTERM and ignores SIGPIPE. The first stops it, another one
/// a second later or more ends the program at once, with 75. Once it has ended, the first two stay
/// blocked in the thread that called, for the program is to end.
/// Returns: 0, or a code of sysexits.h: 64 usage, 65 bad data, 69 unavailable, 70 internal,
/// 75 try again, 78 configuration; `health` returns 1 for "no". A tree that ends by itself is 70,
/// whatever its reason: docs/inspect.md.
int run(int argc, char** argv, App app = {});

}  // namespace grove
