// SPDX-License-Identifier: Apache-2.0
#include "grove/core/value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <new>
#include <type_traits>
#include <utility>

namespace grove {

namespace {

// Values may be nested deeper than the stack is. What lies deeper than this in one that ends, or is
// compared, waits until the rest is done.
constexpr int k_depth = 100;

using Contents = std::variant<Value::Items, Value::Entries>;

/// The values that this thread is ending.
struct Ending {
  int depth = 0;
  std::vector<Contents>* waiting = nullptr;
};
constinit thread_local Ending t_ending;

/// Takes `contents`. Returns: false when memory is too short; then they are as they were.
template <class Of>
bool end_later(Of& contents) noexcept {
  try {
    if (t_ending.waiting == nullptr) t_ending.waiting = new std::vector<Contents>;
    t_ending.waiting->emplace_back(std::move(contents));
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void end_waiting() noexcept {
  const std::unique_ptr<std::vector<Contents>> waiting{t_ending.waiting};
  ++t_ending.depth;
  while (!waiting->empty()) {
    const Contents next = std::move(waiting->back());  // which may bring more to wait
    waiting->pop_back();
  }
  --t_ending.depth;
  t_ending.waiting = nullptr;
}

/// What a compound value's copies share.
template <class Of>
struct Shared {
  explicit Shared(Of&& those) : contents{std::move(those)} {}
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() {
    if (t_ending.depth >= k_depth && end_later(contents)) return;
    ++t_ending.depth;
    contents.clear();
    if (--t_ending.depth == 0 && t_ending.waiting != nullptr) end_waiting();
  }
  Of contents;
};

template <class Of>
std::shared_ptr<const Of> share(Of contents) {
  auto shared = std::make_shared<Shared<Of>>(std::move(contents));
  const Of* const inside = &shared->contents;
  return {std::move(shared), inside};
}

}  // namespace

Value Value::list(Items items) {
  Value value;
  value.data_ = Sequence{share(std::move(items)), Kind::list};
  return value;
}
Value Value::tuple(Items items) {
  Value value;
  value.data_ = Sequence{share(std::move(items)), Kind::tuple};
  return value;
}
Value Value::map(Entries entries) {
  Value value;
  value.data_ = Map{share(std::move(entries))};
  return value;
}

const std::string* Value::as_symbol() const {
  const Symbol* symbol = std::get_if<Symbol>(&data_);
  return symbol != nullptr ? &symbol->text : nullptr;
}
const Value::Bytes* Value::as_bytes() const {
  const auto* bytes = std::get_if<std::shared_ptr<const Bytes>>(&data_);
  return bytes != nullptr ? bytes->get() : nullptr;
}
const Value::Items* Value::items(Kind kind) const {
  const auto* sequence = std::get_if<Sequence>(&data_);
  return sequence != nullptr && sequence->kind == kind ? sequence->items.get() : nullptr;
}
const Value::Items* Value::as_list() const { return items(Kind::list); }
const Value::Items* Value::as_tuple() const { return items(Kind::tuple); }
const Value::Entries* Value::as_map() const {
  const Map* map = std::get_if<Map>(&data_);
  return map != nullptr ? map->entries.get() : nullptr;
}

namespace {

bool is_compound(const Value& value) noexcept { return value.kind() >= Value::Kind::list; }

/// What is not a number is equal to itself, or as a key it could never be found again.
bool equal_reals(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// Bounds: of one kind, which is not compound.
bool equal_scalars(const Value& a, const Value& b) {
  switch (a.kind()) {
    case Value::Kind::boolean: return *a.as_bool() == *b.as_bool();
    case Value::Kind::integer: return *a.as_integer() == *b.as_integer();
    case Value::Kind::real: return equal_reals(*a.as_real(), *b.as_real());
    case Value::Kind::string: return *a.as_string() == *b.as_string();
    case Value::Kind::symbol: return *a.as_symbol() == *b.as_symbol();
    case Value::Kind::bytes: return *a.as_bytes() == *b.as_bytes();
    case Value::Kind::pid: return *a.as_pid() == *b.as_pid();
    case Value::Kind::ref: return *a.as_ref() == *b.as_ref();
    default: return true;
  }
}

using Hashed = std::vector<std::pair<std::size_t, const std::pair<Value, Value>*>>;

Hashed by_key(const Value::Entries& entries) {
  Hashed hashed;
  hashed.reserve(entries.size());
  for (const auto& entry : entries) hashed.emplace_back(std::hash<Value>{}(entry.first), &entry);
  std::ranges::stable_sort(hashed, {}, &Hashed::value_type::first);
  return hashed;
}

using Pairs = std::vector<std::pair<const Value*, const Value*>>;

/// But for those pairs that lie too deep, which it adds to `later`.
bool equal(const Value& a, const Value& b, int depth, Pairs& later) {
  if (a.kind() != b.kind()) return false;
  if (!is_compound(a)) return equal_scalars(a, b);
  if (depth > k_depth) {
    later.emplace_back(&a, &b);
    return true;
  }
  const auto same = [&](const Value& one, const Value& other) {
    return equal(one, other, depth + 1, later);
  };
  if (const Value::Entries* entries = a.as_map()) {
    const auto same_entry = [&](const auto& one, const auto& other) {
      return same(one.first, other.first) && same(one.second, other.second);
    };
    if (entries->size() != b.as_map()->size()) return false;
    if (entries->size() < 2) return std::ranges::equal(*entries, *b.as_map(), same_entry);
    return std::ranges::equal(
        by_key(*entries), by_key(*b.as_map()), [&](const auto& one, const auto& other) {
          return one.first == other.first && same_entry(*one.second, *other.second);
        });
  }
  const bool list = a.kind() == Value::Kind::list;
  return std::ranges::equal(list ? *a.as_list() : *a.as_tuple(),
                            list ? *b.as_list() : *b.as_tuple(), same);
}

[[gnu::noinline]] bool equal_compounds(const Value& a, const Value& b) {
  Pairs later;
  if (!equal(a, b, 0, later)) return false;
  while (!later.empty()) {
    const auto [one, other] = later.back();
    later.pop_back();
    if (!equal(*one, *other, 0, later)) return false;
  }
  return true;
}

}  // namespace

bool operator==(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  return is_compound(a) ? equal_compounds(a, b) : equal_scalars(a, b);
}

namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      constexpr std::string_view digits = "0123456789abcdef";
      out += {'\\', 'x', digits[static_cast<unsigned char>(c) >> 4U], digits[c & 0xF]};
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string real_text(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string out{buffer, result.ptr};
  if (out.find_first_of(".en") == std::string::npos) out += ".0";
  return out;
}

constexpr int k_shown_depth = 100;  // deeper than what travels; logs are for people

void show(std::string& out, const Value& value, int depth);

void show_items(std::string& out, const Value::Items& items, int depth) {
  bool first = true;
  for (const Value& item : items) {
    if (!std::exchange(first, false)) out += ',';
    show(out, item, depth);
  }
}

void show(std::string& out, const Value& value, int depth) {
  if (depth > k_shown_depth) {
    out += "...";
    return;
  }
  switch (value.kind()) {
    case Value::Kind::nil: out += "nil"; break;
    case Value::Kind::boolean: out += *value.as_bool() ? "true" : "false"; break;
    case Value::Kind::integer: out += std::to_string(*value.as_integer()); break;
    case Value::Kind::real: out += real_text(*value.as_real()); break;
    case Value::Kind::string: out += quoted(*value.as_string()); break;
    case Value::Kind::symbol: out += *value.as_symbol(); break;
    case Value::Kind::bytes:
      out += "<<" + std::to_string(value.as_bytes()->size()) + " bytes>>";
      break;
    case Value::Kind::pid: out += to_string(*value.as_pid()); break;
    case Value::Kind::ref: out += to_string(*value.as_ref()); break;
    case Value::Kind::list:
      out += '[';
      show_items(out, *value.as_list(), depth + 1);
      out += ']';
      break;
    case Value::Kind::tuple:
      out += '{';
      show_items(out, *value.as_tuple(), depth + 1);
      out += '}';
      break;
    case Value::Kind::map: {
      out += "#{";
      bool first = true;
      for (const auto& [key, item] : *value.as_map()) {
        if (!std::exchange(first, false)) out += ',';
        show(out, key, depth + 1);
        out += " => ";
        show(out, item, depth + 1);
      }
      out += '}';
      break;
    }
  }
}

}  // namespace

std::string to_string(const Value& value) {
  std::string out;
  show(out, value, 0);
  return out;
}

}  // namespace grove

namespace {

std::size_t mixed(std::uint64_t bits) noexcept {  // the finaliser of splitmix64
  bits = (bits ^ (bits >> 30U)) * 0xBF58476D1CE4E5B9U;
  bits = (bits ^ (bits >> 27U)) * 0x94D049BB133111EBU;
  return static_cast<std::size_t>(bits ^ (bits >> 31U));
}

constexpr int k_hashed_depth = 100;  // deeper than any key; equal values still have equal hashes

std::size_t hash_of_parts(const grove::Value& value, int depth) noexcept;

std::size_t hash_of(const grove::Value& value, int depth) noexcept {
  using Kind = grove::Value::Kind;
  const auto of = [](const auto& part) { return std::hash<std::decay_t<decltype(part)>>{}(part); };
  switch (value.kind()) {
    case Kind::nil: return 0;
    case Kind::boolean: return of(*value.as_bool());
    case Kind::integer: return of(*value.as_integer());
    case Kind::real: return std::isnan(*value.as_real()) ? 1 : of(*value.as_real());
    case Kind::string: return of(*value.as_string());
    case Kind::symbol: return of(*value.as_symbol());
    case Kind::pid: return of(*value.as_pid());
    case Kind::ref: return of(*value.as_ref());
    case Kind::bytes: {
      const auto& bytes = *value.as_bytes();
      return of(std::string_view{reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    case Kind::list:
    case Kind::tuple:
    case Kind::map: break;
  }
  return depth < k_hashed_depth ? hash_of_parts(value, depth + 1) : 0;
}

std::size_t hash_at(const grove::Value& value, int depth) noexcept {
  const auto kind = static_cast<std::uint64_t>(value.kind()) + 1;
  return mixed(hash_of(value, depth) + kind * 0x9E3779B97F4A7C15U);
}

[[gnu::noinline]] std::size_t hash_of_parts(const grove::Value& value, int depth) noexcept {
  std::size_t sum = 0;
  const auto add = [&](const grove::Value& item) { sum = mixed(sum + 1) ^ hash_at(item, depth); };
  if (const auto* entries = value.as_map()) {
    for (const auto& [key, item] : *entries) {  // whatever their order
      sum += mixed(hash_at(key, depth)) ^ hash_at(item, depth);
    }
  } else {
    const auto* list = value.as_list();
    for (const auto& item : list != nullptr ? *list : *value.as_tuple()) add(item);
  }
  return sum;
}

}  // namespace

std::size_t std::hash<grove::Value>::operator()(const grove::Value& value) const noexcept {
  return hash_at(value, 0);
}
