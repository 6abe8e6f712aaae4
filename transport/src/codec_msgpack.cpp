// SPDX-License-Identifier: Apache-2.0
//
// Terms that MessagePack lacks are extensions: 1 pid, 2 ref, 3 symbol, 4 tuple (its items packed).
#include "grove/transport/codec.hpp"

#include <msgpack.hpp>

#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace grove::transport {
namespace {

enum : std::int8_t { k_ext_pid = 1, k_ext_ref = 2, k_ext_symbol = 3, k_ext_tuple = 4 };

constexpr std::size_t k_tokens_kept = 4096;  // 64 KiB a thread

/// What msgpack::packer writes to.
struct Sink {
  Buffer& bytes;
  void write(const char* data, std::size_t size) {
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), begin, begin + size);
  }
};

class PackWriter final : public Writer {
 public:
  /// `tail` may be null.
  PackWriter(Buffer& out, Bytes* tail) : sink_{out}, packer_{sink_}, tail_{tail} {}

  void nil() override {
    count();
    packer_.pack_nil();
  }
  void boolean(bool value) override {
    count();
    if (value) {
      packer_.pack_true();
    } else {
      packer_.pack_false();
    }
  }
  void integer(std::int64_t value) override {
    count();
    packer_.pack_int64(value);
  }
  void natural(std::uint64_t value) override {
    count();
    packer_.pack_uint64(value);
  }
  void real(double value) override {
    count();
    // By hand: pack_double turns 1.0 into an integer, which no reader of a real would take.
    const auto bits = std::bit_cast<std::uint64_t>(value);
    char bytes[9] = {static_cast<char>(0xcb)};
    for (int i = 0; i < 8; ++i) bytes[1 + i] = static_cast<char>(bits >> (56 - 8 * i));
    sink_.write(bytes, sizeof bytes);
  }
  void string(std::string_view text) override {
    count();
    packer_.pack_str(static_cast<std::uint32_t>(text.size()));
    packer_.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
  }
  void symbol(std::string_view text) override { ext(k_ext_symbol, text); }
  void bytes(std::span<const std::byte> bytes) override {
    count();
    packer_.pack_bin(static_cast<std::uint32_t>(bytes.size()));
    packer_.pack_bin_body(reinterpret_cast<const char*>(bytes.data()),
                          static_cast<std::uint32_t>(bytes.size()));
  }
  void blob(const Bytes& bytes) override {
    if (tail_ == nullptr || bytes.size() < k_shared_bytes_min) return this->bytes(bytes.span());
    count();
    packer_.pack_bin(static_cast<std::uint32_t>(bytes.size()));
    *tail_ = bytes;
    has_tail_ = true;
  }
  void pid(const Pid& pid) override { ext(k_ext_pid, to_string(pid)); }
  void ref(const Ref& ref) override {
    std::string body(20, '\0');
    const std::uint64_t life = node_life(ref.node).value;
    std::memcpy(body.data(), &life, 8);
    std::memcpy(body.data() + 8, &ref.owner, 4);
    std::memcpy(body.data() + 12, &ref.serial, 8);
    ext(k_ext_ref, body + node_name(ref.node));
  }
  void array(std::size_t size) override {
    open(size);
    packer_.pack_array(static_cast<std::uint32_t>(size));
  }
  void tuple(std::size_t size) override {
    // A one-byte extension before the array marks it as a tuple.
    open(size + 1);
    packer_.pack_array(static_cast<std::uint32_t>(size) + 1);
    ext(k_ext_tuple, "t");
  }
  void map(std::size_t size) override {
    open(2 * size);
    packer_.pack_map(static_cast<std::uint32_t>(size));
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }

 private:
  /// One more value of the innermost container that is not full yet.
  void count() {
    if (has_tail_) {  // it was not the last value
      const Bytes blob = std::exchange(*tail_, {});
      has_tail_ = false;
      sink_.bytes.insert(sink_.bytes.end(), blob.span().begin(), blob.span().end());
    }
    while (depth_ > 0 && left_[depth_ - 1] == 0) --depth_;
    if (depth_ > 0) --left_[depth_ - 1];
  }
  void open(std::size_t values) {
    count();
    if (depth_ == k_depth_max) {
      ok_ = false;
    } else {
      left_[depth_++] = values;
    }
  }
  void ext(std::int8_t type, std::string_view body) {
    count();
    packer_.pack_ext(body.size(), type);
    packer_.pack_ext_body(body.data(), static_cast<std::uint32_t>(body.size()));
  }
  Sink sink_;
  msgpack::packer<Sink> packer_;
  std::array<std::size_t, k_depth_max> left_{};  // values that the open containers still want
  std::size_t depth_ = 0;
  Bytes* const tail_;
  bool has_tail_ = false;
  bool ok_ = true;
};

/// One value, in the order of the bytes; what it contains follows it. Small: a body of single bytes
/// has as many of them.
struct Token {
  enum class Kind : std::uint8_t {
    nil,
    boolean,
    positive,
    negative,
    real,
    string,
    bytes,
    array,
    map,
    ext
  };
  /// Boolean and integers: the value; real: its bits; array, map: the values that follow; string,
  /// bytes, ext: where it starts in the body.
  std::uint64_t number = 0;
  std::uint32_t size = 0;  // of string, bytes and ext; ext: without its type
  Kind kind = Kind::nil;
  std::int8_t ext_type = 0;  // of bytes: k_in_tail, or 0
};
static_assert(sizeof(Token) == 16);
constexpr std::int8_t k_in_tail = 1;
using Tokens = std::vector<Token>;

/// What msgpack::parse reports to. Ends the parse at the first claim that the body cannot keep.
class Tokenizer : public msgpack::null_visitor {
 public:
  Tokenizer(Tokens& tokens, std::string_view body)
      : tokens_{tokens}, body_{body.data()}, room_{body.size()} {}

  bool visit_nil() { return add({.kind = Kind::nil}); }
  bool visit_boolean(bool value) { return add({.number = value, .kind = Kind::boolean}); }
  bool visit_positive_integer(std::uint64_t value) {
    return add({.number = value, .kind = Kind::positive});
  }
  bool visit_negative_integer(std::int64_t value) {
    return add({.number = static_cast<std::uint64_t>(value), .kind = Kind::negative});
  }
  bool visit_float32(float value) { return visit_float64(value); }
  bool visit_float64(double value) {
    return add({.number = std::bit_cast<std::uint64_t>(value), .kind = Kind::real});
  }
  bool visit_str(const char* text, std::uint32_t size) {
    return add_text(Kind::string, text, size);
  }
  bool visit_bin(const char* bytes, std::uint32_t size) {
    return add_text(Kind::bytes, bytes, size);
  }
  bool visit_ext(const char* bytes, std::uint32_t size) {
    return add_text(Kind::ext, bytes + 1, size - 1, static_cast<std::int8_t>(*bytes));
  }
  bool start_array(std::uint32_t size) { return open(Kind::array, size); }
  bool start_map(std::uint32_t size) { return open(Kind::map, std::uint64_t{size} * 2); }
  bool end_array() { return close(); }
  bool end_map() { return close(); }

 private:
  using Kind = Token::Kind;

  bool add_text(Kind kind, const char* text, std::uint32_t size, std::int8_t ext_type = 0) {
    // An empty text comes without a place.
    const auto at = size == 0 ? 0 : static_cast<std::uint64_t>(text - body_);
    return add({.number = at, .size = size, .kind = kind, .ext_type = ext_type});
  }
  bool add(const Token& token) {
    tokens_.push_back(token);
    return true;
  }
  /// Every value has a byte at least: all containers together cannot claim more than there are.
  bool open(Kind kind, std::uint64_t values) {
    if (values > room_ || depth_ == k_depth_max) return false;
    room_ -= values;
    ++depth_;
    return add({.number = values, .kind = kind});
  }
  bool close() {
    --depth_;
    return true;
  }

  Tokens& tokens_;
  const char* const body_;
  std::uint64_t room_;
  std::size_t depth_ = 0;
};

/// Hands the tokens out in order.
class TokenReader final : public Reader {
 public:
  /// `shared` keeps the body alive, or is empty.
  TokenReader(const Tokens& tokens, std::string_view body, const Bytes& shared, const Bytes& tail)
      : tokens_{tokens}, body_{body}, shared_{shared}, tail_{tail} {}

  Value::Kind peek() override {
    if (!ok() || at_ == tokens_.size()) return Value::Kind::nil;
    const Token& token = tokens_[at_];
    switch (token.kind) {
      case Kind::nil: return Value::Kind::nil;
      case Kind::boolean: return Value::Kind::boolean;
      case Kind::positive:
      case Kind::negative: return Value::Kind::integer;
      case Kind::real: return Value::Kind::real;
      case Kind::string: return Value::Kind::string;
      case Kind::bytes: return Value::Kind::bytes;
      case Kind::array: return is_tuple(token) ? Value::Kind::tuple : Value::Kind::list;
      case Kind::map: return Value::Kind::map;
      case Kind::ext: return ext_kind(token);
    }
    return Value::Kind::nil;
  }
  void nil() override { next(Kind::nil); }
  bool boolean() override { return next(Kind::boolean).number != 0; }
  std::int64_t integer() override {
    const Token& token = next();
    const bool fits = token.kind == Kind::positive && token.number <= INT64_MAX;
    if (!fits && token.kind != Kind::negative) fail();
    return ok() ? static_cast<std::int64_t>(token.number) : 0;
  }
  std::uint64_t natural() override { return next(Kind::positive).number; }
  double real() override { return std::bit_cast<double>(next(Kind::real).number); }
  std::string string() override { return std::string{text(next(Kind::string))}; }
  std::string symbol() override { return std::string{ext(k_ext_symbol)}; }
  std::vector<std::byte> bytes() override {
    const auto bytes = bytes_of(next(Kind::bytes));
    return {bytes.begin(), bytes.end()};
  }
  Bytes blob() override {
    const Token& token = next(Kind::bytes);
    if (token.ext_type == k_in_tail) return tail_;
    const auto bytes = bytes_of(token);
    if (bytes.size() < k_shared_bytes_min || shared_.empty()) return Bytes::copy(bytes);
    return shared_.slice(token.number, token.size);
  }
  Pid pid() override {
    const std::string_view text = ext(k_ext_pid);
    if (!ok() || text == "nobody") return {};
    const auto parsed = parse_pid(text);
    if (!parsed) fail();
    return parsed.value_or(Pid{});
  }
  Ref ref() override {
    const std::string_view body = ext(k_ext_ref);
    const std::string_view name = body.size() > 20 ? body.substr(20) : "";
    if (!ok() || !(is_node_name(name) || name == "nonode")) {
      fail();
      return {};
    }
    Ref ref;
    Life life;
    std::memcpy(&life.value, body.data(), 8);
    std::memcpy(&ref.owner, body.data() + 8, 4);
    std::memcpy(&ref.serial, body.data() + 12, 8);
    ref.node = life == Life{} ? NodeId{} : intern_node(name, life);
    return ref;
  }
  std::size_t array() override { return next(Kind::array).number; }
  std::size_t tuple() override {
    const std::size_t size = array();
    if (size == 0 || ext(k_ext_tuple).empty()) fail();
    return ok() ? size - 1 : 0;
  }
  std::size_t map() override { return next(Kind::map).number / 2; }
  void skip() override {
    for (std::uint64_t left = 1; left > 0 && ok(); --left) {
      const Token& token = next();
      if (token.kind == Kind::array || token.kind == Kind::map) left += token.number;
    }
  }

 private:
  using Kind = Token::Kind;

  const Token& next() {
    static const Token nothing;
    if (ok() && at_ < tokens_.size()) return tokens_[at_++];
    fail();
    return nothing;
  }
  const Token& next(Kind kind) {
    static const Token nothing;
    const Token& token = next();
    if (token.kind == kind && ok()) return token;
    fail();
    return nothing;
  }
  std::string_view ext(std::int8_t type) {
    const Token& token = next(Kind::ext);
    if (token.ext_type != type) fail();
    return ok() ? text(token) : std::string_view{};
  }
  [[nodiscard]] std::string_view text(const Token& token) const {
    return body_.substr(token.number, token.size);
  }
  [[nodiscard]] std::span<const std::byte> bytes_of(const Token& token) const {
    return token.ext_type == k_in_tail ? tail_.span() : std::as_bytes(std::span{text(token)});
  }
  bool is_tuple(const Token& array) const {
    return array.number > 0 && tokens_[at_ + 1].kind == Kind::ext &&
           tokens_[at_ + 1].ext_type == k_ext_tuple;
  }
  Value::Kind ext_kind(const Token& token) {
    switch (token.ext_type) {
      case k_ext_pid: return Value::Kind::pid;
      case k_ext_ref: return Value::Kind::ref;
      case k_ext_symbol: return Value::Kind::symbol;
      default: fail(); return Value::Kind::nil;
    }
  }

  const Tokens& tokens_;
  const std::string_view body_;
  const Bytes& shared_;
  const Bytes& tail_;
  std::size_t at_ = 0;
};

/// The tokens of a body. Returns: false when it is no MessagePack within the limits.
bool tokenize(std::string_view body, Tokens& tokens) {
  Tokenizer tokenizer{tokens, body};
  std::size_t offset = 0;
  return msgpack::parse(body.data(), body.size(), offset, tokenizer) && offset == body.size();
}

/// The same for a body that ends with the head of a blob, whose content is elsewhere. `body` ends
/// with a nil in its place.
bool tokenize_but_tail(std::string_view body, Tokens& tokens) {
  if (!tokenize(body, tokens) || tokens.back().kind != Token::Kind::nil) return false;
  tokens.back().kind = Token::Kind::bytes;
  tokens.back().ext_type = k_in_tail;
  return true;
}

/// Reads `text`, which `shared` keeps alive if it is not empty; it ends with `tail` if that is not.
bool unpack_text(std::string_view text, const Bytes& shared, const Bytes& tail,
                 const std::function<void(Reader&)>& read) {
  // Kept from body to body, so that a small one allocates nothing.
  static thread_local Tokens kept;
  Tokens tokens = std::exchange(kept, {});
  tokens.clear();
  bool good = false;
  try {
    if (tail.empty() ? tokenize(text, tokens) : tokenize_but_tail(text, tokens)) {
      TokenReader reader{tokens, text, shared, tail};
      read(reader);
      good = reader.ok();
    }
  } catch (...) {  // out of memory, or a user's field that throws
    good = false;
  }
  if (tokens.capacity() <= k_tokens_kept) kept = std::move(tokens);
  return good;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

bool pack(Buffer& out, const std::function<void(Writer&)>& write) {
  PackWriter writer{out, nullptr};
  write(writer);
  return writer.ok();
}

bool pack(Buffer& out, Bytes& tail, const std::function<void(Writer&)>& write) {
  PackWriter writer{out, &tail};
  write(writer);
  return writer.ok();
}

bool unpack(std::span<const std::byte> body, const std::function<void(Reader&)>& read) {
  return unpack_text(text_of(body), {}, {}, read);
}

bool unpack(const Bytes& body, const Bytes& tail, const std::function<void(Reader&)>& read) {
  if (tail.empty()) return unpack_text(text_of(body.span()), body, tail, read);
  constexpr std::size_t k_head = 5;  // of a bin 32
  std::string head{'\xc6'};
  for (int shift = 24; shift >= 0; shift -= 8) head += static_cast<char>(tail.size() >> shift);
  std::string text{text_of(body.span())};
  if (tail.size() > UINT32_MAX || !text.ends_with(head)) return false;
  text.resize(text.size() - k_head);
  text += '\xc0';
  return unpack_text(text, {}, tail, read);
}

}  // namespace grove::transport
