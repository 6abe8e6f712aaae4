// SPDX-License-Identifier: Apache-2.0
//
// DistStage: the nodes of a script as programs of their own, on threads, the machine's clock and
// ZeroMQ over loopback. The controller is none of them: it speaks to each over a socket.
#pragma once

#include "channel.hpp"
#include "cluster_stage.hpp"

#include <map>
#include <string>
#include <sys/types.h>

namespace grove::oracle {

class DistStage final : public ClusterStage {
 public:
  /// `threads`: workers of each node.
  explicit DistStage(unsigned threads) : threads_{threads} {}
  ~DistStage() override;
  DistStage(const DistStage&) = delete;
  DistStage& operator=(const DistStage&) = delete;

  [[nodiscard]] bool settle() override;

 protected:
  std::string start_node(const std::string& name) override;
  void kill_node(const std::string& name) override;
  void stop_node(const std::string& name) override;
  Message ask(const std::string& node, Message request) override;
  bool wait_until(const std::function<bool()>& done) override;

 private:
  struct Program {
    pid_t pid;
    Channel channel;
  };
  /// The next message of a node. Throws when that has ended.
  Message hear(const std::string& name);
  template <class Answer, class Request>
  std::map<std::string, Answer> ask_all();
  void reap(const std::string& name);

  const unsigned threads_;
  std::map<std::string, Program> programs_;
};

}  // namespace grove::oracle
