// SPDX-License-Identifier: Apache-2.0
//
// Body: what a process does. Users write handlers, servers and coroutines; this is what the run
// loop sees of all three.
#pragma once

#include "grove/core/value.hpp"
#include "grove/node/envelope.hpp"
#include "grove/node/task.hpp"

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace grove {

class Context;

/// Ends the process that lets it go, with this reason. Also what a failed call throws.
class ProcessExit : public std::exception {
 public:
  explicit ProcessExit(ExitReason reason) : reason_{std::move(reason)} {}
  [[nodiscard]] const ExitReason& reason() const noexcept { return reason_; }
  [[nodiscard]] const char* what() const noexcept override { return "grove::ProcessExit"; }

 private:
  ExitReason reason_;
};

/// The exit reason of a process that lets this exception go.
[[nodiscard]] ExitReason exit_reason_of(const std::exception_ptr& failure);
[[nodiscard]] ExitReason exit_reason_of(const std::exception& error);

namespace detail {

[[nodiscard]] ExitReason reason_of_unknown_exception();

/// Runs `code`. Returns: the exit reason of what it throws, if anything. Cost: one throw, where
/// exit_reason_of(std::current_exception()) makes it two.
template <class F>
std::optional<ExitReason> failure_of(F&& code) {
  try {
    std::forward<F>(code)();
  } catch (const ProcessExit& exit) {
    return exit.reason();
  } catch (const std::exception& error) {
    return exit_reason_of(error);
  } catch (...) {
    return reason_of_unknown_exception();
  }
  return std::nullopt;
}

}  // namespace detail

/// The handler form of a process: one object, one message at a time.
/// Threads: confined to its process; its constructor and destructor run there too.
class Handler {
 public:
  virtual ~Handler() = default;
  /// One message of any kind. Runs to completion; an exception ends the process.
  virtual void handle(Context& context, Envelope& envelope) = 0;
};

namespace detail {

class Body {
 public:
  virtual ~Body() = default;
  /// First turn, in the new process. Returns: a coroutine to run, or none.
  virtual Task<> start(Context& context) = 0;
  /// One message, while no coroutine of this body runs. Returns as start().
  virtual Task<> handle(Context& context, Envelope& envelope) = 0;
  /// Whether the process ends when its coroutine does.
  [[nodiscard]] virtual bool ends_with_task() const noexcept { return false; }
  /// Whether it answers a SysRequest.
  [[nodiscard]] virtual bool is_server() const noexcept { return false; }
  /// Whether one has suspended it.
  [[nodiscard]] virtual bool suspended() const noexcept { return false; }
  /// The type of the message that it handled last, for a crash report; null: it does not know.
  [[nodiscard]] virtual const MessageType* last_message() const noexcept { return nullptr; }
  /// Its name, for people, when that is no local one; empty: none. On its own thread.
  [[nodiscard]] virtual std::string name_elsewhere() const { return {}; }
  /// What it shows of its state; nothing: it shows none. Runs the program's code.
  [[nodiscard]] virtual std::optional<Value> shown_state() { return std::nullopt; }

  Task<> running;  // the runtime's: the coroutine that start() or handle() returned, while it runs
};

/// A coroutine function with its arguments, kept alive for as long as the coroutine runs.
template <class F, class... Args>
class CoroutineBody final : public Body {
 public:
  template <class G, class... As>
  explicit CoroutineBody(G&& function, As&&... args)
      : function_{std::forward<G>(function)}, args_{std::forward<As>(args)...} {}

  Task<> start(Context& context) override {
    return std::apply(
        [&](Args&... args) -> Task<> { return function_(context, std::move(args)...); }, args_);
  }
  Task<> handle(Context&, Envelope&) override { return {}; }
  bool ends_with_task() const noexcept override { return true; }

 private:
  F function_;
  std::tuple<Args...> args_;
};

template <class H, class... Args>
class HandlerBody final : public Body {
 public:
  template <class... As>
  explicit HandlerBody(As&&... args) : args_{std::forward<As>(args)...} {}

  Task<> start(Context&) override {
    std::apply([&](Args&... args) { handler_.emplace(std::move(args)...); }, args_);
    return {};
  }
  Task<> handle(Context& context, Envelope& envelope) override {
    handler_->handle(context, envelope);
    return {};
  }

 private:
  std::tuple<Args...> args_;
  std::optional<H> handler_;
};

template <class F, class... Args>
concept ProcessFunction = std::is_invocable_r_v<Task<>, F&, Context&, Args...>;

/// Makes a coroutine's frame, once its context is there. Refers to its maker, who must outlive it.
class FrameMaker {
 public:
  template <class Make>
  explicit FrameMaker(Make& make) noexcept
      : object_{&make}, call_{[](void* object, Context& context) {
          return (*static_cast<Make*>(object))(context);
        }} {}
  [[nodiscard]] Task<> operator()(Context& context) const { return call_(object_, context); }

 private:
  void* object_;
  Task<> (*call_)(void* object, Context& context);
};

/// A coroutine without captures: all of it is in its frame.
template <class F, class... Args>
concept PlainFunction = std::is_convertible_v < F,
        Task<>(*)
(Context&, Args...) > ;

template <class F, class... Args>
std::unique_ptr<Body> make_coroutine_body(F&& function, Args&&... args) {
  static_assert(ProcessFunction<std::decay_t<F>, std::decay_t<Args>...>,
                "a process is a coroutine `Task<> f(Context&, args...)` that takes its arguments "
                "by value");
  return std::make_unique<CoroutineBody<std::decay_t<F>, std::decay_t<Args>...>>(
      std::forward<F>(function), std::forward<Args>(args)...);
}

/// Spawns `function(context, args...)` through `spawner`, a Context or a Node.
template <class Spawner, class Options, class F, class... Args>
auto spawn_coroutine(Spawner& spawner, Options options, F&& function, Args&&... args) {
  if constexpr (PlainFunction<std::decay_t<F>, std::decay_t<Args>...>) {
    Task<> (*const plain)(Context&, std::decay_t<Args>...) = function;
    auto make = [&](Context& context) { return plain(context, std::forward<Args>(args)...); };
    return spawner.spawn_frame(std::move(options), FrameMaker{make});
  } else {
    return spawner.spawn_body(std::move(options), make_coroutine_body(std::forward<F>(function),
                                                                      std::forward<Args>(args)...));
  }
}

template <class H, class... Args>
std::unique_ptr<Body> make_handler_body(Args&&... args) {
  return std::make_unique<HandlerBody<H, std::decay_t<Args>...>>(std::forward<Args>(args)...);
}

}  // namespace detail
}  // namespace grove
