// SPDX-License-Identifier: Apache-2.0
//
// Writer and Reader: how a value leaves this machine and comes back, whatever the format.
//
// node/core knows no format; transport implements these over MessagePack. `wire::write` and
// `wire::read` cover the field types a message may have; a struct declared with GROVE_MESSAGE is
// an array of its fields in order, and fields missing at the end keep their defaults.
#pragma once

#include "grove/core/bytes.hpp"
#include "grove/core/exit_reason.hpp"
#include "grove/core/ids.hpp"
#include "grove/core/value.hpp"

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace grove {

class Writer {
 public:
  virtual ~Writer() = default;
  virtual void nil() = 0;
  virtual void boolean(bool value) = 0;
  virtual void integer(std::int64_t value) = 0;
  virtual void natural(std::uint64_t value) = 0;
  virtual void real(double value) = 0;
  virtual void string(std::string_view text) = 0;
  virtual void symbol(std::string_view text) = 0;
  virtual void bytes(std::span<const std::byte> bytes) = 0;
  /// As bytes(); may keep a reference in place of a copy.
  virtual void blob(const Bytes& bytes) { this->bytes(bytes.span()); }
  virtual void pid(const Pid& pid) = 0;
  virtual void ref(const Ref& ref) = 0;
  virtual void array(std::size_t size) = 0;  // followed by `size` values
  virtual void tuple(std::size_t size) = 0;  // an array that stays a tuple when read as Value
  virtual void map(std::size_t size) = 0;    // followed by `size` keys and values, alternating
};

/// Pull parser over bytes that a peer sent. Never throws and never trusts: the first surprise
/// makes `ok()` false for good, and every later read returns a default.
class Reader {
 public:
  virtual ~Reader() = default;
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  void fail() noexcept { ok_ = false; }

  [[nodiscard]] virtual Value::Kind peek() = 0;
  virtual void nil() = 0;
  virtual bool boolean() = 0;
  virtual std::int64_t integer() = 0;
  virtual std::uint64_t natural() = 0;
  virtual double real() = 0;
  virtual std::string string() = 0;
  virtual std::string symbol() = 0;
  virtual std::vector<std::byte> bytes() = 0;
  virtual Bytes blob() { return Bytes{bytes()}; }  // as bytes(); may share what it reads from
  virtual Pid pid() = 0;
  virtual Ref ref() = 0;
  virtual std::size_t array() = 0;  // the count of values that follow
  virtual std::size_t tuple() = 0;
  virtual std::size_t map() = 0;
  virtual void skip() = 0;  // one whole value

 private:
  bool ok_ = true;
};

/// Specialised by GROVE_MESSAGE: `k_name` and `fields(object, visitor)`.
template <class T>
struct MessageTraits {
  static constexpr bool k_declared = false;
};

namespace wire {

template <class T>
concept Declared = MessageTraits<T>::k_declared;

void write(Writer& out, const Value& value);
void write(Writer& out, const ExitReason& reason);
void read(Reader& in, Value& value);
void read(Reader& in, ExitReason& reason);

inline void write(Writer& out, const std::string& text) { out.string(text); }
inline void write(Writer& out, const Symbol& symbol) { out.symbol(symbol.text); }
inline void write(Writer& out, const Pid& pid) { out.pid(pid); }
inline void write(Writer& out, const Ref& ref) { out.ref(ref); }
inline void write(Writer& out, const std::vector<std::byte>& bytes) { out.bytes(bytes); }
inline void write(Writer& out, const Bytes& bytes) { out.blob(bytes); }
inline void read(Reader& in, std::string& text) { text = in.string(); }
inline void read(Reader& in, Symbol& symbol) { symbol.text = in.symbol(); }
inline void read(Reader& in, Pid& pid) { pid = in.pid(); }
inline void read(Reader& in, Ref& ref) { ref = in.ref(); }
inline void read(Reader& in, std::vector<std::byte>& bytes) { bytes = in.bytes(); }
inline void read(Reader& in, Bytes& bytes) { bytes = in.blob(); }

template <class T>
requires std::is_arithmetic_v<T>
void write(Writer& out, T value) {
  if constexpr (std::same_as<T, bool>) {
    out.boolean(value);
  } else if constexpr (std::floating_point<T>) {
    out.real(static_cast<double>(value));
  } else if constexpr (std::signed_integral<T>) {
    out.integer(value);
  } else {
    out.natural(value);
  }
}

template <class T>
requires std::is_arithmetic_v<T>
void read(Reader& in, T& value) {
  if constexpr (std::same_as<T, bool>) {
    value = in.boolean();
  } else if constexpr (std::floating_point<T>) {
    value = static_cast<T>(in.real());
  } else if constexpr (std::signed_integral<T>) {
    const std::int64_t wide = in.integer();
    value = static_cast<T>(wide);
    if (value != wide) in.fail();
  } else {
    const std::uint64_t wide = in.natural();
    value = static_cast<T>(wide);
    if (value != wide) in.fail();
  }
}

template <class T>
requires std::is_enum_v<T>
void write(Writer& out, T value) { write(out, static_cast<std::underlying_type_t<T>>(value)); }
template <class T>
requires std::is_enum_v<T>
void read(Reader& in, T& value) {
  std::underlying_type_t<T> raw{};
  read(in, raw);
  value = static_cast<T>(raw);
}

template <class Rep, class Period>
void write(Writer& out, std::chrono::duration<Rep, Period> value) {
  write(out, value.count());
}
template <class Rep, class Period>
void read(Reader& in, std::chrono::duration<Rep, Period>& value) {
  Rep count{};
  read(in, count);
  value = std::chrono::duration<Rep, Period>{count};
}

template <Declared T>
void write(Writer& out, const T& message);
template <Declared T>
void read(Reader& in, T& message);
template <class T>
void write(Writer& out, const std::optional<T>& value);
template <class T>
void read(Reader& in, std::optional<T>& value);
template <class T>
void write(Writer& out, const std::map<std::string, T>& map);
template <class T>
void read(Reader& in, std::map<std::string, T>& map);

template <class T>
void write(Writer& out, const std::vector<T>& items) {
  out.array(items.size());
  for (const T& item : items) write(out, item);
}
template <class T>
void read(Reader& in, std::vector<T>& items) {
  items.clear();
  for (std::size_t left = in.array(); left > 0 && in.ok(); --left) read(in, items.emplace_back());
}

template <class T>
void write(Writer& out, const std::optional<T>& value) {
  if (value) {
    write(out, *value);
  } else {
    out.nil();
  }
}
template <class T>
void read(Reader& in, std::optional<T>& value) {
  if (in.peek() == Value::Kind::nil) {
    in.nil();
    value.reset();
  } else {
    read(in, value.emplace());
  }
}

template <class T>
void write(Writer& out, const std::map<std::string, T>& map) {
  out.map(map.size());
  for (const auto& [key, item] : map) {
    out.string(key);
    write(out, item);
  }
}
template <class T>
void read(Reader& in, std::map<std::string, T>& map) {
  map.clear();
  for (std::size_t left = in.map(); left > 0 && in.ok(); --left) {
    std::string key = in.string();
    read(in, map[std::move(key)]);
  }
}

template <Declared T>
void write(Writer& out, const T& message) {
  MessageTraits<T>::fields(message, [&out](const auto&... field) {
    out.array(sizeof...(field));
    (write(out, field), ...);
  });
}
template <Declared T>
void read(Reader& in, T& message) {
  std::size_t left = in.array();
  MessageTraits<T>::fields(message, [&](auto&... field) {
    // A newer sender may append fields (skipped below); an older one may lack some (defaults stay).
    ((left > 0 && in.ok() ? (read(in, field), static_cast<void>(--left)) : static_cast<void>(0)),
     ...);
  });
  for (; left > 0 && in.ok(); --left) in.skip();
}

}  // namespace wire
}  // namespace grove
