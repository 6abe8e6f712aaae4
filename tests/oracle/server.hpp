// SPDX-License-Identifier: Apache-2.0
//
// Server: the scripted GenServer. SPEC.md, section 6.
#pragma once

#include "grove/node/gen_server.hpp"

#include "actor.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>

namespace grove::oracle {

/// A CMD of the language, as a call, a cast or a plain message.
struct Command {
  using Reply = Value;
  Pid from;
  std::string text;
};

/// What the `late` command sends its own server.
struct Late {
  std::uint64_t number = 0;
  From caller;
  Value value;
};

class Server : public GenServer {
 public:
  using Handles = grove::Handles<Command, Op, Late, Value, ScriptMessage, BurstMessage, TimerFired,
                                 TaskReply<Value>>;

  /// `init` is an INIT word of the language.
  Server(World* world, std::string name, std::string init);

  Task<Init> init();
  std::optional<Value> handle_call(Command command);
  void handle_cast(Command command);
  void handle_info(Command command);
  void handle_continue(Value value);
  void handle_info(Late late);
  void handle_info(ServerTimeout);
  Task<> handle_info(Op op);
  template <class T>
  void handle_info(T message) {
    timeout_.reset();
    received(self_, Message::make<T>(std::move(message)));
  }
  void terminate(const ExitReason& reason);
  Value& state() { return value_; }

 protected:
  /// One that others name. It does nothing of its own in init.
  explicit Server(World* world) : self_{context(), *world} {}
  [[nodiscard]] World& world() const noexcept { return self_.world; }

 private:
  void own(const std::string& text);
  void time_out_after(const std::string& milliseconds);
  void answer_later(const std::string& milliseconds, Value value);
  /// What a cast or a plain message asks for.
  void obey(const std::string& kind, const Command& command);
  void release(const Value& value);

  Self self_;
  std::string init_;
  Value value_ = Symbol{"s0"};
  std::deque<From> waiting_;
  std::optional<Awaited> timeout_;
  std::map<std::uint64_t, Awaited> late_;  // answers to come
  std::uint64_t last_late_ = 0;
};

}  // namespace grove::oracle

GROVE_MESSAGE(grove::oracle::Command, "oracle.command", from, text)
