// SPDX-License-Identifier: Apache-2.0
//
// Terms that MessagePack lacks are extensions: 1 pid, 2 ref, 3 symbol, 4 tuple (its items packed).
#include <bit>
#include <cstring>
#include <msgpack.hpp>
#include <vector>

#include "grove/transport/codec.hpp"

namespace grove::transport {
namespace {

enum : std::int8_t { k_ext_pid = 1, k_ext_ref = 2, k_ext_symbol = 3, k_ext_tuple = 4 };

/// What msgpack::packer writes to.
struct Sink {
  Bytes& bytes;
  void write(const char* data, std::size_t size) {
    const auto* begin = reinterpret_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), begin, begin + size);
  }
};

class PackWriter final : public Writer {
 public:
  explicit PackWriter(Bytes& out) : sink_{out}, packer_{sink_} {}

  void nil() override { packer_.pack_nil(); }
  void boolean(bool value) override {
    if (value) {
      packer_.pack_true();
    } else {
      packer_.pack_false();
    }
  }
  void integer(std::int64_t value) override { packer_.pack_int64(value); }
  void natural(std::uint64_t value) override { packer_.pack_uint64(value); }
  void real(double value) override {
    // By hand: pack_double turns 1.0 into an integer, which no reader of a real would take.
    const auto bits = std::bit_cast<std::uint64_t>(value);
    char bytes[9] = {static_cast<char>(0xcb)};
    for (int i = 0; i < 8; ++i) bytes[1 + i] = static_cast<char>(bits >> (56 - 8 * i));
    sink_.write(bytes, sizeof bytes);
  }
  void string(std::string_view text) override {
    packer_.pack_str(static_cast<std::uint32_t>(text.size()));
    packer_.pack_str_body(text.data(), static_cast<std::uint32_t>(text.size()));
  }
  void symbol(std::string_view text) override { ext(k_ext_symbol, text); }
  void bytes(std::span<const std::byte> bytes) override {
    packer_.pack_bin(static_cast<std::uint32_t>(bytes.size()));
    packer_.pack_bin_body(reinterpret_cast<const char*>(bytes.data()),
                          static_cast<std::uint32_t>(bytes.size()));
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
  void array(std::size_t size) override { packer_.pack_array(static_cast<std::uint32_t>(size)); }
  void tuple(std::size_t size) override {
    // A one-byte extension before the array marks it as a tuple.
    packer_.pack_array(static_cast<std::uint32_t>(size) + 1);
    ext(k_ext_tuple, "t");
  }
  void map(std::size_t size) override { packer_.pack_map(static_cast<std::uint32_t>(size)); }

 private:
  void ext(std::int8_t type, std::string_view body) {
    packer_.pack_ext(body.size(), type);
    packer_.pack_ext_body(body.data(), static_cast<std::uint32_t>(body.size()));
  }
  Sink sink_;
  msgpack::packer<Sink> packer_;
};

/// Walks the parsed objects in order.
class ObjectReader final : public Reader {
 public:
  explicit ObjectReader(const msgpack::object& root) { stack_.push_back({&root, 1}); }

  Value::Kind peek() override {
    const msgpack::object* object = front();
    if (object == nullptr) return Value::Kind::nil;
    switch (object->type) {
      case msgpack::type::BOOLEAN: return Value::Kind::boolean;
      case msgpack::type::POSITIVE_INTEGER:
      case msgpack::type::NEGATIVE_INTEGER: return Value::Kind::integer;
      case msgpack::type::FLOAT32:
      case msgpack::type::FLOAT64: return Value::Kind::real;
      case msgpack::type::STR: return Value::Kind::string;
      case msgpack::type::BIN: return Value::Kind::bytes;
      case msgpack::type::ARRAY: return is_tuple(*object) ? Value::Kind::tuple : Value::Kind::list;
      case msgpack::type::MAP: return Value::Kind::map;
      case msgpack::type::EXT: return ext_kind(*object);
      default: return Value::Kind::nil;
    }
  }
  void nil() override {
    const msgpack::object* object = next();
    if (object == nullptr || object->type != msgpack::type::NIL) fail();
  }
  bool boolean() override {
    const msgpack::object* object = next(msgpack::type::BOOLEAN);
    return object != nullptr && object->via.boolean;
  }
  std::int64_t integer() override {
    const msgpack::object* object = next();
    if (object != nullptr && object->type == msgpack::type::NEGATIVE_INTEGER) {
      return object->via.i64;
    }
    if (object != nullptr && object->type == msgpack::type::POSITIVE_INTEGER &&
        object->via.u64 <= INT64_MAX) {
      return static_cast<std::int64_t>(object->via.u64);
    }
    fail();
    return 0;
  }
  std::uint64_t natural() override {
    const msgpack::object* object = next(msgpack::type::POSITIVE_INTEGER);
    return object == nullptr ? 0 : object->via.u64;
  }
  double real() override {
    const msgpack::object* object = next();
    if (object != nullptr && (object->type == msgpack::type::FLOAT64 ||
                              object->type == msgpack::type::FLOAT32)) {
      return object->via.f64;
    }
    fail();
    return 0;
  }
  std::string string() override {
    const msgpack::object* object = next(msgpack::type::STR);
    return object == nullptr ? std::string{} : std::string{object->via.str.ptr,
                                                           object->via.str.size};
  }
  std::string symbol() override { return ext(k_ext_symbol); }
  std::vector<std::byte> bytes() override {
    const msgpack::object* object = next(msgpack::type::BIN);
    if (object == nullptr) return {};
    const auto* begin = reinterpret_cast<const std::byte*>(object->via.bin.ptr);
    return {begin, begin + object->via.bin.size};
  }
  Pid pid() override {
    const std::string text = ext(k_ext_pid);
    if (!ok() || text == "nobody") return {};
    const auto parsed = parse_pid(text);
    if (!parsed) fail();
    return parsed.value_or(Pid{});
  }
  Ref ref() override {
    const std::string body = ext(k_ext_ref);
    const std::string_view name = body.size() > 20 ? std::string_view{body}.substr(20) : "";
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
  std::size_t array() override {
    const msgpack::object* object = next(msgpack::type::ARRAY);
    if (object == nullptr) return 0;
    stack_.push_back({object->via.array.ptr, object->via.array.size});
    return object->via.array.size;
  }
  std::size_t tuple() override {
    const std::size_t size = array();
    if (size == 0 || ext(k_ext_tuple).empty()) fail();
    return ok() ? size - 1 : 0;
  }
  std::size_t map() override {
    const msgpack::object* object = next(msgpack::type::MAP);
    if (object == nullptr) return 0;
    // Keys and values lie alternating in memory: walk them as one run of objects.
    static_assert(sizeof(msgpack::object_kv) == 2 * sizeof(msgpack::object));
    stack_.push_back({reinterpret_cast<const msgpack::object*>(object->via.map.ptr),
                      std::size_t{object->via.map.size} * 2});
    return object->via.map.size;
  }
  void skip() override { next(); }
  [[nodiscard]] bool at_end() { return front() == nullptr; }

 private:
  struct Run {
    const msgpack::object* at;
    std::size_t left;
  };
  const msgpack::object* front() {
    while (!stack_.empty() && stack_.back().left == 0) stack_.pop_back();
    return stack_.empty() ? nullptr : stack_.back().at;
  }
  const msgpack::object* next() {
    const msgpack::object* object = ok() ? front() : nullptr;
    if (object == nullptr) {
      fail();
      return nullptr;
    }
    ++stack_.back().at;
    --stack_.back().left;
    return object;
  }
  const msgpack::object* next(msgpack::type::object_type type) {
    const msgpack::object* object = next();
    if (object != nullptr && object->type == type) return object;
    fail();
    return nullptr;
  }
  std::string ext(std::int8_t type) {
    const msgpack::object* object = next(msgpack::type::EXT);
    if (object == nullptr || object->via.ext.type() != type) {
      fail();
      return {};
    }
    return {object->via.ext.data(), object->via.ext.size};
  }
  static bool is_tuple(const msgpack::object& object) {
    if (object.via.array.size == 0) return false;
    const msgpack::object& first = object.via.array.ptr[0];
    return first.type == msgpack::type::EXT && first.via.ext.type() == k_ext_tuple;
  }
  Value::Kind ext_kind(const msgpack::object& object) {
    switch (object.via.ext.type()) {
      case k_ext_pid: return Value::Kind::pid;
      case k_ext_ref: return Value::Kind::ref;
      case k_ext_symbol: return Value::Kind::symbol;
      default: fail(); return Value::Kind::nil;
    }
  }
  std::vector<Run> stack_;
};

/// Walks a body without building anything.
struct DryRun : msgpack::null_visitor {
  static bool enter(std::size_t& depth) { return ++depth <= k_depth_max; }
  bool start_array(std::uint32_t) { return enter(depth); }
  bool start_map(std::uint32_t) { return enter(depth); }
  bool end_array() { return --depth, true; }
  bool end_map() { return --depth, true; }
  void parse_error(std::size_t, std::size_t) { failed = true; }
  void insufficient_bytes(std::size_t, std::size_t) { failed = true; }
  std::size_t depth = 0;
  bool failed = false;
};

/// Headers inside headers may together claim 30 times what the body has, and room is made for an
/// array when its header is read. Small bodies cannot ask for much; others are walked first.
bool claims_what_it_has(const char* data, std::size_t size) {
  constexpr std::size_t k_small = 4096;
  if (size <= k_small) return true;
  DryRun visitor;
  std::size_t offset = 0;
  return msgpack::parse(data, size, offset, visitor) && !visitor.failed && offset == size;
}

}  // namespace

void pack(Bytes& out, const std::function<void(Writer&)>& write) {
  PackWriter writer{out};
  write(writer);
}

bool unpack(std::span<const std::byte> body, const std::function<void(Reader&)>& read) {
  const std::size_t size = body.size();
  const char* data = reinterpret_cast<const char*>(body.data());
  if (!claims_what_it_has(data, size)) return false;
  const msgpack::unpack_limit limit{size, size / 2, size, size, size, k_depth_max};
  try {
    std::size_t offset = 0;
    const msgpack::object_handle handle =
        msgpack::unpack(data, size, offset,
                        [](msgpack::type::object_type, std::size_t, void*) { return true; },
                        nullptr, limit);
    if (offset != size) return false;
    ObjectReader reader{handle.get()};
    read(reader);
    return reader.ok();
  } catch (const msgpack::unpack_error&) {
    return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace grove::transport
