// SPDX-License-Identifier: Apache-2.0
//
// What the compiler must refuse: UNHANDLED says which. CTest reads what it says.
#include "grove/node/gen_server.hpp"

struct Read {
  using Reply = int;
};
struct Bump {};
struct Other {
  using Reply = int;
};

class Counter : public grove::GenServer {
 public:
#if UNHANDLED == 3
  using Handles = grove::Handles<Read, Bump, Other>;
#else
  using Handles = grove::Handles<Read, Bump>;
#endif
  int handle_call(Read) { return 1; }
  void handle_cast(Bump) {}
};

grove::Task<> talk(grove::Context& context, grove::ServerOf<Counter> counter) {
  co_await context.call<Read>(counter);
  context.cast(counter, Bump{});
#if UNHANDLED == 1
  co_await context.call<Other>(counter);
#elif UNHANDLED == 2
  context.cast(counter, Read{});
#elif UNHANDLED == 3
  co_await grove::start_link<Counter>(context);
#endif
}
