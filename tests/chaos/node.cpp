// SPDX-License-Identifier: Apache-2.0
//
// One node under chaos: the workload of this folder and the transaction tracker's system.
//
//   chaos_node run --name a --history FILE --control DIR ... (and all that `grove run` takes)
//
// In DIR the driver leaves `phase` (faults, calm or drain), `census-N` when it wants to know who
// lives, and `flood-PEER` while PEER is to be sent more than it can take.
#include "contender.hpp"
#include "examples/transaction_tracker/standby.hpp"
#include "examples/transaction_tracker/tracker.hpp"
#include "examples/transaction_tracker/watcher.hpp"
#include "relations.hpp"
#include "streams.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace chaos {
namespace {

/// Watches the driver's folder.
class Director : public Worker {
 public:
  using Handles = grove::Handles<Tick>;
  explicit Director(std::string control)
      : Worker{std::chrono::milliseconds{100}}, control_{std::move(control)} {
    note("start", {{"what", "director"}});
  }

  grove::Task<> handle_info(Tick) {
    tick_again();
    std::string word;
    std::ifstream{control_ + "/phase"} >> word;
    if (word == "calm") enter(Phase::calm, word);
    if (word == "drain") enter(Phase::drain, word);
    while (std::filesystem::exists(control_ + "/census-" + std::to_string(next_census_))) {
      co_await take_census(std::to_string(next_census_++));
    }
  }

 private:
  void enter(Phase next, const std::string& word) {
    if (phase().exchange(next) != next) note("phase", {{"phase", word}});
  }
  grove::Task<> take_census(std::string number) {
    const auto join = [](const std::vector<grove::Pid>& pids) {
      std::string all;
      for (const grove::Pid& pid : pids) all += (all.empty() ? "" : " ") + to_string(pid);
      return all;
    };
    for (const grove::Pid& pid : node().processes()) {
      const auto info = co_await grove::process_info(context(), pid);
      if (!info) continue;
      note("process", {{"census", number},
                       {"pid", to_string(pid)},
                       {"label", info->label},
                       {"links", join(info->links)},
                       {"monitors", join(info->monitors)},
                       {"monitored_by", join(info->monitored_by)}});
    }
    for (const auto& [name, pid] : node().global_names()) {
      note("name", {{"census", number}, {"name", name}, {"pid", to_string(pid)}});
    }
    note("census", {{"census", number}});
  }

  std::string control_;
  unsigned next_census_ = 1;
};

std::string only(const std::vector<std::string>& values, const char* flag) {
  if (values.size() != 1) throw std::invalid_argument{std::string{flag} + " is needed, once"};
  return values.front();
}

/// A child that ends often, and is started again each time but in the drain.
template <class T, class... Args>
grove::ChildSpec worker(std::string id, Args... args) {
  return grove::child<T>(std::move(id), std::move(args)...).with(grove::transient);
}

grove::SupervisorSpec workload(const std::string& node, const std::string& control) {
  grove::SupervisorSpec spec;
  spec.intensity = {.restarts = 1000, .period = std::chrono::seconds{1}};
  auto& children = spec.children;
  children.push_back(worker<Sink>("sink").as(grove::Global{"sink-" + node}));
  for (const char* number : {"1", "2", "3"}) {
    children.push_back(worker<Target>(std::string{"target-"} + number)
                           .as(grove::Global{"target-" + node + '-' + number}));
  }
  for (const char* number : {"1", "2"}) {
    children.push_back(worker<Weaver>(std::string{"weaver-"} + number));
    children.push_back(worker<Caller>(std::string{"caller-"} + number));
    children.push_back(
        worker<Contender>(std::string{"contender-"} + number, std::string{"prize-"} + number));
  }
  children.push_back(worker<Streamer>("streamer"));
  children.push_back(worker<Flooder>("flooder", control));
  children.push_back(worker<Director>("director", control));
  return spec;
}

grove::SupervisorSpec transactions(const std::string& node,
                                   const std::vector<std::string>& standbys) {
  grove::SupervisorSpec trackers;
  for (const char* number : {"1", "2"}) {
    trackers.children.push_back(tracker::tracker_of("txn-" + node + '-' + number));
  }
  grove::SupervisorSpec spec;
  spec.children.push_back(grove::supervisor("trackers", trackers));
  for (const std::string& id : standbys) {
    spec.children.push_back(grove::child<tracker::Standby>("standby-" + id, id));
  }
  spec.children.push_back(grove::child<tracker::Watcher>("watcher"));
  return spec;
}

}  // namespace
}  // namespace chaos

int main(int argc, char** argv) {
  std::vector<std::string> history;
  std::vector<std::string> control;
  std::vector<std::string> standbys;
  grove::App app;
  app.option("--history", "append what happens to this file", history)
      .option("--control", "the folder in which the driver says what to do", control)
      .option("--standby", "take this transaction over when its node is lost", standbys);
  app.supervise([&] {
    const std::string node = grove::Context::current().node().name();
    chaos::history().open(chaos::only(history, "--history"));
    grove::SupervisorSpec top;
    top.children.push_back(
        grove::supervisor("workload", chaos::workload(node, chaos::only(control, "--control"))));
    top.children.push_back(grove::supervisor("tracker", chaos::transactions(node, standbys)));
    return top;
  });
  return grove::run(argc, argv, app);
}
