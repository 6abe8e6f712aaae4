// SPDX-License-Identifier: Apache-2.0
#include "grove/node/gen_server.hpp"

#include "process.hpp"

#include <algorithm>

namespace grove {

std::string to_string(const StartResult& result) {
  switch (result.status) {
    case StartResult::Status::ok: return "ok " + to_string(result.pid);
    case StartResult::Status::ignored: return "ignore";
    case StartResult::Status::already_started: return "already_started " + to_string(result.pid);
    case StartResult::Status::failed: return "failed: " + to_string(result.reason);
  }
  return "";
}

namespace detail {

bool ServerBodyBase::take_name(Context& context) {
  if (options_.name.empty()) return true;
  auto taken = context.register_name(options_.name, context.self(), options_.scope);
  auto holder = context.whereis(options_.name, options_.scope);
  while (!taken && taken.error().code == Errc::name_taken && !holder) {
    // Its holder has gone in between: the name is free now.
    taken = context.register_name(options_.name, context.self(), options_.scope);
    holder = context.whereis(options_.name, options_.scope);
  }
  if (taken) return true;
  if (taken.error().code == Errc::name_taken) {
    answer(context, StartResult::Status::already_started, *holder);
    context.unlink(context.parent());  // a starter hears of this by the answer alone
    context.stop(ExitReason::normal());
  } else {
    context.stop(ExitReason{Value::tuple({Value::symbol("bad_name"), taken.error().detail})});
  }
  return false;
}

void ServerBodyBase::ignored(Context& context) {
  drop_name(context);  // free before the starter goes on
  answer(context, StartResult::Status::ignored, {});
}

void ServerBodyBase::drop_name(Context& context) {
  if (!options_.name.empty()) context.unregister_name(options_.name, options_.scope);
}

void ServerBodyBase::answer(Context& context, StartResult::Status status, const Pid& pid) {
  if (starter_.serial != 0) context.reply(starter_, StartAck{status, pid});
}

void ServerBodyBase::unhandled_info(Context& context, const Envelope& envelope) {
  context.node().dead_letter(Metric::dead_letters_unhandled, envelope, context.self());
  const MessageType* const type = envelope.message.type();
  if (std::find(unhandled_.begin(), unhandled_.end(), type) != unhandled_.end()) return;
  unhandled_.push_back(type);
  context.node().log().warning(
      options_.label + ' ' + to_string(context.self()) +
      " got a message that it does not handle: " + to_string(envelope.message));
}

// The server's StartAck is the answer to a call that began with the spawn, so a server that dies
// in its init, or hangs there, is told apart without a message that could stray.
Task<StartResult> start_server(Context& context, std::unique_ptr<ServerBodyBase> body) {
  const std::uint64_t serial = context.make_ref().serial;
  const Timeout timeout = body->options().timeout;
  body->set_starter({context.self(), serial});
  SpawnOptions options;
  options.link = body->options().link;
  options.label = body->options().label;
  options.start_serial = serial;
  const Pid pid = context.spawn_body(std::move(options), std::move(body)).pid;
  StartResult result;
  try {
    Call<StartAck> start{context, serial, timeout};
    const StartAck ack = co_await std::move(start);
    result.status = ack.status;
    result.pid = ack.pid;
  } catch (const ProcessExit& failed) {
    result.reason = failed.reason();
    if (context.node().is_alive(pid)) {  // it timed out: nothing half-started stays behind
      context.unlink(pid);
      context.exit(pid, ExitReason::kill());
    }
  }
  co_return result;
}

}  // namespace detail

Task<> stop_server(Context& context, Pid server, ExitReason reason, Timeout timeout) {
  const Ref ref = context.monitor(server);
  context.send(server, detail::StopServer{reason});
  const auto is_its_end = [ref](const Down& down) { return down.ref == ref; };
  std::optional<Down> down;
  if (timeout) {
    down = co_await context.receive_for<Down>(*timeout, is_its_end);
  } else {
    down = co_await context.receive<Down>(is_its_end);
  }
  if (!down) {
    context.demonitor(ref, Flush::yes);
    throw ProcessExit{ExitReason::symbol("timeout")};
  }
  if (down->reason != reason) throw ProcessExit{down->reason};
}

}  // namespace grove
