// SPDX-License-Identifier: Apache-2.0
#include "grove/version.hpp"

namespace grove {

std::string_view version() noexcept { return GROVE_VERSION; }

}  // namespace grove
