// SPDX-License-Identifier: Apache-2.0
//
// Script: the ops of a scenario, and the values in them. SPEC.md, section 1.
//
// Thread-safety: as values.
#pragma once

#include "grove/core/message.hpp"
#include "grove/core/value.hpp"

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace grove::oracle {

/// The result of an op that could not be carried out, as it is printed.
class ScriptError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One line of a script.
class Op {
 public:
  Op() = default;  // to be read into
  Op(int step, std::vector<std::string> tokens) : step_{step}, tokens_{std::move(tokens)} {}

  [[nodiscard]] int step() const noexcept { return step_; }
  [[nodiscard]] const std::string& name() const { return tokens_.front(); }
  /// Token `index`; 0 is the op's name. Throws ScriptError when there are not so many.
  [[nodiscard]] const std::string& at(std::size_t index) const;
  [[nodiscard]] std::size_t size() const noexcept { return tokens_.size(); }
  /// Whether one of the tokens from `first` on is `word`.
  [[nodiscard]] bool has(std::string_view word, std::size_t first) const;
  [[nodiscard]] std::string text() const;
  /// What an op that nobody knows results in.
  [[nodiscard]] ScriptError unknown() const;

 private:
  friend struct MessageTraits<Op>;
  int step_ = 0;
  std::vector<std::string> tokens_;
};

/// The ops of a script, numbered from 1.
[[nodiscard]] std::vector<Op> parse_script(std::string_view text);

/// `a`, `12` or `a(b,c)`: a symbol, an integer or a tuple. Throws ScriptError for anything else.
[[nodiscard]] Value parse_value(std::string_view text);
/// Throws ScriptError.
[[nodiscard]] int parse_integer(std::string_view text);

}  // namespace grove::oracle

GROVE_MESSAGE(grove::oracle::Op, "oracle.op", step_, tokens_)
