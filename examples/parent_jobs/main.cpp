// SPDX-License-Identifier: Apache-2.0
//
//   parent_jobs run --name a --periodic --cancellable 3 --queue 100
#include "cancellable.hpp"
#include "periodic.hpp"
#include "queue.hpp"

#include <string>

/// Adds jobs to the queue when it is started, and is done.
class Customer : public grove::GenServer {
 public:
  explicit Customer(unsigned count) : count_{static_cast<int>(count)} {}
  grove::Task<grove::Init> init() {
    co_await jobs::add_jobs(context(), count_);
    co_return grove::Init::ignore();
  }

 private:
  int count_;
};

int main(int argc, char** argv) {
  bool periodic = false;
  unsigned cancellables = 0;
  unsigned queued = 0;

  grove::App app;
  app.flag("--periodic", "run a job every second", periodic)
      .number("--cancellable", "run so many jobs that have a second each", cancellables)
      .number("--queue", "run so many jobs, ten at a time", queued);

  app.supervise([&] {
    grove::Random random{grove::seed_from_system()};
    grove::SupervisorSpec top;
    if (periodic) {
      top.children.push_back(grove::child<jobs::Periodic>("periodic", random.next()));
    }
    for (unsigned i = 1; i <= cancellables; ++i) {
      const std::string id = "cancellable-" + std::to_string(i);
      top.children.push_back(
          grove::child<jobs::Cancellable>(id, random.next()).with(grove::temporary));
    }
    top.children.push_back(jobs::queue(random.next()));
    top.children.push_back(grove::child<Customer>("customer", queued).with(grove::temporary));
    return top;
  });
  return grove::run(argc, argv, app);
}
