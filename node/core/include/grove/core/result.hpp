// SPDX-License-Identifier: Apache-2.0
//
// Result<T>: a value, or the reason why there is none. For failures a caller must expect;
// the death of a process is an ExitReason, never an Error.
//
// Member names are those of std::expected, so that it can become an alias one day.
#pragma once

#include "grove/core/check.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace grove {

/// Pinned and append-only: these numbers travel between nodes.
enum class Errc : std::uint16_t {
  timeout = 1,
  noproc = 2,
  noconnection = 3,
  name_taken = 4,
  bad_argument = 5,
  already_started = 6,
  ignored = 7,
  start_failed = 8,
  address_in_use = 9,
  bad_address = 10,
  refused = 11,
  not_found = 12,
  malformed = 13,
  too_large = 14,
  io = 15,
  unavailable = 16,
  noaccess = 17,
  key_taken = 18,
};

/// The error's name as it is printed and logged, for example "name_taken".
[[nodiscard]] std::string_view to_string(Errc code) noexcept;

struct [[nodiscard]] Error {
  Errc code{};
  std::string detail;  // for people: what was wrong, and what to do
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_{std::in_place_index<0>, std::move(value)} {}
  Result(Error error) : state_{std::in_place_index<1>, std::move(error)} {}

  [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  [[nodiscard]] T& value() & {
    GROVE_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] const T& value() const& {
    GROVE_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    GROVE_CHECK(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  [[nodiscard]] const Error& error() const& {
    GROVE_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : failed_{true}, error_{std::move(error)} {}

  [[nodiscard]] bool has_value() const noexcept { return !failed_; }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const { GROVE_CHECK(has_value()); }
  [[nodiscard]] const Error& error() const& {
    GROVE_CHECK(failed_);
    return error_;
  }

 private:
  bool failed_ = false;
  Error error_;
};

}  // namespace grove
