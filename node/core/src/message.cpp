// SPDX-License-Identifier: Apache-2.0
#include "grove/core/message.hpp"

#include "grove/core/check.hpp"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <unordered_map>

namespace grove {
namespace {

/// Filled during static initialisation, only read afterwards.
std::unordered_map<std::uint64_t, const MessageType*>& types() {
  static auto& instance = *new std::unordered_map<std::uint64_t, const MessageType*>;
  return instance;
}

std::mutex& types_mutex() {
  static auto& instance = *new std::mutex;
  return instance;
}

/// Prints a message field by field.
class TextWriter final : public Writer {
 public:
  std::string text;

  void nil() override { item("nil"); }
  void boolean(bool value) override { item(value ? "true" : "false"); }
  void integer(std::int64_t value) override { item(std::to_string(value)); }
  void natural(std::uint64_t value) override { item(std::to_string(value)); }
  void real(double value) override { item(to_string(Value{value})); }
  void string(std::string_view value) override { item(to_string(Value{value})); }
  void symbol(std::string_view value) override { item(value); }
  void bytes(std::span<const std::byte> value) override {
    item("<<" + std::to_string(value.size()) + " bytes>>");
  }
  void pid(const Pid& value) override { item(to_string(value)); }
  void ref(const Ref& value) override { item(to_string(value)); }
  void array(std::size_t size) override { open(size, '{', '}'); }
  void tuple(std::size_t size) override { open(size, '{', '}'); }
  void map(std::size_t size) override { open(2 * size, '<', '>'); }

 private:
  struct Level {
    std::size_t left;
    char close;
  };
  void open(std::size_t size, char opener, char closer) {
    separate();
    text += opener;
    levels_.push_back({size, closer});
    close_full();
  }
  void item(std::string_view value) {
    separate();
    text += value;
    close_full();
  }
  void separate() {
    if (levels_.empty()) return;
    if (text.back() != '{' && text.back() != '<') text += ',';
    --levels_.back().left;
  }
  void close_full() {
    while (!levels_.empty() && levels_.back().left == 0) {
      text += levels_.back().close;
      levels_.pop_back();
    }
  }
  std::vector<Level> levels_;
};

}  // namespace

namespace detail {

bool register_message_type(const MessageType& type) {
  const std::lock_guard lock{types_mutex()};
  const auto [place, inserted] = types().try_emplace(type.wire_id, &type);
  if (!inserted && place->second != &type) {
    std::fprintf(stderr,
                 "grove: the message names \"%.*s\" and \"%.*s\" give the same wire id; "
                 "rename one of them\n",
                 static_cast<int>(type.name.size()), type.name.data(),
                 static_cast<int>(place->second->name.size()), place->second->name.data());
    std::abort();
  }
  return true;
}

namespace {

bool register_builtins() {
#define GROVE_DETAIL_REGISTER(Type, name) register_message_type(k_message_type<Type>);
  GROVE_DETAIL_BUILTINS(GROVE_DETAIL_REGISTER)
#undef GROVE_DETAIL_REGISTER
  return true;
}
[[maybe_unused]] const bool k_builtins_registered = register_builtins();

}  // namespace
}  // namespace detail

const MessageType* find_message_type(std::uint64_t wire_id) noexcept {
  const std::lock_guard lock{types_mutex()};
  const auto place = types().find(wire_id);
  return place != types().end() ? place->second : nullptr;
}

Message Message::make_default(const MessageType& type) {
  GROVE_CHECK(type.make != nullptr);
  Message message;
  void* made = type.make();
  if (type.boxed) {
    std::memcpy(message.storage_, &made, sizeof made);
  } else {
    type.relocate(message.storage_, made);
    detail::deallocate(made, type.size);
  }
  message.type_ = &type;
  return message;
}

void Message::destroy() noexcept {
  if (!type_->boxed) {
    type_->destroy(storage_);
    return;
  }
  void* boxed = object();
  type_->destroy(boxed);
  detail::deallocate(boxed, type_->size);
}

std::string to_string(const Message& message) {
  if (!message) return "nothing";
  const MessageType& type = *message.type();
  if (type.write == nullptr) return std::string{type.name};
  TextWriter out;
  type.write(out, const_cast<Message&>(message).object());
  return std::string{type.name} + out.text;
}

}  // namespace grove
