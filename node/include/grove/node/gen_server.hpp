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
// What a server may have: `Handles`; handle_call / handle_cast / handle_info / handle_continue for
// types in it; handle_info(Down), handle_info(Exit) and handle_info(ServerTimeout); `init()`;
// `terminate(const ExitReason&)`; `handle_hibernate()`. Each may be a plain function or a coroutine
// (Task<...>); while a coroutine waits, its server handles nothing else. The constructor and all of
// these run in the server's process; an exception ends it, after terminate(). Callbacks that are
// private, or take something else, do not compile.
// A plain message of a type that it does not handle is a dead letter, logged once per type and
// process (OTP logs each); a cast or call of such a type ends the server.
// To show its state: `debug_state()` or `state()`, see sys.hpp.
//
// Source: OTP gen_server; semantics.md GEN-*.
#pragma once

#include "grove/node/server_body.hpp"

#include <concepts>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace grove {

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

/// Asks a server to end with `reason` and waits until it has; a full mailbox takes the request all
/// the same. Throws ProcessExit: noproc, {nodedown, Node}, timeout (the request stays), or the
/// reason it ended with instead.
[[nodiscard]] Task<> stop_server(Context& context, ServerRef server,
                                 ExitReason reason = ExitReason::normal(),
                                 Timeout timeout = std::nullopt);

/// What multi_call() gathers: the answers by node, and the nodes without one, both in the order
/// asked.
template <class Reply>
struct MultiReply {
  std::vector<std::pair<std::string, Reply>> replies = {};
  std::vector<std::string> bad_nodes = {};
};

/// Calls the servers of one local name on several nodes at once, for at most `timeout` in all.
/// A late answer never reaches the mailbox. Source: OTP gen_server:multi_call/4.
template <std::copy_constructible T>
[[nodiscard]] Task<MultiReply<typename T::Reply>> multi_call(Context& context,
                                                             std::vector<std::string> nodes,
                                                             std::string name, Timeout timeout,
                                                             T request) {
  using Reply = typename T::Reply;
  const Clock::TimePoint deadline = detail::deadline_in(context, timeout);
  std::vector<std::optional<Request<Reply>>> open(nodes.size());
  for (std::size_t at = 0; at < nodes.size(); ++at) {
    const RemoteName server{name, nodes[at]};
    try {
      open[at] = context.send_request<T>(server, request);
    } catch (const ProcessExit&) {
      // It is the caller itself: as a node without an answer.
    }
  }
  MultiReply<Reply> result;
  for (std::size_t at = 0; at < nodes.size(); ++at) {
    if (!open[at]) {
      result.bad_nodes.push_back(nodes[at]);
      continue;
    }
    try {
      auto answer = context.receive_response(
          *std::move(open[at]), timeout ? Timeout{detail::left(context, deadline)} : Timeout{});
      Reply reply = co_await std::move(answer);
      result.replies.emplace_back(nodes[at], std::move(reply));
    } catch (const ProcessExit&) {
      result.bad_nodes.push_back(nodes[at]);
    }
  }
  co_return result;
}

}  // namespace grove

GROVE_MESSAGE(grove::detail::StopServer, "grove.stop_server", reason)
