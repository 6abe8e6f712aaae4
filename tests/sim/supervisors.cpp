// SPDX-License-Identifier: Apache-2.0
#include "grove/node/supervisor.hpp"

#include "workload.hpp"

namespace grove::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr unsigned k_intensity = 2;
constexpr auto k_period = seconds{5};

struct Fail {};

/// Crashes after a while that is long at times.
class Flaky : public GenServer {
 public:
  using Handles = grove::Handles<Fail>;
  Flaky(Workload* workload, std::string id) : workload_{*workload} {
    context().trap_exit(true);
    workload_.world.note(testkit::ChildStarted{context().parent(), std::move(id), self()});
    context().send_after(milliseconds{200 + workload_.random().below(6000)}, self(), Fail{});
  }
  void handle_info(Fail) { throw std::runtime_error{"boom"}; }
  void terminate(const ExitReason& reason) {
    const bool asked = reason == ExitReason::shutdown();
    workload_.world.note(testkit::ChildEnded{context().parent(), self(), asked});
  }

 private:
  Workload& workload_;
};

/// Keeps a supervisor on its node, a new one when it gives up.
Task<> owner(Context& context, Workload* workload) {
  context.trap_exit(true);
  while (!workload->stopping) {
    const bool group = workload->random().percent(50);
    SupervisorSpec spec;
    spec.strategy = group ? Strategy::one_for_all : Strategy::one_for_one;
    spec.intensity = {k_intensity, k_period};
    for (const char* id : {"one", "two", "three"}) {
      spec.children.push_back(child<Flaky>(id, workload, std::string{id}));
    }
    const StartResult started = co_await start_supervisor(context, std::move(spec));
    workload->world.note(testkit::Supervises{started.pid, k_intensity, k_period, group});
    bool over = false;
    while (!over && !workload->stopping) {
      over = (co_await context.receive_for<Exit>(milliseconds{500})).has_value();
    }
    if (over) ++workload->gave_up;
  }
  context.exit(ExitReason::shutdown());
}

}  // namespace

void populate_supervisors(Workload& workload, const std::string& name) {
  workload.world[name].node().spawn(owner, &workload);
}

}  // namespace grove::sim
