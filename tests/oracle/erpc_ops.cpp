// SPDX-License-Identifier: Apache-2.0
//
// Level 5: functions called on other nodes. SPEC.md, section 9.
#include "grove/node/erpc.hpp"

#include "ops.hpp"

#include <array>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace grove::oracle {
namespace {

/// What `throw:X` throws: OTP tells it from an error.
class Thrown final : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace

/// A FUN of the language.
Task<Value> run_function(Context& context, std::string word) {
  const std::size_t colon = word.find(':');
  const std::string what = word.substr(0, colon);
  const std::string argument = word.substr(colon + 1);
  if (what == "raise") throw std::runtime_error{argument};
  if (what == "throw") throw Thrown{argument};
  if (what == "exit") context.exit(ExitReason{parse_value(argument)});
  if (what == "signal") {
    context.exit(context.self(), ExitReason{parse_value(argument)});
    for (;;) co_await context.receive_any();
  }
  if (what == "sleep") {
    co_await context.sleep_for(std::chrono::milliseconds{parse_integer(argument)});
    co_return Symbol{"ok"};
  }
  co_return parse_value(argument);
}

}  // namespace grove::oracle

GROVE_REMOTE(grove::oracle::run_function, "oracle.function")

namespace grove::oracle {
namespace {

/// `ok X`, `error X`, `exit R`, `throw X`, `signal R`, `erpc noconnection`, `erpc timeout`.
std::string text_of(const Recorder& recorder, const erpc::Error& error) {
  const std::string cause = recorder.text_of(error.cause());
  switch (error.failure()) {
    case erpc::Failure::exception: break;
    case erpc::Failure::exit: return "exit " + cause;
    case erpc::Failure::signal: return "signal " + cause;
    default: return "erpc " + std::string{to_string(error.failure())};
  }
  const Value::Items& parts = *error.cause().term().as_tuple();  // {error, Type, Text}
  const bool thrown = parts[1].as_string()->ends_with("Thrown");
  return (thrown ? "throw " : "error ") + *parts[2].as_string();
}

Task<std::string> call(Self* self, Op op) {
  const Timeout time = time_limit(op, 4);
  const auto awaited = awaiting(self->world, time);
  const std::string node = op.at(2);
  const std::string word = op.at(3);
  try {
    const Value value = co_await erpc::call<run_function>(self->context, node, time, word);
    co_return "ok " + self->world.recorder().text_of(value);
  } catch (const erpc::Error& error) {
    co_return text_of(self->world.recorder(), error);
  }
}

}  // namespace

std::span<const OpEntry> erpc_ops() {
  static constexpr std::array k_ops{OpEntry{"erpc", By::actor, call}};
  return k_ops;
}

}  // namespace grove::oracle
