// SPDX-License-Identifier: Apache-2.0
//
// Message: one value of any type on its way to a process. Move-only; 24 bytes stay inline, larger
// ones are boxed. Its type is a table of functions, so sending costs no virtual call and no copy.
//
// Only messages that may travel to another node need a declaration, at global scope:
//
//   struct Deposit { std::string account; int amount = 0; };
//   GROVE_MESSAGE(Deposit, "bank.deposit", account, amount)
//
// The literal is the wire name; its 64-bit FNV-1a hash is the wire id. Two names with one hash end
// the program at its start. Fields may be appended later, with defaults; never removed or moved.
#pragma once

#include "grove/core/wire.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace grove {

/// What Grove knows of a message type.
struct MessageType {
  std::string_view name;  // the wire name, or the compiler's name of a local type
  std::uint64_t wire_id;  // 0: may not leave this node
  std::uint32_t size;
  bool boxed;
  bool trivial;                            // may be moved and dropped as raw bytes
  void (*destroy)(void* object);           // of the object itself
  void (*relocate)(void* to, void* from);  // move-construct, destroy the source; inline only
  void* (*make)();                         // a boxed default, to be read into; null when local
  void (*write)(Writer& out, const void* object);
  void (*read)(Reader& in, void* object);
};

[[nodiscard]] constexpr std::uint64_t wire_id_of(std::string_view name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3U;
  }
  return hash;
}

namespace detail {

[[nodiscard]] void* allocate(std::size_t size);
void deallocate(void* memory, std::size_t size) noexcept;
/// What allocate() really took for `memory`.
[[nodiscard]] std::size_t allocated_size(const void* memory) noexcept;

template <class T>
inline const bool k_registered = false;  // specialised by GROVE_MESSAGE, which registers the type

/// Calls `visitor` with all fields; spares the macro a trailing comma.
template <class Visitor, class... Fields>
void visit_fields(Visitor& visitor, Fields&... fields) {
  visitor(fields...);
}

/// Makes a declared type known to the decoder. Ends the program when its id is taken.
bool register_message_type(const MessageType& type);

template <class T>
consteval std::string_view type_name() {
  constexpr std::string_view text = __PRETTY_FUNCTION__;
#if defined(__clang__)
  constexpr std::string_view open = "T = ";
  constexpr std::string_view close = "]";
#else
  constexpr std::string_view open = "T = ";
  constexpr std::string_view close = ";";
#endif
  const auto begin = text.find(open) + open.size();
  return text.substr(begin, text.find_first_of(close, begin) - begin);
}

inline constexpr std::size_t k_inline_size = 24;

/// Types that travel without a declaration, as messages and above all as replies.
template <class T>
inline constexpr std::string_view k_builtin_name{};
#define GROVE_DETAIL_BUILTINS(apply)                                                              \
  apply(bool, "bool") apply(std::int32_t, "i32") apply(std::uint32_t, "u32")                      \
      apply(std::int64_t, "i64") apply(std::uint64_t, "u64") apply(double, "f64") apply(          \
          std::string, "string") apply(Symbol, "symbol") apply(Value, "value") apply(Pid, "pid")  \
          apply(Ref, "ref") apply(std::vector<std::byte>, "bytes") apply(Bytes, "blob")           \
              apply(std::vector<std::int64_t>, "list.i64") apply(std::vector<double>, "list.f64") \
                  apply(std::vector<std::string>, "list.string")                                  \
                      apply(std::vector<Value>, "list.value") apply(std::vector<Pid>, "list.pid")
#define GROVE_DETAIL_NAME(Type, name) \
  template <>                         \
  inline constexpr std::string_view k_builtin_name<Type>{name};
GROVE_DETAIL_BUILTINS(GROVE_DETAIL_NAME)
#undef GROVE_DETAIL_NAME

template <class T>
concept Travels = wire::Declared<T> || !k_builtin_name<T>.empty();

template <class T>
inline constexpr bool k_boxed = sizeof(T) > k_inline_size || alignof(T) > 8 ||
                                !std::is_nothrow_move_constructible_v<T>;

/// A T in memory of allocate().
template <class T, class... Args>
[[nodiscard]] void* create(Args&&... args) {
  void* const memory = allocate(sizeof(T));
  try {
    return ::new (memory) T{std::forward<Args>(args)...};
  } catch (...) {
    deallocate(memory, sizeof(T));
    throw;
  }
}

template <class T>
consteval MessageType make_message_type() {
  MessageType type{};
  type.size = sizeof(T);
  type.boxed = k_boxed<T>;
  type.trivial = !type.boxed && std::is_trivially_copyable_v<T>;
  type.destroy = [](void* object) { static_cast<T*>(object)->~T(); };
  type.relocate = [](void* to, void* from) {
    if constexpr (std::is_move_constructible_v<T>) {
      ::new (to) T(std::move(*static_cast<T*>(from)));
      static_cast<T*>(from)->~T();
    }
  };
  if constexpr (Travels<T>) {
    static_assert(std::is_default_constructible_v<T>,
                  "a message that travels needs a default constructor to be read into");
    if constexpr (wire::Declared<T>) {
      type.name = MessageTraits<T>::k_name;
    } else {
      type.name = k_builtin_name<T>;
    }
    type.wire_id = wire_id_of(type.name);
    type.make = []() -> void* { return create<T>(); };
    type.write = [](Writer& out, const void* object) {
      wire::write(out, *static_cast<const T*>(object));
    };
    type.read = [](Reader& in, void* object) { wire::read(in, *static_cast<T*>(object)); };
  } else {
    type.name = type_name<T>();
  }
  return type;
}

}  // namespace detail

/// The one MessageType of T; its address is T's identity inside this program.
template <class T>
inline constexpr MessageType k_message_type = detail::make_message_type<T>();

/// Finds a declared type by its wire id; null when this program does not know it.
[[nodiscard]] const MessageType* find_message_type(std::uint64_t wire_id) noexcept;

/// A type-erased, move-only message. Thread-safety: as a value.
class Message {
 public:
  Message() noexcept = default;

  /// Builds a T from `args` in place (aggregates too).
  template <class T, class... Args>
  [[nodiscard]] static Message make(Args&&... args) {
    static_assert(std::is_same_v<T, std::decay_t<T>>);
    static_assert(alignof(T) <= alignof(std::max_align_t),
                  "over-aligned messages are not supported");
    Message message;
    if constexpr (detail::k_boxed<T>) {
      void* const memory = detail::create<T>(std::forward<Args>(args)...);
      std::memcpy(message.storage_, &memory, sizeof memory);
    } else {
      ::new (static_cast<void*>(message.storage_)) T{std::forward<Args>(args)...};
    }
    message.type_ = &k_message_type<T>;
    return message;
  }

  /// A default value of a declared type, for a decoder to read into.
  [[nodiscard]] static Message make_default(const MessageType& type);

  Message(Message&& other) noexcept { take(other); }
  Message& operator=(Message&& other) noexcept {
    if (this != &other) {
      reset();
      take(other);
    }
    return *this;
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message() { reset(); }

  [[nodiscard]] const MessageType* type() const noexcept { return type_; }
  [[nodiscard]] explicit operator bool() const noexcept { return type_ != nullptr; }
  template <class T>
  [[nodiscard]] bool is() const noexcept {
    return type_ == &k_message_type<T>;
  }
  /// Null when the message is of another type.
  template <class T>
  [[nodiscard]] T* get() noexcept {
    return is<T>() ? static_cast<T*>(object()) : nullptr;
  }
  template <class T>
  [[nodiscard]] const T* get() const noexcept {
    return const_cast<Message*>(this)->get<T>();
  }
  [[nodiscard]] void* object() noexcept {
    if (type_ == nullptr || !type_->boxed) return storage_;
    void* boxed = nullptr;
    std::memcpy(&boxed, storage_, sizeof boxed);
    return boxed;
  }
  void reset() noexcept {
    if (type_ == nullptr) return;
    if (!type_->trivial) destroy();
    type_ = nullptr;
  }

 private:
  void take(Message& other) noexcept {
    type_ = std::exchange(other.type_, nullptr);
    if (type_ == nullptr) return;
    if (type_->trivial || type_->boxed) {
      std::memcpy(storage_, other.storage_, sizeof storage_);
    } else {
      type_->relocate(storage_, other.storage_);
    }
  }
  void destroy() noexcept;

  const MessageType* type_ = nullptr;
  alignas(8) std::byte storage_[detail::k_inline_size];
};
static_assert(sizeof(Message) == 32);

/// Readable form for logs and traces: `bank.deposit{"alice",5}`; only the name for local types.
[[nodiscard]] std::string to_string(const Message& message);

}  // namespace grove

#define GROVE_DETAIL_FIELD(field) , object.field
#define GROVE_DETAIL_PARENS ()
#define GROVE_DETAIL_EXPAND(...) \
  GROVE_DETAIL_EXPAND1(GROVE_DETAIL_EXPAND1(GROVE_DETAIL_EXPAND1(__VA_ARGS__)))
#define GROVE_DETAIL_EXPAND1(...) \
  GROVE_DETAIL_EXPAND2(GROVE_DETAIL_EXPAND2(GROVE_DETAIL_EXPAND2(__VA_ARGS__)))
#define GROVE_DETAIL_EXPAND2(...) \
  GROVE_DETAIL_EXPAND3(GROVE_DETAIL_EXPAND3(GROVE_DETAIL_EXPAND3(__VA_ARGS__)))
#define GROVE_DETAIL_EXPAND3(...) __VA_ARGS__
#define GROVE_DETAIL_EACH(...) __VA_OPT__(GROVE_DETAIL_EXPAND(GROVE_DETAIL_EACH1(__VA_ARGS__)))
#define GROVE_DETAIL_EACH1(field, ...) \
  GROVE_DETAIL_FIELD(field) __VA_OPT__(GROVE_DETAIL_AGAIN GROVE_DETAIL_PARENS(__VA_ARGS__))
#define GROVE_DETAIL_AGAIN() GROVE_DETAIL_EACH1

/// Declares a message that may travel: its type, its wire name, its fields in order (at most 24).
/// Stands at global scope, after the type.
#define GROVE_MESSAGE(Type, wire_name, ...)                                  \
  template <>                                                                \
  struct grove::MessageTraits<Type> {                                        \
    static constexpr bool k_declared = true;                                 \
    static constexpr std::string_view k_name = wire_name;                    \
    template <class Object, class Visitor>                                   \
    static void fields([[maybe_unused]] Object& object, Visitor&& visitor) { \
      ::grove::detail::visit_fields(visitor GROVE_DETAIL_EACH(__VA_ARGS__)); \
    }                                                                        \
  };                                                                         \
  template <>                                                                \
  inline const bool grove::detail::k_registered<Type> =                      \
      ::grove::detail::register_message_type(::grove::k_message_type<Type>);
