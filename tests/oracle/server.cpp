// SPDX-License-Identifier: Apache-2.0
#include "server.hpp"

#include <stdexcept>
#include <utility>
#include <vector>

namespace grove::oracle {
namespace {

/// A CMD's or INIT's word and what follows it: `late:20:x`.
struct Words {
  explicit Words(const std::string& text) {
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t end = std::min(text.find(':', begin), text.size());
      parts.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  [[nodiscard]] bool is(std::string_view word) const { return parts.front() == word; }
  [[nodiscard]] const std::string& at(std::size_t index) const { return parts.at(index); }
  [[nodiscard]] Value value(std::size_t index) const { return parse_value(at(index)); }
  [[nodiscard]] ExitReason reason(std::size_t index) const { return ExitReason{value(index)}; }
  std::vector<std::string> parts;
};

[[noreturn]] void raise(const Self& self, const Words& words) {
  throw std::runtime_error{self.world.recorder().text_of(words.value(1))};
}

}  // namespace

Server::Server(World* world, std::string name, std::string init)
    : self_{context(), *world}, init_{std::move(init)} {
  world->recorder().name(self(), name);
}

Task<Init> Server::init() {
  co_await context().call_for<WatchFor>(std::nullopt, self_.world.watcher(), self());
  const Words words{init_};
  if (words.is("ignore")) co_return Init::ignore();
  if (words.is("stop")) co_return Init::stop(words.reason(1));
  if (words.is("raise")) raise(self_, words);
  if (words.is("exit")) context().exit(words.reason(1));
  if (words.is("continue")) continue_with(words.value(1));
  if (words.is("timeout")) time_out_after(words.at(1));
  co_return Init::ok();
}

std::optional<Value> Server::handle_call(Command command) {
  timeout_.reset();
  const Words words{command.text};
  if (words.is("echo")) return words.value(1);
  if (words.is("get")) return value_;
  if (words.is("set")) return std::exchange(value_, words.value(1));
  if (words.is("defer")) waiting_.push_back(from());
  if (words.is("late")) answer_later(words.at(1), words.value(2));
  if (words.is("raise")) raise(self_, words);
  if (words.is("exit")) context().exit(words.reason(1));
  if (words.is("stop_noreply")) stop(words.reason(1));
  if (words.is("stop")) {
    stop(words.reason(1));
    return words.value(2);
  }
  if (words.is("continue")) {
    continue_with(words.value(1));
    return Symbol{"ok"};
  }
  if (words.is("timeout")) {
    time_out_after(words.at(1));
    return Symbol{"ok"};
  }
  return std::nullopt;
}

void Server::handle_cast(Command command) { obey("cast", command); }
void Server::handle_info(Command command) { obey("info", command); }

void Server::obey(const std::string& kind, const Command& command) {
  timeout_.reset();
  const std::string from = self_.world.recorder().text_of(command.from);
  self_.world.recorder().add({.kind = Event::Kind::received,
                              .pid = self(),
                              .source = from,
                              .text = kind + " " + command.text + " from " + from});
  const Words words{command.text};
  if (words.is("set")) value_ = words.value(1);
  if (words.is("release")) release(words.value(1));
  if (words.is("stop")) stop(words.reason(1));
  if (words.is("continue")) continue_with(words.value(1));
  if (words.is("timeout")) time_out_after(words.at(1));
  if (words.is("raise")) raise(self_, words);
  if (words.is("exit")) context().exit(words.reason(1));
}

void Server::release(const Value& value) {
  if (waiting_.empty()) return own("release none");
  reply(waiting_.front(), value);
  waiting_.pop_front();
}

void Server::handle_continue(Value value) {
  own("continue " + self_.world.recorder().text_of(value));
}

void Server::handle_info(Late late) {
  timeout_.reset();
  late_.erase(late.number);
  own("late " + self_.world.recorder().text_of(late.value));
  reply(late.caller, std::move(late.value));
}

void Server::handle_info(ServerTimeout) {
  timeout_.reset();
  own("timeout");
}

Task<> Server::handle_info(Op op) {
  timeout_.reset();
  co_await execute(&self_, std::move(op));
}

void Server::terminate(const ExitReason& reason) {
  own("terminate " + self_.world.recorder().text_of(reason));
}

void Server::own(const std::string& text) {
  self_.world.recorder().add({.kind = Event::Kind::own, .pid = self(), .text = text});
}

void Server::time_out_after(const std::string& milliseconds) {
  const std::chrono::milliseconds time{parse_integer(milliseconds)};
  if (time < k_awaited_below) timeout_.emplace(self_.world, time);
  timeout_after(time);
}

void Server::answer_later(const std::string& milliseconds, Value value) {
  const std::chrono::milliseconds delay{parse_integer(milliseconds)};
  if (delay < k_awaited_below) late_.try_emplace(++last_late_, self_.world, delay);
  context().send_after(delay, self(), Late{last_late_, from(), std::move(value)});
}

}  // namespace grove::oracle
