// SPDX-License-Identifier: Apache-2.0
//
// Waiters: what a coroutine of a process awaits: a message, an answer, or time to pass. Context
// makes them.
//
// Thread-safety: confined to their process.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/node/body.hpp"

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace grove {

inline constexpr std::chrono::milliseconds k_call_timeout{5000};  // as OTP's
using Timeout = std::optional<Clock::Duration>;                   // none: for ever

template <class Reply, class Label>
class RequestSet;

namespace detail {

class Process;
struct Always;

/// A coroutine of a process that waits for a message. Lives in the coroutine's frame.
class Waiter {
 public:
  explicit Waiter(Context& context, Timeout timeout, bool asks_user_code = false)
      : context_{context}, timeout_{timeout}, asks_user_code_{asks_user_code} {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle);

 protected:
  ~Waiter();
  /// Whether this is the message waited for; it is then taken() when the coroutine goes on.
  virtual bool matches(Envelope& envelope) = 0;
  [[nodiscard]] Context& context() const noexcept { return context_; }
  /// Null after a timeout. Ends with this object.
  [[nodiscard]] Envelope* taken() const noexcept { return taken_; }
  /// The same, as the program's own.
  [[nodiscard]] EnvelopePtr release();
  /// Before it is awaited: only messages that come from now on can match, so those that are there
  /// are not looked at.
  void look_from_tail() noexcept { from_tail_ = true; }

 private:
  friend class Process;
  Context& context_;
  Timeout timeout_;
  Clock::TimePoint deadline_ = Clock::TimePoint::max();
  bool timed_out_ = false;
  std::coroutine_handle<> handle_;
  Envelope* taken_ = nullptr;
  Envelope* refused_ = nullptr;  // the last message of the mailbox that did not match
  const bool asks_user_code_;    // matches() calls the program's predicate
  bool from_tail_ = false;
};

/// A plain message: something that was sent, not a reply to a call.
[[nodiscard]] inline bool is_plain(const Envelope& envelope) noexcept {
  return envelope.kind() != SignalKind::reply;
}

template <class T, class Predicate, bool k_timed>
class Receive final : public Waiter {
 public:
  Receive(Context& context, Predicate predicate, Timeout timeout)
      : Waiter{context, timeout, !std::is_same_v<Predicate, Always>},
        predicate_{std::move(predicate)} {}
  auto await_resume() {
    if constexpr (k_timed) {
      if (taken() == nullptr) return std::optional<T>{};
      return std::optional<T>{std::move(*taken()->message.template get<T>())};
    } else {
      return T{std::move(*taken()->message.template get<T>())};
    }
  }

 private:
  bool matches(Envelope& envelope) override {
    const T* message = is_plain(envelope) ? envelope.message.get<T>() : nullptr;
    return message != nullptr && predicate_(*message);
  }
  [[no_unique_address]] Predicate predicate_;
};

/// The oldest message, of whatever type.
class ReceiveAny final : public Waiter {
 public:
  using Waiter::Waiter;
  EnvelopePtr await_resume() { return taken() == nullptr ? nullptr : release(); }

 private:
  bool matches(Envelope& envelope) override { return is_plain(envelope); }
};

class Sleep final : public Waiter {
 public:
  using Waiter::Waiter;
  void await_resume() noexcept {}

 private:
  bool matches(Envelope&) override { return false; }
};

/// The answer to one call, or the end of the server.
class CallWaiter final : public Waiter {
 public:
  CallWaiter(Context& context, std::uint64_t serial, Timeout timeout);
  ~CallWaiter();
  void await_suspend(std::coroutine_handle<> handle);
  /// Throws ProcessExit: the server's reason, noproc, {nodedown, Node}, or timeout.
  Message await_resume();
  /// Instead of that. Returns: the answer, or a CallFailure; nothing after a timeout, and then the
  /// call stays under way.
  std::optional<Message> resume_open();

 private:
  bool matches(Envelope& envelope) override;
  std::uint64_t serial_;
  bool done_ = false;
};

/// Why an answer that is not of the call's type is none.
[[nodiscard]] inline ExitReason bad_reply(const Message& answer) {
  return ExitReason::error("bad_reply", answer.type()->name);
}

/// What an answer holds. Throws ProcessExit({error, "bad_reply", Type}) when it is something else.
template <class Reply>
Reply reply_in(Message& answer) {
  Reply* reply = answer.get<Reply>();
  if (reply == nullptr) throw ProcessExit{bad_reply(answer)};
  return std::move(*reply);
}

template <class Reply>
class Call final {
 public:
  Call(Context& context, std::uint64_t serial, Timeout timeout)
      : waiter_{context, serial, timeout} {}

  struct Awaiter {
    CallWaiter& waiter;
    bool await_ready() { return waiter.await_ready(); }
    void await_suspend(std::coroutine_handle<> handle) { waiter.await_suspend(handle); }
    Reply await_resume() {
      Message message = waiter.await_resume();
      if constexpr (!std::is_void_v<Reply>) return reply_in<Reply>(message);
    }
  };
  /// Awaited where it is made, and once: two calls under way at a time would miss each other.
  Awaiter operator co_await() && { return Awaiter{waiter_}; }

 private:
  CallWaiter waiter_;
};

/// A call that is under way; abandoned when it is dropped.
class OpenRequest {
 public:
  OpenRequest(Context& context, std::uint64_t serial) noexcept
      : context_{&context}, serial_{serial} {}
  OpenRequest(OpenRequest&& other) noexcept
      : context_{other.context_}, serial_{std::exchange(other.serial_, 0)} {}
  OpenRequest& operator=(OpenRequest&& other) noexcept {
    std::swap(context_, other.context_);
    std::swap(serial_, other.serial_);
    return *this;
  }
  OpenRequest(const OpenRequest&) = delete;
  ~OpenRequest();

 private:
  friend class ::grove::Context;
  friend class OpenResponse;
  template <class Reply, class Label>
  friend class ::grove::RequestSet;
  /// 0: its end was seen to.
  [[nodiscard]] std::uint64_t open() const noexcept { return serial_; }
  /// Whoever asks sees to its end.
  [[nodiscard]] std::uint64_t release() noexcept { return std::exchange(serial_, 0); }

  Context* context_;
  std::uint64_t serial_;
};

/// Looks for the answer of a request, which stays open without. Awaited where it is made, and once.
class OpenResponse {
 public:
  bool await_ready() { return waiter_.await_ready(); }
  void await_suspend(std::coroutine_handle<> handle) { waiter_.await_suspend(handle); }

 protected:
  /// Throws ProcessExit(badarg) when its answer was taken.
  OpenResponse(Context& context, OpenRequest& request, Timeout timeout)
      : request_{request}, waiter_{context, request.open(), timeout} {
    if (request.open() == 0) throw ProcessExit{ExitReason::symbol("badarg")};
  }
  [[nodiscard]] std::optional<Message> take() {
    std::optional<Message> answer = waiter_.resume_open();
    if (answer) (void)request_.release();
    return answer;
  }

 private:
  OpenRequest& request_;
  CallWaiter waiter_;
};

struct Always {
  template <class T>
  bool operator()(const T&) const noexcept {
    return true;
  }
};

template <class T>
struct ReplyOf {
  using type = void;
};
template <class T>
requires requires { typename T::Reply; }
struct ReplyOf<T> {
  using type = typename T::Reply;
};

/// What a call without an answer's value answers with.
struct Ok {};

/// g++ 12 destroys such an argument twice when it is a temporary inside a co_await expression.
template <class T>
concept UnsafeTemporary =
    !std::is_lvalue_reference_v<T> && std::is_aggregate_v<std::remove_cvref_t<T>> &&
    !std::is_array_v<std::remove_cvref_t<T>> &&
    !std::is_trivially_destructible_v<std::remove_cvref_t<T>>;

}  // namespace detail

/// A call under way, made by Context::send_request(). Thread-safety: confined to its process.
template <class Reply>
class Request final : public detail::OpenRequest {
  using OpenRequest::OpenRequest;
};

namespace detail {

/// Throws as call() does.
template <class Reply>
class Response final : public OpenResponse {
 public:
  using Answer = std::conditional_t<std::is_void_v<Reply>, bool, std::optional<Reply>>;

  Response(Context& context, Request<Reply>& request, Timeout timeout)
      : OpenResponse{context, request, timeout} {}
  Answer await_resume() {
    std::optional<Message> answer = take();
    if (!answer) return Answer{};
    if (const auto* failure = answer->template get<CallFailure>()) {
      throw ProcessExit{failure->reason};
    }
    if constexpr (std::is_void_v<Reply>) {
      return true;
    } else {
      return reply_in<Reply>(*answer);
    }
  }
};

}  // namespace detail

}  // namespace grove

/// Answers may travel.
GROVE_MESSAGE(grove::detail::Ok, "grove.ok")
