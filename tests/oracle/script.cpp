// SPDX-License-Identifier: Apache-2.0
#include "script.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <sstream>
#include <utility>

namespace grove::oracle {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z'); }

/// Takes one value off the front of `rest`.
class ValueParser {
 public:
  explicit ValueParser(std::string_view text) : text_{text}, rest_{text} {}

  Value all() {
    Value value = next();
    if (!rest_.empty()) fail();
    return value;
  }

 private:
  Value next() {
    const bool minus = rest_.starts_with('-');
    const auto* const begin = rest_.begin() + (minus ? 1 : 0);
    const bool number = begin != rest_.end() && is_digit(*begin);
    const auto* const end = std::find_if_not(begin, rest_.end(), number ? is_digit : is_word);
    if (begin == end || (minus && !number)) fail();
    const std::string_view word{rest_.begin(), end};
    rest_.remove_prefix(word.size());
    Value head = number ? integer(word) : Value::symbol(word);
    if (!take('(')) return head;
    Value::Items items{std::move(head)};
    do items.push_back(next());
    while (take(','));
    if (!take(')')) fail();
    return Value::tuple(std::move(items));
  }
  Value integer(std::string_view word) const {
    std::int64_t value = 0;
    const auto result = std::from_chars(word.begin(), word.end(), value);
    if (result.ec != std::errc{}) fail();
    return value;
  }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  [[noreturn]] void fail() const {
    throw ScriptError{"script_error bad value " + std::string{text_}};
  }

  std::string_view text_;
  std::string_view rest_;
};

}  // namespace

const std::string& Op::at(std::size_t index) const {
  if (index >= tokens_.size()) throw unknown();
  return tokens_[index];
}

bool Op::has(std::string_view word, std::size_t first) const {
  const std::size_t skipped = std::min(first, tokens_.size());
  return std::find(tokens_.begin() + static_cast<std::ptrdiff_t>(skipped), tokens_.end(), word) !=
         tokens_.end();
}

std::string Op::text() const {
  std::string text;
  for (const std::string& token : tokens_) text += (text.empty() ? "" : " ") + token;
  return text;
}

ScriptError Op::unknown() const { return ScriptError{"script_error unknown op " + text()}; }

std::vector<Op> parse_script(std::string_view text) {
  std::vector<Op> ops;
  std::istringstream lines{std::string{text}};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::vector<std::string> tokens;
    for (std::string word; words >> word;) tokens.push_back(std::move(word));
    if (tokens.empty() || tokens.front().starts_with('#')) continue;
    ops.emplace_back(static_cast<int>(ops.size()) + 1, std::move(tokens));
  }
  return ops;
}

Value parse_value(std::string_view text) { return ValueParser{text}.all(); }

int parse_integer(std::string_view text) {
  int value = 0;
  const auto result = std::from_chars(text.begin(), text.end(), value);
  if (result.ec != std::errc{} || result.ptr != text.end()) {
    throw ScriptError{"script_error bad number " + std::string{text}};
  }
  return value;
}

}  // namespace grove::oracle
