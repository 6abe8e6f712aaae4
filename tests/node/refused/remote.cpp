// SPDX-License-Identifier: Apache-2.0
//
// What other nodes cannot be asked for. Compiled with UNHANDLED as 1 and up each is an error that
// says why; with 0 it is a program.
#include "grove/node/remote.hpp"

#include "grove/node/erpc.hpp"

struct Local {
  int number = 0;
};

int twice(int number) { return 2 * number; }
GROVE_REMOTE(twice, "refused.twice")
grove::Task<> sit(grove::Context& context) { co_await context.receive_any(); }
GROVE_REMOTE(sit, "refused.sit")
grove::Task<> undeclared(grove::Context&) { co_return; }

#if UNHANDLED == 2
void takes_local(Local) {}
GROVE_REMOTE(takes_local, "refused.takes_local")
#endif

grove::Task<> use(grove::Context& context) {
  const int four = co_await grove::erpc::call<twice>(context, "b", std::nullopt, 2);
  co_await grove::spawn_on<sit>(context, "b");
#if UNHANDLED == 1
  co_await grove::spawn_on<undeclared>(context, "b");
#elif UNHANDLED == 3
  co_await grove::spawn_on<sit>(context, "b", four);
#elif UNHANDLED == 4
  co_await grove::spawn_on<twice>(context, "b", 2);
#endif
  context.exit(grove::ExitReason{grove::Value{four}});
}
