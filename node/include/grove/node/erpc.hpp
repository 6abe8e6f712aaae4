// SPDX-License-Identifier: Apache-2.0
//
// Erpc: calls functions on other nodes.
//
//   int add(int a, int b);
//   GROVE_REMOTE(add, "math.add")
//
//   const int sum = co_await erpc::call<add>(context, "b", 5s, 1, 2);
//
// What is called must be declared, see behaviour.hpp. It runs in a process of its own there, linked
// to nobody: it goes on when the caller has given up, or has ended. `node` may be the caller's own.
// A late answer never reaches the mailbox.
//
// Source: OTP erpc; semantics.md RPC-*.
#pragma once

#include "grove/node/remote.hpp"

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace grove::erpc {

enum class Failure : std::uint8_t {
  exception,     // the function threw; the cause is {error, Type, Text}
  exit,          // the function ended its process; the cause is its reason
  signal,        // its process was ended; the cause is that reason
  noconnection,  // the node cannot be reached, or went away meanwhile: it may have run, or not
  timeout,       // it may still run
  undefined,     // the node does not know the function
  refused,       // nothing has run: it could not be sent, or started there; the cause says why
};
[[nodiscard]] std::string_view to_string(Failure failure) noexcept;

/// Why a call has no value. A process that lets it go ends as OTP's: {exception, Cause},
/// {signal, Cause}, {erpc, noconnection}, {erpc, timeout}; and {erpc, Cause} when it was refused.
class Error final : public ProcessExit {
 public:
  Error(Failure failure, const ExitReason& cause);
  [[nodiscard]] Failure failure() const noexcept { return failure_; }
  [[nodiscard]] const ExitReason& cause() const noexcept { return cause_; }
  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

 private:
  Failure failure_;
  ExitReason cause_;
  std::string text_;
};

/// What a call came to: a value, or an error.
template <class R>
class Outcome {
 public:
  using Value = std::conditional_t<std::is_void_v<R>, grove::detail::NoValue, R>;
  explicit Outcome(Value value) : value_{std::move(value)} {}
  explicit Outcome(Error error) : error_{std::move(error)} {}

  [[nodiscard]] bool ok() const noexcept { return value_.has_value(); }
  /// Throws the error of one that is not ok().
  [[nodiscard]] Value& value() {
    if (error_) throw *error_;
    return *value_;
  }
  /// Null: it is ok().
  [[nodiscard]] const Error* error() const noexcept { return error_ ? &*error_ : nullptr; }

 private:
  std::optional<Value> value_;
  std::optional<Error> error_;
};

template <auto function>
using Result = grove::detail::CallResult<function>;

/// A call under way. Its answer is taken once; one that is dropped is given up.
template <auto function>
class Request;

namespace detail {

/// Of a call that ended so, and not by an answer.
[[nodiscard]] Error error_of(const Message& end);

template <auto function>
Outcome<Result<function>> outcome_of(Message message) {
  using Answer = grove::detail::CallAnswer<function>;
  auto* answer = message.get<Answer>();
  if (answer == nullptr) return Outcome<Result<function>>{error_of(message)};
  switch (answer->end) {
    case grove::detail::CallEnd::exception:
      return Outcome<Result<function>>{Error{Failure::exception, answer->reason}};
    case grove::detail::CallEnd::exit:
      return Outcome<Result<function>>{Error{Failure::exit, answer->reason}};
    default: return Outcome<Result<function>>{std::move(answer->value)};
  }
}

template <auto function>
class Response final : public grove::detail::OpenResponse {
 public:
  Response(Context& context, Request<function>& request, Timeout timeout)
      : OpenResponse{context, request, timeout} {}
  std::optional<Outcome<Result<function>>> await_resume() {
    std::optional<Message> message = take();
    if (!message) return std::nullopt;
    return outcome_of<function>(*std::move(message));
  }
};

}  // namespace detail

template <auto function>
class Request final : public grove::detail::OpenRequest {
  using OpenRequest::OpenRequest;
};

/// Begins a call; several may be under way.
/// Errors of all here: ProcessExit(badarg) when no node can have that name.
template <auto function, class... Args>
requires(!(grove::detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] Request<function> send_request(Context& context, std::string_view node,
                                                 Args&&... args) {
  grove::detail::SpawnTerms terms;
  terms.purpose = grove::detail::SpawnTerms::Purpose::call;
  const Spawned asked = grove::detail::ask_spawn(
      context, node,
      grove::detail::order_of<function>(std::move(terms), std::forward<Args>(args)...),
      grove::detail::SpawnAnswer::call);
  return {context, asked.ref.serial};
}

/// Waits for the answer of `request`, which stays under way after a timeout.
/// Returns: nothing then. Errors: ProcessExit(badarg) when the answer was taken before.
template <auto function>
[[nodiscard]] auto wait_response(Context& context, Request<function>& request, Timeout timeout) {
  return detail::Response<function>{context, request, timeout};
}
/// The same, and gives the request up after a timeout. Returns: the value. Throws Error.
template <auto function>
[[nodiscard]] Task<Result<function>> receive_response(Context& context, Request<function> request,
                                                      Timeout timeout) {
  auto response = wait_response<function>(context, request, timeout);
  auto outcome = co_await response;
  if (!outcome) throw Error{Failure::timeout, ExitReason::symbol("timeout")};
  if constexpr (std::is_void_v<Result<function>>) {
    (void)outcome->value();
  } else {
    co_return std::move(outcome->value());
  }
}

/// Calls `function` on `node` and waits for its result, at most `timeout`. Throws Error.
template <auto function, class... Args>
requires(!(grove::detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] Task<Result<function>> call(Context& context, std::string_view node,
                                              Timeout timeout, Args&&... args) {
  return receive_response<function>(
      context, send_request<function>(context, node, std::forward<Args>(args)...), timeout);
}

/// Has `function` run on `node`, and returns at once; nobody hears what comes of it.
template <auto function, class... Args>
void cast(Context& context, std::string_view node, Args&&... args) {
  grove::detail::SpawnTerms terms;
  terms.purpose = grove::detail::SpawnTerms::Purpose::call;
  grove::detail::ask_spawn(
      context, node,
      grove::detail::order_of<function>(std::move(terms), std::forward<Args>(args)...),
      grove::detail::SpawnAnswer::none);
}

namespace detail {

template <auto function>
Task<std::vector<Outcome<Result<function>>>> receive_all(Context& context,
                                                         std::vector<Request<function>> requests,
                                                         Timeout timeout) {
  const Clock::TimePoint deadline = grove::detail::deadline_in(context, timeout);
  std::vector<Outcome<Result<function>>> outcomes;
  for (Request<function>& request : requests) {
    auto response = wait_response<function>(
        context, request, timeout ? Timeout{grove::detail::left(context, deadline)} : Timeout{});
    auto outcome = co_await response;
    if (outcome) {
      outcomes.push_back(*std::move(outcome));
    } else {
      outcomes.emplace_back(Error{Failure::timeout, ExitReason::symbol("timeout")});
    }
  }
  co_return outcomes;
}

}  // namespace detail

/// Calls `function` on all `nodes` at once, with copies of `args`, for at most `timeout` in all.
/// Returns: what each came to, in the order of `nodes`.
template <auto function, class... Args>
requires(!(grove::detail::UnsafeTemporary<Args&&> || ...))
    [[nodiscard]] Task<std::vector<Outcome<Result<function>>>> multicall(
        Context& context, const std::vector<std::string>& nodes, Timeout timeout, Args&&... args) {
  std::vector<Request<function>> requests;
  for (const std::string& node : nodes) {
    requests.push_back(send_request<function>(context, node, std::as_const(args)...));
  }
  return detail::receive_all<function>(context, std::move(requests), timeout);
}

}  // namespace grove::erpc
