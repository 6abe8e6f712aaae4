// SPDX-License-Identifier: Apache-2.0
//
// What the compiler must refuse: UNHANDLED says which. CTest reads what it says.
#include "grove/node/gen_server.hpp"

struct Read {
  using Reply = int;
};

class Counter : public grove::GenServer {
 public:
  using Handles = grove::Handles<Read>;
  int handle_call(Read) { return 1; }
#if UNHANDLED == 1
 private:
  grove::Init init() { return grove::Init::ignore(); }
#elif UNHANDLED == 2
  grove::Init init(int) { return grove::Init::ignore(); }
#elif UNHANDLED == 3
  void terminate() {}
#elif UNHANDLED == 4
  void handle_hibernate(int) {}
#elif UNHANDLED == 5
  int debug_state() { return 1; }
#else
  grove::Init init() { return grove::Init::ok(); }
  grove::Task<> terminate(grove::ExitReason) { co_return; }
  void handle_hibernate() {}
  int debug_state() const { return 1; }
#endif
};

/// One that another is made of has callbacks that only the other one calls.
class Base : public grove::GenServer {
 protected:
  void init() {}
  void terminate(int) {}
};
class Derived final : public Base {
 public:
  grove::Init init() { return grove::Init::ok(); }
};

grove::Task<> start(grove::Context& context) {
  (void)co_await grove::start_link<Counter>(context);
  (void)co_await grove::start_link<Derived>(context);
}
