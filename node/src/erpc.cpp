// SPDX-License-Identifier: Apache-2.0
#include "grove/node/erpc.hpp"

#include "node_down.hpp"

namespace grove::erpc {
namespace {

/// As OTP's erpc ends a caller that does not catch it.
ExitReason reason_of(Failure failure, const ExitReason& cause) {
  const char* kind = "erpc";
  if (failure == Failure::exception || failure == Failure::exit || failure == Failure::undefined) {
    kind = "exception";
  } else if (failure == Failure::signal) {
    kind = "signal";
  }
  return ExitReason{Value::tuple({Value::symbol(kind), cause.term()})};
}

bool is_undefined(const ExitReason& down) {
  const Value::Items* items = down.term().as_tuple();
  const std::string* kind =
      items != nullptr && items->size() == 2 ? (*items)[0].as_symbol() : nullptr;
  return kind != nullptr && *kind == "undef";
}

}  // namespace

std::string_view to_string(Failure failure) noexcept {
  switch (failure) {
    case Failure::exception: return "exception";
    case Failure::exit: return "exit";
    case Failure::signal: return "signal";
    case Failure::noconnection: return "noconnection";
    case Failure::timeout: return "timeout";
    case Failure::undefined: return "undefined";
  }
  return "";
}

Error::Error(Failure failure, const ExitReason& cause)
    : ProcessExit{reason_of(failure, cause)},
      failure_{failure},
      cause_{cause},
      text_{"a call on another node failed: " + std::string{to_string(failure)} + ", " +
            grove::to_string(cause)} {}

Error detail::error_of(const ExitReason& down) {
  if (down == ExitReason::noconnection() || grove::detail::is_node_down(down)) {
    return {Failure::noconnection, ExitReason::noconnection()};
  }
  return {is_undefined(down) ? Failure::undefined : Failure::signal, down};
}

}  // namespace grove::erpc
