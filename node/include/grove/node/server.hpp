// SPDX-License-Identifier: Apache-2.0
//
// Server: the words of a GenServer: what it derives from, how it is started, who refers to it.
#pragma once

#include "grove/node/context.hpp"

#include <concepts>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace grove {

/// The messages a server answers.
template <class... Messages>
struct Handles {};

/// What handle_call returns to answer later, with reply(from, value). One that answers only now and
/// then returns a std::optional of the reply.
struct NoReply {};

/// What handle_info is given when the time set by timeout_after() has passed.
struct ServerTimeout {};

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

/// How a start of a server went (OTP: ok, ignore, {error, Reason}).
struct StartResult {
  enum class Status : std::uint8_t { ok, ignored, already_started, failed };
  Status status = Status::failed;
  Pid pid;            // the server, or for already_started the one that runs
  ExitReason reason;  // for failed
  [[nodiscard]] bool ok() const noexcept { return status == Status::ok; }
};
[[nodiscard]] std::string to_string(const StartResult& result);

/// How a server is started. Has constructors, so that it is safe in a co_await expression.
struct ServerOptions {
  ServerOptions() {}
  ServerOptions(ServerName server_name) : name{std::move(server_name)} {}
  ServerName name;
  std::string label;  // empty: the class's name
  bool link = true;
  bool trap_exit = false;
  Timeout timeout;          // of the start; none: for ever
  Timeout hibernate_after;  // hibernates when nothing has come for so long; none: never
  Priority priority = Priority::normal;
  MailboxLimit mailbox = {};
};

/// Options of a server with a name.
[[nodiscard]] inline ServerOptions named(ServerName name) { return {std::move(name)}; }

namespace detail {

class ServerBodyBase;

/// What a handler has asked for; see GenServer.
struct NextStep {
  std::optional<ExitReason> stop;
  std::deque<Message> continuations;
  Timeout timeout;
  bool hibernate = false;
};

}  // namespace detail

struct ChildSpec;

class GenServer {
 public:
  using Handles = grove::Handles<>;  // a server's own hides it
  /// How it is supervised when the tree's author says nothing; a server's own hides it.
  static void child_spec(ChildSpec& /*spec*/) {}
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

  // What follows the current handler, or init, when it is done:

  /// This server ends: terminate() runs, then the answer of a call goes out.
  void stop(ExitReason reason = ExitReason::normal()) { next().stop = std::move(reason); }
  /// handle_continue(message) runs, before anything queued. Several run in the order asked for.
  template <class T>
  void continue_with(T message) {
    next().continuations.push_back(Message::make<T>(std::move(message)));
  }
  /// handle_info(ServerTimeout) runs when nothing comes for `time`. Any message cancels it; zero
  /// does not overtake what is queued; a negative one ends the server, `badarg`.
  void timeout_after(Clock::Duration time) { next().timeout = time; }
  /// The process gives back the memory that it keeps for later, and handle_hibernate(), if there
  /// is one, what the server does. Nothing else changes: the next message is handled as ever.
  void hibernate() { next().hibernate = true; }

 private:
  template <class Impl, class... Args>
  friend class ServerBody;
  friend class detail::ServerBodyBase;

  detail::NextStep& next() {
    if (next_ == nullptr) next_ = std::make_unique<detail::NextStep>();
    return *next_;
  }

  Context& context_;
  From from_;
  std::unique_ptr<detail::NextStep> next_;  // null: it goes on as ever
};

namespace detail {

template <class T, class List>
inline constexpr bool k_lists = false;
template <class T, class... Ts>
inline constexpr bool k_lists<T, Handles<Ts...>> = (std::is_same_v<T, Ts> || ...);

/// Whether the class Server takes calls and casts of T, as far as it can be seen here.
template <class Server, class T>
struct Answers {
  template <class S>
  static consteval bool call(S* server) {
    return requires(T message) { server->handle_call(std::move(message)); };
  }
  template <class S>
  static consteval bool cast(S* server) {
    return requires(T message) { server->handle_cast(std::move(message)); };
  }
  static constexpr bool k_listed = k_lists<T, typename Server::Handles>;
  static constexpr bool k_is_server = std::is_base_of_v<GenServer, Server>;
  static constexpr bool k_calls = k_listed && (!k_is_server || call<Server>(nullptr));
  static constexpr bool k_casts = k_listed && (!k_is_server || cast<Server>(nullptr));
};

}  // namespace detail

/// A reference to a server of the class Impl: calls and casts through it compile only when Impl
/// handles them. Impl may also be any other type with `Handles`: a server's interface, without it.
template <class Impl>
class ServerOf {
 public:
  explicit ServerOf(ServerRef server) : ref_{std::move(server)} {}
  [[nodiscard]] const ServerRef& ref() const noexcept { return ref_; }
  /// The same; does not compile when the server does not answer calls of T.
  template <class T>
  [[nodiscard]] const ServerRef& ref_for_calls() const noexcept {
    static_assert(detail::Answers<Impl, T>::k_calls,
                  "this server does not answer calls of this message: it needs the type in its "
                  "Handles, and a public handle_call for it");
    return ref_;
  }
  template <class T>
  [[nodiscard]] const ServerRef& ref_for_casts() const noexcept {
    static_assert(detail::Answers<Impl, T>::k_casts,
                  "this server takes no casts of this message: it needs the type in its Handles, "
                  "and a public handle_cast for it");
    return ref_;
  }

 private:
  ServerRef ref_;
};

}  // namespace grove
