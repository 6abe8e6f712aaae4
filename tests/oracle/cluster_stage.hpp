// SPDX-License-Identifier: Apache-2.0
//
// ClusterStage: several nodes, connected as the script says and not otherwise. SPEC.md, section 9.
// What a node is made of is the business of two others: SimStage, DistStage.
#pragma once

#include "grove/core/message.hpp"

#include "requests.hpp"
#include "stage.hpp"

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace grove::oracle {

class ClusterStage : public Stage {
 public:
  [[nodiscard]] const Recorder& recorder() const override { return recorder_; }
  [[nodiscard]] bool is_alive(const Pid& actor) override;
  void run(const Pid& actor, const Op& op) override;
  void pause(const Pid& actor) override;
  void resume(const Pid& actor, const std::vector<Op>& queued) override;
  std::optional<std::string> control(const Op& op) override;
  [[nodiscard]] std::vector<Event> take() override;

 protected:
  /// Starts one that knows nobody. Returns: its address.
  virtual std::string start_node(const std::string& name) = 0;
  /// As SIGKILL does.
  virtual void kill_node(const std::string& name) = 0;
  /// In good order.
  virtual void stop_node(const std::string& name) = 0;
  /// A request to a living node. Returns: its answer. Blocks.
  virtual Message ask(const std::string& node, Message request) = 0;
  /// Waits, or has things happen, until `done`. Returns: false when it never comes to that.
  virtual bool wait_until(const std::function<bool()>& done) = 0;

  [[nodiscard]] std::vector<std::string> living() const;

 private:
  template <class Answer>
  Answer ask_for(const std::string& node, Message request);
  void up(const std::string& name);
  bool down(const std::string& name, void (ClusterStage::*end)(const std::string&));
  bool connect(const std::string& name, const std::string& other);
  [[nodiscard]] std::vector<std::string> nodes_of(const std::string& name);
  [[nodiscard]] bool sees(const std::string& name, const std::string& other);
  void wait_for(const std::function<bool()>& done);
  [[nodiscard]] std::optional<std::string> node_for(const Op& op, std::string& now) const;

  Recorder recorder_;                         // names alone
  std::map<std::string, std::string> nodes_;  // addresses of those that live
  std::set<Pid> gone_;                        // with their nodes
  std::vector<Event> events_;                 // that no node tells
};

}  // namespace grove::oracle
