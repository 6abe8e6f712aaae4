// SPDX-License-Identifier: Apache-2.0
//
//   transaction_tracker run --name a --track txn-1 --track txn-2 --watch
//   transaction_tracker whereis txn-1
#include "local.hpp"
#include "standby.hpp"
#include "tracker.hpp"
#include "watcher.hpp"

#include <set>
#include <string>
#include <utility>
#include <vector>

/// Starts trackers of this node alone, and is done.
class Opener : public grove::GenServer {
 public:
  explicit Opener(std::vector<std::string> ids) : ids_{std::move(ids)} {}
  grove::Task<grove::Init> init() {
    for (const std::string& id : ids_) co_await tracker::local::start(context(), id);
    co_return grove::Init::ignore();
  }

 private:
  std::vector<std::string> ids_;
};

int main(int argc, char** argv) {
  std::vector<std::string> tracked;
  std::vector<std::string> locals;
  std::vector<std::string> standbys;
  unsigned count = 0;
  bool watch = false;

  grove::App app;
  app.option("--track", "track this transaction", tracked)
      .number("--trackers", "track so many, txn-NAME-1 and so on", count)
      .option("--local", "track this transaction, known to this node only", locals)
      .option("--standby", "take this transaction over when its node is lost", standbys)
      .flag("--watch", "monitor the trackers of other nodes and log each DOWN", watch);

  app.supervise([&] {
    const std::string node = grove::Context::current().node().name();
    for (unsigned i = 1; i <= count; ++i) {
      tracked.push_back("txn-" + node + '-' + std::to_string(i));
    }

    grove::SupervisorSpec trackers;
    std::set<std::string> seen;  // to track one twice is to track it
    for (const std::string& id : tracked) {
      if (seen.insert(id).second) trackers.children.push_back(tracker::tracker_of(id));
    }
    grove::SupervisorSpec top;
    top.children.push_back(grove::supervisor("trackers", trackers));
    for (const std::string& id : standbys) {
      top.children.push_back(grove::child<tracker::Standby>("standby-" + id, id));
    }
    top.children.push_back(grove::supervisor("local", tracker::local::application()));
    top.children.push_back(grove::child<Opener>("opener", locals).with(grove::temporary));
    if (watch) top.children.push_back(grove::child<tracker::Watcher>("watcher"));
    return top;
  });
  return grove::run(argc, argv, app);
}
