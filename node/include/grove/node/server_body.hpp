// SPDX-License-Identifier: Apache-2.0
//
// ServerBody: the loop of a GenServer: finds the handler of each message, and does what the handler
// asked for. gen_server.hpp has what programs use.
#pragma once

#include "grove/node/node.hpp"
#include "grove/node/server.hpp"

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace grove {

class ParentServer;  // parent.hpp

namespace detail {

/// What a starter hears.
struct StartAck {
  StartResult::Status status = StartResult::Status::ok;
  Pid pid;
};

/// Ends a server as if it had called stop(); see stop_server().
struct StopServer {
  ExitReason reason;
};

struct SysRequest;  // sys.hpp

template <class T>
inline constexpr bool k_is_task = false;
template <class T>
inline constexpr bool k_is_task<Task<T>> = true;

/// Makes the message of what handle_call has returned; none when it answers later.
template <class Reply, class Returned>
Message answer_of(Returned&& returned) {
  using R = std::decay_t<Returned>;
  if constexpr (std::is_same_v<R, NoReply>) {
    return {};
  } else if constexpr (std::is_same_v<R, std::optional<Reply>> && !std::is_void_v<Reply>) {
    return returned ? Message::make<Reply>(*std::forward<Returned>(returned)) : Message{};
  } else {
    static_assert(std::is_convertible_v<Returned, Reply>,
                  "handle_call must return the message's `Reply`, or std::optional of it, or "
                  "NoReply, or a Task of one of these");
    return Message::make<Reply>(std::forward<Returned>(returned));
  }
}

/// A server that shows its state to sys.hpp; and one whose state can be replaced, too.
template <class Impl>
concept HasState = requires(Impl& impl) {
  requires std::copy_constructible<std::remove_cvref_t<decltype(impl.state())>>;
};
template <HasState Impl>
using StateOf = std::remove_cvref_t<decltype(std::declval<Impl&>().state())>;
template <class Impl>
concept LendsState = HasState<Impl> && std::copyable<StateOf<Impl>> && requires(Impl& impl) {
  requires std::same_as<decltype(impl.state()), std::add_lvalue_reference_t<StateOf<Impl>>>;
};

/// What is made of a server and this has two members of a name exactly when the server has one:
/// also when that is private, or takes something else, and would never be called.
struct CallbackNames {
  void init();
  void terminate();
  void handle_hibernate();
  void debug_state();
};
template <class Impl>
struct WithNames : Impl, CallbackNames {};

/// Names the running process. Returns: false when it cannot be; its starter hears of that, and it
/// ends with this turn.
bool take_name(Context& context, const ServerName& name, const From& starter);
/// Tells a starter that waits what came of it.
void answer_start(Context& context, const From& starter, StartResult::Status status,
                  const Pid& pid);
/// Of a process that answers the start of that serial.
[[nodiscard]] SpawnOptions spawn_options_of(const ServerOptions& options, std::uint64_t serial);
/// Waits for that answer, or for the end of the process.
Task<StartResult> await_start(Context& context, Pid pid, std::uint64_t serial, Timeout timeout);

/// What is the same for all servers: names, the starter's answer, time-outs, system messages.
class ServerBodyBase : public Body {
 public:
  explicit ServerBodyBase(ServerOptions options) : options_{std::move(options)} {
    if (options_.hibernate_after) idle_ = std::make_unique<Idle>();
  }
  void set_starter(From starter) noexcept { starter_ = starter; }
  [[nodiscard]] const ServerOptions& options() const noexcept { return options_; }
  [[nodiscard]] bool is_server() const noexcept final { return true; }
  [[nodiscard]] bool suspended() const noexcept final { return suspended_; }
  [[nodiscard]] const MessageType* last_message() const noexcept final { return last_message_; }
  [[nodiscard]] std::string name_elsewhere() const final;

 protected:
  /// The server's own state; null: it shows none.
  struct State {
    void* object = nullptr;
    const MessageType* type = nullptr;
  };
  virtual State state() = 0;
  virtual Message copy_of_state() = 0;  // as a message; none, when it shows none
  /// Runs terminate(); it may replace the reason by throwing.
  virtual Task<> run_terminate(const ExitReason& reason) = 0;
  /// After terminate(): ends the children of a ParentServer.
  virtual Task<> end_children(const ExitReason& reason) = 0;
  virtual Task<> run_continuation(Message message) = 0;
  virtual Task<> run_hibernate() = 0;

  /// Takes the server's name. Returns: false when it is taken; the starter has been told.
  bool take_name(Context& context) { return detail::take_name(context, options_.name, starter_); }
  /// It does not become a server.
  void give_name_back(Context& context);
  /// After init: tells the starter, and goes on as init has asked.
  Task<> begin(Context& context, GenServer& server, const Init& init);
  /// Sees each message first. Returns: false when that was all.
  bool arrives(Context& context, GenServer& server, Envelope& envelope) {
    server.from_ = From{envelope.from, envelope.serial, context.self()};
    last_message_ = envelope.message.type();
    return idle_ == nullptr || interrupts_idleness(context, server, envelope);
  }
  /// The reason to end that a message gives which is not the program's; null without one.
  const ExitReason* asked_to_end(Context& context, const Envelope& envelope) const {
    const bool may = envelope.message.is<Exit>() || envelope.message.is<StopServer>();
    return may ? reason_to_end(context, envelope) : nullptr;
  }
  /// Returns: whether it was one; then `task` is what is left to do.
  bool handle_system(Context& context, Envelope& envelope, Task<>& task);
  /// Counts it; the first of each type is logged, for this process.
  void unhandled_info(Context& context, const Envelope& envelope);
  /// Whether finish() has anything to do after a handler.
  [[nodiscard]] bool unfinished(const GenServer& server) const noexcept {
    return server.next_ != nullptr || (idle_ != nullptr && options_.hibernate_after);
  }
  /// Does what handlers have asked for.
  Task<> finish(Context& context, GenServer& server);
  /// A handler has returned, or failed when `handler` throws; then finish().
  Task<> finish_after(Context& context, GenServer& server, Task<> handler);
  /// terminate(), then the answer, when there is one, then the end.
  Task<> end(Context& context, ExitReason reason, From from = {}, Message answer = {});

 private:
  struct Idle {
    Timeout timeout;  // none: until it hibernates
    TimerId timer;
    std::uint64_t number = 0;  // of the time that counts
  };

  [[nodiscard]] Pid parent(Context& context) const;
  const ExitReason* reason_to_end(Context& context, const Envelope& envelope) const;
  Message use_state(const SysRequest& request);
  Task<> stay_suspended(Context& context);
  void await_idleness(Context& context, Timeout timeout);
  bool interrupts_idleness(Context& context, GenServer& server, Envelope& envelope);

  ServerOptions options_;
  From starter_;
  const MessageType* last_message_ = nullptr;
  std::vector<const MessageType*> unhandled_;  // types that were logged
  std::unique_ptr<Idle> idle_;                 // null: no time was ever asked for
  bool suspended_ = false;
};

/// Starts `body` as a process and waits for its init.
Task<StartResult> start_server(Context& context, std::unique_ptr<ServerBodyBase> body);

[[nodiscard]] Clock::TimePoint deadline_in(Context& context, const Timeout& timeout);
[[nodiscard]] Clock::Duration left(Context& context, Clock::TimePoint deadline);

}  // namespace detail

template <class Impl, class... Args>
class ServerBody final : public detail::ServerBodyBase {
 public:
  template <class... As>
  explicit ServerBody(ServerOptions options, As&&... args)
      : ServerBodyBase{std::move(options)}, args_{std::forward<As>(args)...} {
    static_assert(every_message_has_a_handler(typename Impl::Handles{}),
                  "a type in Handles has no handle_call, handle_cast, handle_info or "
                  "handle_continue that is public");
    callbacks_can_be_called();
  }

  Task<> start(Context& context) override {
    if (!take_name(context)) return {};
    try {
      return initialise(context);
    } catch (...) {
      give_name_back(context);
      throw;
    }
  }

  Task<> handle(Context& context, Envelope& envelope) override {
    if (!arrives(context, *impl_, envelope)) {
      return impl_->next_ != nullptr ? finish(context, *impl_) : Task<>{};
    }
    if (const ExitReason* reason = asked_to_end(context, envelope)) return end(context, *reason);
    Task<> task;
    auto failure =
        detail::failure_of([&] { task = dispatch(context, envelope, typename Impl::Handles{}); });
    if (failure) return end(context, *std::move(failure));
    if (task) return task;
    return unfinished(*impl_) ? finish(context, *impl_) : Task<>{};
  }

 private:
  static constexpr void callbacks_can_be_called() {
    if constexpr (!std::is_final_v<Impl>) {
      using Names = detail::WithNames<Impl>;
      static_assert(
          requires { &Names::init; } || requires(Impl & impl) { impl.init(); },
          "init() must be public and take nothing");
      static_assert(
          requires { &Names::terminate; } ||
              requires(Impl & impl, const ExitReason& why) { impl.terminate(why); },
          "terminate(const ExitReason&) must be public and take that");
      static_assert(
          requires { &Names::handle_hibernate; } ||
              requires(Impl & impl) { impl.handle_hibernate(); },
          "handle_hibernate() must be public and take nothing");
      static_assert(
          requires { &Names::debug_state; } ||
              requires(const Impl& impl) { Value{impl.debug_state()}; },
          "debug_state() must be public, const, and give what a Value can be made of");
    }
  }
  template <class... Ts>
  static consteval bool every_message_has_a_handler(Handles<Ts...>) {
    return (has_a_handler<Ts>() && ...);
  }
  template <class T>
  static consteval bool has_a_handler() {
    return requires(Impl & impl, T m) { impl.handle_call(std::move(m)); }
    || requires(Impl & impl, T m) { impl.handle_cast(std::move(m)); }
    || requires(Impl & impl, T m) { impl.handle_info(std::move(m)); }
    || requires(Impl & impl, T m) { impl.handle_continue(std::move(m)); };
  }

  Task<> initialise(Context& context) {
    std::apply([&](Args&... args) { impl_.emplace(std::move(args)...); }, args_);
    if constexpr (requires { impl_->init(); }) {
      using Result = decltype(impl_->init());
      if constexpr (detail::k_is_task<Result>) {
        return finish_init(context, impl_->init());
      } else if constexpr (std::is_void_v<Result>) {
        impl_->init();
      } else {
        return begin(context, *impl_, impl_->init());
      }
    }
    return begin(context, *impl_, Init::ok());
  }

  Task<> finish_init(Context& context, auto init) {
    Init result = Init::ok();
    try {
      if constexpr (std::is_void_v<decltype(init.await_resume())>) {
        co_await init;
      } else {
        result = co_await init;
      }
    } catch (...) {
      give_name_back(context);
      throw;
    }
    Task<> rest = begin(context, *impl_, result);
    if (rest) co_await rest;
  }

  template <class... Ts>
  Task<> dispatch(Context& context, Envelope& envelope, Handles<Ts...>) {
    Task<> task;
    const bool handled =
        try_children(context, envelope, task) || (try_one<Ts>(context, envelope, task) || ...) ||
        try_one<Down>(context, envelope, task) || try_one<Exit>(context, envelope, task) ||
        try_one<ServerTimeout>(context, envelope, task) || handle_system(context, envelope, task);
    if (handled) return task;
    if (envelope.kind() == SignalKind::info) {
      unhandled_info(context, envelope);
      return {};
    }
    context.node().dead_letter(Metric::dead_letters_unhandled, envelope, context.self());
    throw ProcessExit{ExitReason::error("unhandled", envelope.message.type()->name)};
  }

  /// What is about the children of a ParentServer never reaches its other handlers.
  bool try_children(Context& context, Envelope& envelope, Task<>& task) {
    if constexpr (std::derived_from<Impl, ParentServer>) {
      auto message = impl_->take_child_message(envelope);
      if (message.end) {
        task = plain(context, *std::move(message.end), [](Impl& impl, auto&& end) {
          return impl.handle_child_terminated(std::move(end.id), std::move(end.meta), end.pid,
                                              std::move(end.reason));
        });
      }
      return message.handled;
    } else {
      return false;
    }
  }

  template <class T>
  bool try_one(Context& context, Envelope& envelope, Task<>& task) {
    T* message = envelope.message.get<T>();
    if (message == nullptr) return false;
    if (envelope.kind() == SignalKind::call) {
      if constexpr (requires { impl_->handle_call(std::move(*message)); }) {
        task = call(context, std::move(*message));
        return true;
      }
    } else if (envelope.kind() == SignalKind::cast) {
      if constexpr (requires { impl_->handle_cast(std::move(*message)); }) {
        task = plain(context, std::move(*message),
                     [](Impl& impl, T&& asked) { return impl.handle_cast(std::move(asked)); });
        return true;
      }
    } else if constexpr (requires { impl_->handle_info(std::move(*message)); }) {
      task = plain(context, std::move(*message),
                   [](Impl& impl, T&& asked) { return impl.handle_info(std::move(asked)); });
      return true;
    }
    return false;
  }

  template <class T>
  Task<> call(Context& context, T message) {
    using Reply = typename detail::ReplyOf<T>::type;
    using Returned = decltype(impl_->handle_call(std::move(message)));
    if constexpr (detail::k_is_task<Returned>) {
      return answer_later<Reply>(context, impl_->from_, std::move(message));
    } else if constexpr (std::is_void_v<Returned>) {
      impl_->handle_call(std::move(message));
      return answer(context, Message::make<detail::Ok>());
    } else {
      auto returned = impl_->handle_call(std::move(message));
      if constexpr (std::is_same_v<Returned, Reply>) {
        if (impl_->next_ == nullptr) [[likely]] {
          context.reply<Reply>(impl_->from_, std::move(returned));
          return {};
        }
      }
      return answer(context, detail::answer_of<Reply>(std::move(returned)));
    }
  }

  /// A server that stops answers last, after terminate().
  Task<> answer(Context& context, Message message) {
    if (!message) return {};
    if (impl_->next_ != nullptr && impl_->next_->stop) {
      return end(context, *impl_->next_->stop, impl_->from_, std::move(message));
    }
    context.reply_message(impl_->from_, std::move(message));
    return {};
  }

  /// The handler may take what is asked by reference: it lives here.
  template <class Reply, class T>
  Task<> answer_later(Context& context, From from, T asked) {
    using R = typename detail::TaskValue<decltype(impl_->handle_call(std::move(asked)))>::type;
    Message message;
    try {
      Task<R> handler = impl_->handle_call(std::move(asked));
      if constexpr (std::is_void_v<R>) {
        co_await handler;
        message = Message::make<detail::Ok>();
      } else {
        R result = co_await handler;
        message = detail::answer_of<Reply>(std::move(result));
      }
    } catch (...) {
      impl_->stop(exit_reason_of(std::current_exception()));
    }
    impl_->from_ = from;
    Task<> last = answer(context, std::move(message));
    if (last) {
      co_await last;
    } else if (unfinished(*impl_)) {
      co_await finish(context, *impl_);
    }
  }

  template <class T, class Handler>
  Task<> plain(Context& context, T&& message, Handler handler) {
    if constexpr (detail::k_is_task<decltype(handler(*impl_, std::forward<T>(message)))>) {
      return finish_after(context, *impl_, keep(*impl_, std::forward<T>(message), handler));
    } else {
      handler(*impl_, std::forward<T>(message));
      return {};
    }
  }
  /// A coroutine may take its message by reference: this lives as long as it does.
  template <class T, class Handler>
  static Task<> keep(Impl& impl, T message, Handler handler) {
    Task<> task = handler(impl, std::move(message));
    if (task) co_await task;
  }

  Task<> run_continuation(Message message) override {
    Task<> task;
    if (!continue_any(message, task, typename Impl::Handles{})) {
      throw ProcessExit{ExitReason::error("unhandled_continue", message.type()->name)};
    }
    return task;
  }
  template <class... Ts>
  bool continue_any(Message& message, Task<>& task, Handles<Ts...>) {
    return (continue_one<Ts>(message, task) || ...);
  }
  template <class T>
  bool continue_one(Message& message, Task<>& task) {
    if constexpr (requires(T m) { impl_->handle_continue(std::move(m)); }) {
      T* found = message.get<T>();
      if (found == nullptr) return false;
      if constexpr (detail::k_is_task<decltype(impl_->handle_continue(std::move(*found)))>) {
        task = keep(*impl_, std::move(*found),
                    [](Impl& impl, T&& one) { return impl.handle_continue(std::move(one)); });
      } else {
        impl_->handle_continue(std::move(*found));
      }
      return true;
    } else {
      return false;
    }
  }

  State state() override {
    if constexpr (detail::LendsState<Impl>) {
      return {&impl_->state(), &k_message_type<detail::StateOf<Impl>>};
    } else {
      return {};
    }
  }

  Message copy_of_state() override {
    if constexpr (detail::HasState<Impl>) {
      return Message::make<detail::StateOf<Impl>>(impl_->state());
    } else {
      return {};
    }
  }

  std::optional<Value> shown_state() override {
    if (!impl_) return std::nullopt;  // its constructor threw
    if constexpr (requires { Value{std::as_const(*impl_).debug_state()}; }) {
      return std::as_const(*impl_).debug_state();
    } else if constexpr (detail::HasState<Impl>) {
      using Own = detail::StateOf<Impl>;
      if constexpr (std::is_same_v<Own, Value>) return impl_->state();
      if constexpr (detail::Travels<Own>) return to_string(Message::make<Own>(impl_->state()));
    }
    return std::nullopt;
  }

  Task<> run_terminate(const ExitReason& reason) override {
    if constexpr (requires { impl_->terminate(reason); }) {
      if constexpr (detail::k_is_task<decltype(impl_->terminate(reason))>) {
        return impl_->terminate(reason);
      } else {
        impl_->terminate(reason);
      }
    }
    return {};
  }

  Task<> end_children(const ExitReason& reason) override {
    if constexpr (std::derived_from<Impl, ParentServer>) {
      return impl_->ParentServer::shutdown_all(reason);
    }
    return {};
  }

  Task<> run_hibernate() override {
    if constexpr (requires { impl_->handle_hibernate(); }) {
      if constexpr (detail::k_is_task<decltype(impl_->handle_hibernate())>) {
        return impl_->handle_hibernate();
      } else {
        impl_->handle_hibernate();
      }
    }
    return {};
  }

  std::tuple<Args...> args_;
  std::optional<Impl> impl_;
};

}  // namespace grove
