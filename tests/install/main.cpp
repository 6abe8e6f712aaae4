// SPDX-License-Identifier: Apache-2.0
//
// The smallest consumer: one header, one target, and the C++ standard comes with the target.

#include <grove/grove.hpp>

#include <iostream>

int main() {
  std::cout << "grove " << grove::version() << '\n';
  return grove::version().empty() ? 1 : 0;
}
