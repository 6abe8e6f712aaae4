// SPDX-License-Identifier: Apache-2.0
//
// What the compiler must refuse: UNHANDLED says which. CTest reads what it says.
#include "grove/node/supervisor.hpp"

class Importer : public grove::GenServer {
#if UNHANDLED == 1
 public:
  static void child_spec(grove::ChildSpec spec) { spec.restart = grove::transient; }
#elif UNHANDLED == 2
  static void child_spec(grove::ChildSpec& spec) { spec.restart = grove::transient; }
#else
 public:
  static void child_spec(grove::ChildSpec& spec) { spec.restart = grove::transient; }
  static void child_spec(int) {}
#endif
};

grove::ChildSpec importer() { return grove::child<Importer>("importer"); }
