// SPDX-License-Identifier: Apache-2.0
#include "grove/node/erpc.hpp"

#include "spawn_refused.hpp"

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

/// What a node says of a function that it does not know.
bool is_undefined(const ExitReason& refusal) {
  const Value::Items* items = refusal.term().as_tuple();
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
    case Failure::refused: return "refused";
  }
  return "";
}

Error::Error(Failure failure, const ExitReason& cause)
    : ProcessExit{reason_of(failure, cause)},
      failure_{failure},
      cause_{cause},
      text_{"a call on another node failed: " + std::string{to_string(failure)} + ", " +
            grove::to_string(cause)} {}

Error detail::error_of(const Message& end) {
  if (const auto* refused = end.get<grove::detail::SpawnRefused>()) {
    const ExitReason& why = refused->reason;
    // noproc: of that node's life.
    if (why == ExitReason::noconnection() || why == ExitReason::noproc()) {
      return {Failure::noconnection, ExitReason::noconnection()};
    }
    return {is_undefined(why) ? Failure::undefined : Failure::refused, why};
  }
  const auto* down = end.get<grove::detail::CallFailure>();
  const ExitReason reason = down == nullptr ? ExitReason::noproc() : down->reason;
  if (reason == ExitReason::noconnection()) return {Failure::noconnection, reason};
  return {Failure::signal, reason};
}

}  // namespace grove::erpc
