// SPDX-License-Identifier: Apache-2.0
#include "integration/unpack_count.hpp"

#include "grove/transport/codec.hpp"

#include <algorithm>
#include <atomic>
#include <string_view>

// transport::unpack, as the linker knows it (Linux, 64 bits).
#define GROVE_UNPACK                                                                         \
  "_ZN5grove9transport6unpackESt4spanIKSt4byteLm18446744073709551615EERKSt8functionIFvRNS_6" \
  "ReaderEEE"

namespace grove::testkit {
namespace {

std::atomic<std::uint64_t> count{0};

}  // namespace

using Read = std::function<void(Reader&)>;
bool real_unpack(std::span<const std::byte> body, const Read& read) asm("__real_" GROVE_UNPACK);
bool counted_unpack(std::span<const std::byte> body, const Read& read) asm("__wrap_" GROVE_UNPACK);

bool counted_unpack(std::span<const std::byte> body, const Read& read) {
  const auto mark = std::as_bytes(std::span{std::string_view{k_mark}});
  if (!std::ranges::search(body, mark).empty()) ++count;
  return real_unpack(body, read);
}

std::uint64_t marks_unpacked() noexcept { return count; }

}  // namespace grove::testkit
