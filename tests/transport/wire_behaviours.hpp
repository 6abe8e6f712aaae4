// SPDX-License-Identifier: Apache-2.0
//
// What the nodes of the transcripts have each other run. Declared only, never started; they stay as
// they are, like wire_messages.hpp.
#pragma once

#include "grove/node/erpc.hpp"
#include "grove/node/gen_server.hpp"
#include "grove/node/remote.hpp"

#include <cstdint>
#include <string>

namespace wire_test {

inline grove::Task<> track(grove::Context& /*context*/, std::string /*id*/, int /*tries*/) {
  co_return;
}
inline std::int64_t add(std::int64_t one, std::int64_t other) { return one + other; }

class Counter : public grove::GenServer {
 public:
  explicit Counter(int /*start*/) {}
};

}  // namespace wire_test

#ifndef GROVE_WIRE_ALONE
GROVE_REMOTE(wire_test::track, "wire_test.track")
GROVE_REMOTE(wire_test::add, "wire_test.add")
GROVE_REMOTE_CLASS(wire_test::Counter, "wire_test.counter", int)
#else  // without what would run them: it is the whole runtime
GROVE_DETAIL_REMOTE(wire_test::track, "wire_test.track", register_types_of_function)
GROVE_DETAIL_REMOTE(wire_test::add, "wire_test.add", register_types_of_function)
GROVE_DETAIL_REMOTE_CLASS(wire_test::Counter, "wire_test.counter", register_types_of_class, int)
#endif
