// SPDX-License-Identifier: Apache-2.0
//
// Value: a term. Exit reasons, metadata and the command line's JSON are made of it.
//
// Immutable; copies share their compound parts. Thread-safety: as a `const std::shared_ptr`.
#pragma once

#include "grove/core/ids.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace grove {

/// A name that stands for itself, as OTP's atoms do; unlike them it costs only its text.
struct Symbol {
  std::string text;
  friend auto operator<=>(const Symbol&, const Symbol&) = default;
};

class Value {
 public:
  enum class Kind : std::uint8_t {
    nil,
    boolean,
    integer,
    real,
    string,
    symbol,
    bytes,
    pid,
    ref,
    list,
    tuple,
    map
  };
  using Bytes = std::vector<std::byte>;
  using Items = std::vector<Value>;
  using Entries = std::vector<std::pair<Value, Value>>;  // in the order given

  Value() = default;
  Value(bool value) : data_{value} {}
  Value(int value) : data_{std::int64_t{value}} {}
  Value(std::int64_t value) : data_{value} {}
  Value(double value) : data_{value} {}
  Value(const char* text) : data_{std::string{text}} {}
  Value(std::string text) : data_{std::move(text)} {}
  Value(std::string_view text) : data_{std::string{text}} {}
  Value(Symbol symbol) : data_{std::move(symbol)} {}
  Value(Bytes bytes) : data_{std::make_shared<const Bytes>(std::move(bytes))} {}
  Value(Pid pid) : data_{pid} {}
  Value(Ref ref) : data_{ref} {}

  [[nodiscard]] static Value symbol(std::string_view text) { return Symbol{std::string{text}}; }
  [[nodiscard]] static Value list(Items items);
  [[nodiscard]] static Value tuple(Items items);
  [[nodiscard]] static Value map(Entries entries);

  [[nodiscard]] Kind kind() const noexcept {
    if (const auto* sequence = std::get_if<Sequence>(&data_)) return sequence->kind;
    return std::holds_alternative<Map>(data_) ? Kind::map : static_cast<Kind>(data_.index());
  }
  /// Null when the value is of another kind.
  [[nodiscard]] const bool* as_bool() const { return std::get_if<bool>(&data_); }
  [[nodiscard]] const std::int64_t* as_integer() const { return std::get_if<std::int64_t>(&data_); }
  [[nodiscard]] const double* as_real() const { return std::get_if<double>(&data_); }
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&data_); }
  [[nodiscard]] const std::string* as_symbol() const;
  [[nodiscard]] const Bytes* as_bytes() const;
  [[nodiscard]] const Pid* as_pid() const { return std::get_if<Pid>(&data_); }
  [[nodiscard]] const Ref* as_ref() const { return std::get_if<Ref>(&data_); }
  [[nodiscard]] const Items* as_list() const;
  [[nodiscard]] const Items* as_tuple() const;
  [[nodiscard]] const Entries* as_map() const;

  /// Strict: kinds must agree too (1 is not 1.0).
  friend bool operator==(const Value& a, const Value& b);

 private:
  struct Sequence {
    std::shared_ptr<const Items> items;
    Kind kind = Kind::list;  // or tuple
  };
  struct Map {
    std::shared_ptr<const Entries> entries;
  };
  [[nodiscard]] const Items* items(Kind kind) const;

  // In the order of Kind. Eleven alternatives are as many as libstdc++ copies, moves and ends
  // without a call through a table of functions.
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Symbol,
               std::shared_ptr<const Bytes>, Pid, Ref, Sequence, Map>
      data_;
};

/// Erlang-like text: `name_conflict`, `"text"`, `{error,"x"}`, `[1,2]`, `#{a => 1}`. What is nested
/// more than 100 deep is `...`.
[[nodiscard]] std::string to_string(const Value& value);

}  // namespace grove

/// Equal values have equal hashes; all bits of one are mixed.
template <>
struct std::hash<grove::Value> {
  std::size_t operator()(const grove::Value& value) const noexcept;
};
