// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer's entry to the target named by GROVE_FUZZ_TARGET.
#include "targets.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  grove::fuzz::GROVE_FUZZ_TARGET(std::as_bytes(std::span{data, size}));
  return 0;
}
