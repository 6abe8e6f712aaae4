// SPDX-License-Identifier: Apache-2.0
//
// GenServer: a process that answers calls, one message at a time.
//
//   class Counter : public grove::GenServer {
//    public:
//     using Handles = grove::Handles<Read, Bump>;
//     explicit Counter(int start) : count_{start} {}
//     int handle_call(Read) { return count_; }
//     void handle_cast(Bump bump) { count_ += bump.by; }
//    private:
//     int count_;
//   };
//
// What a server may have: `Handles`; handle_call / handle_cast / handle_info for types in it;
// handle_info(Down) and handle_info(Exit); `init()`; `terminate(const ExitReason&)`. Each may be a
// plain function or a coroutine (Task<...>); while a coroutine waits, its server handles nothing
// else. The constructor and all of these run in the server's process; an exception ends it.
// A plain message of a type that it does not handle is a dead letter, logged once per type and
// process (OTP logs each); a cast or call of such a type ends the server.
// To show its state: `debug_state()` or `state()`, see sys.hpp.
//
// Source: OTP gen_server; semantics.md GEN-*.
#pragma once

#include "grove/node/context.hpp"
#include "grove/node/node.hpp"

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace grove {

/// The messages a server answers.
template <class... Messages>
struct Handles {};

/// What handle_call returns to answer later, with reply(from, value).
struct NoReply {};

/// What init() may return: go on, end without an error, or end with one.
class Init {
 public:
  static Init ok() { return {}; }
  static Init ignore() { return Init{true, {}}; }
  static Init stop(ExitReason reason) { return Init{false, std::move(reason)}; }
  [[nodiscard]] bool ignored() const noexcept { return ignored_; }
  [[nodiscard]] const std::optional<ExitReason>& stopped() const noexcept { return stopped_; }

 private:
  Init() = default;
  Init(bool ignored, std::optional<ExitReason> stopped)
      : ignored_{ignored}, stopped_{std::move(stopped)} {}
  bool ignored_ = false;
  std::optional<ExitReason> stopped_;
};

/// How a server is started. Has constructors, so that it is safe in a co_await expression.
struct ServerOptions {
  ServerOptions() {}
  ServerOptions(std::string server_name, Scope name_scope)
      : name{std::move(server_name)}, scope{name_scope} {}
  std::string name;  // empty: none
  Scope scope = Scope::local;
  std::string label;  // empty: the class's name
  bool link = true;
  Timeout timeout;  // of the start; none: for ever
};

/// Options of a server with a name.
[[nodiscard]] inline ServerOptions named(std::string name, Scope scope = Scope::local) {
  return {std::move(name), scope};
}

/// How a start of a server went (OTP: ok, ignore, {error, Reason}).
struct StartResult {
  enum class Status : std::uint8_t { ok, ignored, already_started, failed };
  Status status = Status::failed;
  Pid pid;            // the server, or for already_started the one that runs
  ExitReason reason;  // for failed
  [[nodiscard]] bool ok() const noexcept { return status == Status::ok; }
};
[[nodiscard]] std::string to_string(const StartResult& result);

class GenServer {
 public:
  GenServer(const GenServer&) = delete;
  GenServer& operator=(const GenServer&) = delete;
  virtual ~GenServer() = default;

 protected:
  GenServer() : context_{Context::current()} {}

  [[nodiscard]] Context& context() const noexcept { return context_; }
  [[nodiscard]] Pid self() const noexcept { return context_.self(); }
  [[nodiscard]] Node& node() const noexcept { return context_.node(); }
  /// Who waits for the call being handled; keep it to answer later.
  [[nodiscard]] const From& from() const noexcept { return from_; }
  template <class T>
  void reply(const From& to, T value) {
    context_.reply(to, std::move(value));
  }
  /// Ends this server when the current handler is done; terminate() runs first.
  void stop(ExitReason reason = ExitReason::normal()) { stop_reason_ = std::move(reason); }

 private:
  template <class Impl, class... Args>
  friend class ServerBody;
  Context& context_;
  From from_;
  std::optional<ExitReason> stop_reason_;
};

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

/// A server that shows its state to sys.hpp.
template <class Impl>
concept HasState = requires(Impl& impl) {
  requires std::is_lvalue_reference_v<decltype(impl.state())>;
  requires std::copyable<std::remove_reference_t<decltype(impl.state())>>;
};
template <HasState Impl>
using StateOf = std::remove_reference_t<decltype(std::declval<Impl&>().state())>;

/// What is the same for all servers: names, the starter's answer, system messages (sys.hpp).
class ServerBodyBase : public Body {
 public:
  explicit ServerBodyBase(ServerOptions options) : options_{std::move(options)} {}
  void set_starter(From starter) noexcept { starter_ = starter; }
  [[nodiscard]] const ServerOptions& options() const noexcept { return options_; }
  [[nodiscard]] bool is_server() const noexcept final { return true; }
  [[nodiscard]] bool suspended() const noexcept final { return suspended_; }

 protected:
  /// The server's own state; null: it shows none.
  struct State {
    void* object = nullptr;
    const MessageType* type = nullptr;
  };
  virtual State state() = 0;
  /// As a term for people.
  virtual std::optional<Value> shown_state() = 0;
  /// Runs terminate() and ends the process.
  virtual Task<> end(Context& context, ExitReason reason) = 0;
  /// Returns: whether it was one; then `task` is what is left to do.
  bool handle_system(Context& context, Envelope& envelope, Task<>& task);
  /// Takes the server's name. Returns: false when it is taken; the starter has been told.
  bool take_name(Context& context);
  void started(Context& context) { answer(context, StartResult::Status::ok, context.self()); }
  void ignored(Context& context);
  /// Counts it; the first of each type is logged, for this process.
  void unhandled_info(Context& context, const Envelope& envelope);

 private:
  void answer(Context& context, StartResult::Status status, const Pid& pid);
  void drop_name(Context& context);
  Message use_state(const SysRequest& request);
  Task<> stay_suspended(Context& context);
  ServerOptions options_;
  From starter_;
  std::vector<const MessageType*> unhandled_;  // types that were logged
  bool suspended_ = false;
};

/// Starts `body` as a process and waits for its init.
Task<StartResult> start_server(Context& context, std::unique_ptr<ServerBodyBase> body);

}  // namespace detail

template <class Impl, class... Args>
class ServerBody final : public detail::ServerBodyBase {
 public:
  template <class... As>
  explicit ServerBody(ServerOptions options, As&&... args)
      : ServerBodyBase{std::move(options)}, args_{std::forward<As>(args)...} {}

  Task<> start(Context& context) override {
    if (!take_name(context)) return {};
    std::apply([&](Args&... args) { impl_.emplace(std::move(args)...); }, args_);
    if constexpr (requires { impl_->init(); }) {
      using Result = decltype(impl_->init());
      if constexpr (detail::k_is_task<Result>) {
        return finish_init(context, impl_->init());
      } else if constexpr (std::is_void_v<Result>) {
        impl_->init();
      } else {
        end_init(context, impl_->init());
        return {};
      }
    }
    end_init(context, Init::ok());
    return {};
  }

  Task<> handle(Context& context, Envelope& envelope) override {
    impl_->from_ = From{envelope.from, envelope.serial};
    if (const auto* exit = envelope.message.get<Exit>(); exit != nullptr) {
      // The parent's end is ours, whatever the server handles.
      if (exit->from == context.parent()) return end(context, exit->reason);
    } else if (auto* stop = envelope.message.get<detail::StopServer>(); stop != nullptr) {
      return end(context, stop->reason);
    }
    try {
      Task<> task = dispatch(context, envelope, typename Impl::Handles{});
      if (task) return task;
    } catch (...) {
      return end(context, exit_reason_of(std::current_exception()));
    }
    return end_if_asked(context);
  }

 private:
  Task<> finish_init(Context& context, auto init) {
    if constexpr (std::is_void_v<decltype(init.await_resume())>) {
      co_await init;
      end_init(context, Init::ok());
    } else {
      const Init result = co_await init;
      end_init(context, result);
    }
  }

  void end_init(Context& context, const Init& init) {
    if (init.ignored()) {
      ignored(context);
      context.stop(ExitReason::normal());
    } else if (init.stopped()) {
      context.stop(*init.stopped());
    } else if (impl_->stop_reason_) {
      context.stop(*impl_->stop_reason_);
    } else {
      started(context);
    }
  }

  template <class... Ts>
  Task<> dispatch(Context& context, Envelope& envelope, Handles<Ts...>) {
    Task<> task;
    const bool handled =
        (try_one<Ts>(context, envelope, task) || ...) || try_one<Down>(context, envelope, task) ||
        try_one<Exit>(context, envelope, task) || handle_system(context, envelope, task);
    if (handled) return task;
    if (envelope.kind() == SignalKind::info) {
      unhandled_info(context, envelope);
      return {};
    }
    context.node().dead_letter(Metric::dead_letters_unhandled, envelope, context.self());
    throw ProcessExit{ExitReason::error("unhandled", envelope.message.type()->name)};
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
        task = plain(context, [&] { return impl_->handle_cast(std::move(*message)); });
        return true;
      }
    } else if constexpr (requires { impl_->handle_info(std::move(*message)); }) {
      task = plain(context, [&] { return impl_->handle_info(std::move(*message)); });
      return true;
    }
    return false;
  }

  template <class T>
  Task<> call(Context& context, T message) {
    using Returned = decltype(impl_->handle_call(std::move(message)));
    if constexpr (detail::k_is_task<Returned>) {
      return answer_later(context, impl_->from_, impl_->handle_call(std::move(message)));
    } else if constexpr (std::same_as<Returned, NoReply>) {
      impl_->handle_call(std::move(message));
    } else if constexpr (std::is_void_v<Returned>) {
      impl_->handle_call(std::move(message));
      context.reply(impl_->from_);
    } else {
      using Reply = typename detail::ReplyOf<T>::type;
      static_assert(std::convertible_to<Returned, Reply>,
                    "handle_call must return the message's `Reply`, a Task of it, or NoReply");
      context.reply<Reply>(impl_->from_, impl_->handle_call(std::move(message)));
    }
    return {};
  }

  template <class R>
  Task<> answer_later(Context& context, From from, Task<R> handler) {
    try {
      if constexpr (std::is_void_v<R>) {
        co_await handler;
        context.reply(from);
      } else if constexpr (std::same_as<R, NoReply>) {
        co_await handler;
      } else {
        R result = co_await handler;
        context.reply<R>(from, std::move(result));
      }
    } catch (...) {
      impl_->stop_reason_ = exit_reason_of(std::current_exception());
    }
    Task<> last = end_if_asked(context);
    if (last) co_await last;
  }

  Task<> plain(Context& context, auto&& handler) {
    if constexpr (detail::k_is_task<decltype(handler())>) {
      return run_handler(context, handler());
    } else {
      handler();
      return {};
    }
  }

  Task<> run_handler(Context& context, Task<> handler) {
    try {
      co_await handler;
    } catch (...) {
      impl_->stop_reason_ = exit_reason_of(std::current_exception());
    }
    Task<> last = end_if_asked(context);
    if (last) co_await last;
  }

  Task<> end_if_asked(Context& context) {
    if (!impl_->stop_reason_) return {};
    return end(context, *impl_->stop_reason_);
  }

  State state() override {
    if constexpr (detail::HasState<Impl>) {
      return {&impl_->state(), &k_message_type<detail::StateOf<Impl>>};
    } else {
      return {};
    }
  }

  std::optional<Value> shown_state() override {
    if constexpr (requires { Value{std::as_const(*impl_).debug_state()}; }) {
      return std::as_const(*impl_).debug_state();
    } else if constexpr (detail::HasState<Impl>) {
      using Own = detail::StateOf<Impl>;
      if constexpr (detail::Travels<Own>) return to_string(Message::make<Own>(impl_->state()));
    }
    return std::nullopt;
  }

  Task<> end(Context& context, ExitReason reason) override {
    if constexpr (requires { impl_->terminate(reason); }) {
      if constexpr (detail::k_is_task<decltype(impl_->terminate(reason))>) {
        return terminate_and_stop(context, std::move(reason));
      } else {
        impl_->terminate(reason);
      }
    }
    context.stop(reason);
    return {};
  }

  Task<> terminate_and_stop(Context& context, ExitReason reason) {
    co_await impl_->terminate(reason);
    context.stop(reason);
  }

  std::tuple<Args...> args_;
  std::optional<Impl> impl_;
};

/// Starts a server and waits until its init is done. Linked to the caller unless options say not.
/// A failed start of a linked server also sends its exit over the link, as OTP's does.
template <std::derived_from<GenServer> Impl, class... Args>
[[nodiscard]] Task<StartResult> start_server(Context& context, ServerOptions options,
                                             Args... args) {
  if (options.label.empty()) options.label = detail::type_name<Impl>();
  return detail::start_server(
      context, std::make_unique<ServerBody<Impl, Args...>>(std::move(options), std::move(args)...));
}
template <std::derived_from<GenServer> Impl, class... Args>
[[nodiscard]] Task<StartResult> start_link(Context& context, Args... args) {
  return start_server<Impl>(context, ServerOptions{}, std::move(args)...);
}

/// Asks a server to end with `reason` and waits until it has. Throws ProcessExit: noproc,
/// noconnection, timeout, or the reason it ended with instead.
[[nodiscard]] Task<> stop_server(Context& context, Pid server,
                                 ExitReason reason = ExitReason::normal(),
                                 Timeout timeout = std::nullopt);

}  // namespace grove

GROVE_MESSAGE(grove::detail::StopServer, "grove.stop_server", reason)
