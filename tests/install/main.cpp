// SPDX-License-Identifier: Apache-2.0
//
// The smallest consumer: one header, one target, and the C++ standard comes with the target. It
// tries a cluster of two on virtual time, too.

#include <grove/grove.hpp>
#include <grove/testkit/sim_world.hpp>

#include <chrono>
#include <iostream>

int main() {
  std::cout << "grove " << grove::version() << '\n';
  grove::testkit::SimWorld world{1};
  for (const char* name : {"a", "b"}) world.add_node(name);
  const bool met = world.run_until([&] { return world.all_connected(); }, std::chrono::seconds{10});
  return grove::version().empty() || !met ? 1 : 0;
}
