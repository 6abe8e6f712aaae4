// SPDX-License-Identifier: Apache-2.0
#include <grove/grove.hpp>

#include <stdexcept>

struct Read {
  using Reply = int;
};
struct Bump {
  int by = 0;
};
GROVE_MESSAGE(Read, "counter.read")
GROVE_MESSAGE(Bump, "counter.bump", by)

class Counter : public grove::GenServer {
 public:
  using Handles = grove::Handles<Read, Bump>;
  explicit Counter(int start) : count_{start} {}
  int handle_call(Read) { return count_; }
  void handle_cast(Bump bump) {
    if (bump.by > 9) throw std::runtime_error("too much");  // ends this process, nobody else
    count_ += bump.by;
  }

 private:
  int count_;
};

int main(int argc, char** argv) {
  grove::SupervisorSpec app;  // one_for_one: what dies is started again
  app.children.push_back(grove::child<Counter>("counter", 0).as(grove::Global{"counter"}));
  return grove::run(argc, argv, app);  // this program is a node: run, --join, members, tree ...
}
