// SPDX-License-Identifier: Apache-2.0
//
//   transaction_tracker run --name a --track txn-1 --track txn-2 --watch
//   transaction_tracker whereis txn-1
#include "local.hpp"
#include "shared.hpp"
#include "standby.hpp"
#include "tracker.hpp"
#include "watcher.hpp"

#include <string>
#include <utility>
#include <vector>

using Start = grove::Task<grove::StartResult> (*)(grove::Context&, std::string);

/// Starts trackers, and is done. One that runs already is as good.
class Opener : public grove::GenServer {
 public:
  Opener(Start start, std::vector<std::string> ids) : start_{start}, ids_{std::move(ids)} {}
  grove::Task<grove::Init> init() {
    for (const std::string& id : ids_) {
      const grove::StartResult started = co_await start_(context(), id);
      if (started.status == grove::StartResult::Status::failed) {
        node().log().warning("no tracker of " + id + ": " + to_string(started.reason));
      }
    }
    co_return grove::Init::ignore();
  }

 private:
  Start start_;
  std::vector<std::string> ids_;
};

/// Trackers of the command line, opened again when their supervisor had to begin anew.
grove::ChildSpec opened(const char* id, grove::ChildSpec trackers, Start start,
                        std::vector<std::string> ids) {
  return grove::supervisor(
      id,
      {.strategy = grove::rest_for_one,
       .children = {std::move(trackers), grove::child<Opener>("opener", start, std::move(ids))}});
}

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

    grove::SupervisorSpec top;
    top.children.push_back(
        opened("shared", tracker::shared::supervisor(), tracker::shared::start, tracked));
    top.children.push_back(
        opened("local", grove::supervisor("local_trackers", tracker::local::application()),
               tracker::local::start, locals));
    for (const std::string& id : standbys) {
      top.children.push_back(grove::child<tracker::Standby>("standby-" + id, id));
    }
    if (watch) top.children.push_back(grove::child<tracker::Watcher>("watcher"));
    return top;
  });
  return grove::run(argc, argv, app);
}
