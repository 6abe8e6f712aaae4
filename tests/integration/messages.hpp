// SPDX-License-Identifier: Apache-2.0
//
// What the nodes of the integration tests tell each other.
#pragma once

#include "grove/core/message.hpp"

#include <cstddef>
#include <vector>

namespace grove::integration {

struct Number {
  int value = 0;
  std::vector<std::byte> padding;
};
struct Square {
  using Reply = int;
  int number = 0;
};

}  // namespace grove::integration

GROVE_MESSAGE(grove::integration::Number, "integration.number", value, padding)
GROVE_MESSAGE(grove::integration::Square, "integration.square", number)
