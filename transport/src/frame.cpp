// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/frame.hpp"

#include "grove/core/check.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace grove::transport {
namespace {

constexpr std::byte k_magic[2] = {std::byte{'G'}, std::byte{'V'}};
constexpr std::byte k_handshake_version{1};
constexpr std::size_t k_record_head = 40;  // kind to type, and the length before them: 4 + 36

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

template <class T>
void put_at(std::span<std::byte> out, std::size_t at, T value) {
  std::memcpy(out.subspan(at, sizeof value).data(), &value, sizeof value);
}
template <class T>
void put(Buffer& out, T value) {
  out.resize(out.size() + sizeof value);
  put_at(std::span<std::byte>{out}, out.size() - sizeof value, value);
}
void put_bytes(Buffer& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}
void put_text(Buffer& out, std::string_view text) {
  GROVE_CHECK(text.size() <= 255);
  put(out, static_cast<std::uint8_t>(text.size()));
  put_bytes(out, std::as_bytes(std::span{text}));
}
Buffer begin(FrameKind kind) {
  return {k_magic[0], k_magic[1], k_handshake_version, static_cast<std::byte>(kind)};
}

/// Takes bytes off the front; after the first shortage everything reads as zero.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : left_{bytes} {}
  template <class T>
  T number() {
    T value = 0;
    const auto bytes = take(sizeof value);
    if (ok_) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::string text() {
    const auto bytes = take(number<std::uint8_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  template <std::size_t N>
  std::array<std::byte, N> array() {
    std::array<std::byte, N> value{};
    const auto bytes = take(N);
    std::copy(bytes.begin(), bytes.end(), value.begin());
    return value;
  }
  std::span<const std::byte> take(std::size_t count) {
    if (!ok_ || count > left_.size()) {
      ok_ = false;
      return {};
    }
    const auto front = left_.first(count);
    left_ = left_.subspan(count);
    return front;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::size_t left() const noexcept { return left_.size(); }

 private:
  std::span<const std::byte> left_;
  bool ok_ = true;
};

/// A stranger's words go into our log before he has proved anything.
bool is_plain(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

Cursor body_of(std::span<const std::byte> frame) {
  Cursor cursor{frame};
  cursor.take(4);
  return cursor;
}

}  // namespace

Frame Frame::own(Buffer bytes) {
  auto owner = std::make_shared<const Buffer>(std::move(bytes));
  const std::span<const std::byte> view{*owner};
  return {std::move(owner), view};
}

std::string_view to_string(Refusal reason) noexcept {
  switch (reason) {
    case Refusal::version: return "no common protocol version";
    case Refusal::cluster: return "it belongs to another cluster";
    case Refusal::cookie: return "wrong cookie";
    case Refusal::older_life: return "a newer life of that node has been seen";
    case Refusal::name_in_use: return "a node of that name is running";
    case Refusal::malformed: return "malformed handshake";
  }
  return "unknown reason";
}

std::optional<FrameKind> kind_of(std::span<const std::byte> frame) noexcept {
  if (frame.size() < 4 || frame[0] != k_magic[0] || frame[1] != k_magic[1]) return std::nullopt;
  // A hello or refuse of another layout is understood far enough to refuse it.
  const auto kind = std::to_integer<std::uint8_t>(frame[3]);
  const bool known = kind == 1 || kind == 5 || kind == 16 || kind == 17 ||
                     (kind >= 2 && kind <= 6 && frame[2] == k_handshake_version);
  return known ? std::optional{static_cast<FrameKind>(kind)} : std::nullopt;
}

bool is_handshake(std::span<const std::byte> frame) noexcept {
  return frame.size() > 2 && frame[2] == k_handshake_version;
}

std::optional<std::uint8_t> common_version(Versions one, Versions other) noexcept {
  const std::uint8_t newest = std::min(one.max, other.max);
  return newest >= std::max(one.min, other.min) ? std::optional{newest} : std::nullopt;
}

Buffer encode(const Hello& hello) {
  Buffer out = begin(FrameKind::hello);
  put(out, hello.versions.min);
  put(out, hello.versions.max);
  put(out, std::uint16_t{0});
  put(out, hello.features);
  put(out, hello.life.value);
  put(out, hello.epoch);
  put_bytes(out, hello.nonce);
  put_text(out, hello.cluster);
  put_text(out, hello.name);
  put_text(out, hello.address);
  put_text(out, hello.local);
  return out;
}

Buffer encode(const Welcome& welcome) {
  Buffer out = begin(FrameKind::welcome);
  put(out, welcome.version);
  put(out, std::uint8_t{0});
  put(out, std::uint16_t{0});
  put(out, welcome.features);
  put(out, welcome.life.value);
  put_bytes(out, welcome.nonce);
  put_text(out, welcome.name);
  put_text(out, welcome.address);
  put_text(out, welcome.local);
  return out;
}

Buffer encode_auth(const Proof& proof) {
  Buffer out = begin(FrameKind::auth);
  put_bytes(out, proof);
  return out;
}

Buffer encode(const RefuseFrame& refuse) {
  Buffer out = begin(FrameKind::refuse);
  put(out, static_cast<std::uint8_t>(refuse.reason));
  put_text(out, std::string_view{refuse.text}.substr(0, 255));
  return out;
}

Buffer encode_empty(FrameKind kind) { return begin(kind); }

void encode(FrameKind kind, const SessionHeader& header, std::span<std::byte> into) {
  GROVE_CHECK(into.size() >= k_session_header_bytes);
  into[0] = k_magic[0];
  into[1] = k_magic[1];
  into[2] = std::byte{header.version};
  into[3] = static_cast<std::byte>(kind);
  put_at(into, 4, std::uint32_t{0});
  put_at(into, 8, header.from_life.value);
  put_at(into, 16, header.to_life.value);
  put_at(into, 24, header.from_epoch);
  put_at(into, 32, header.to_epoch);
  put_at(into, 40, header.sequence);
}

std::size_t begin_record(Buffer& batch, const Record& record) {
  const std::size_t at = batch.size();
  batch.resize(at + k_record_head);
  const std::span<std::byte> out{batch.data() + at, k_record_head};
  put_at(out, 4, record.kind);
  put_at(out, 5, record.flags);
  put_at(out, 6, static_cast<std::uint16_t>(record.name.size()));
  put_at(out, 8, record.from);
  put_at(out, 16, record.to);
  put_at(out, 24, record.serial);
  put_at(out, 32, record.type);
  put_bytes(batch, std::as_bytes(std::span{record.name}));
  return at;
}

void finish_record(Buffer& batch, std::size_t at, std::size_t tail_bytes) noexcept {
  put_at(std::span<std::byte>{batch}, at,
         static_cast<std::uint32_t>(batch.size() - at - 4 + tail_bytes));
}

std::optional<Hello> parse_hello(std::span<const std::byte> frame) {
  Cursor in = body_of(frame);
  Hello hello;
  hello.versions.min = in.number<std::uint8_t>();
  hello.versions.max = in.number<std::uint8_t>();
  in.number<std::uint16_t>();
  hello.features = in.number<std::uint64_t>();
  hello.life.value = in.number<std::uint64_t>();
  hello.epoch = in.number<std::uint64_t>();
  hello.nonce = in.array<16>();
  hello.cluster = in.text();
  hello.name = in.text();
  hello.address = in.text();
  hello.local = in.text();
  if (!in.ok() || frame.size() > k_handshake_bytes_max || !is_node_name(hello.name) ||
      hello.life.value == 0 || !is_plain(hello.cluster) || !is_plain(hello.address) ||
      !is_plain(hello.local)) {
    return std::nullopt;
  }
  return hello;
}

std::optional<WelcomeAndProof> parse_welcome(std::span<const std::byte> frame) {
  WelcomeAndProof parsed;
  if (frame.size() < parsed.proof.size() || frame.size() > k_handshake_bytes_max) {
    return std::nullopt;
  }
  parsed.signed_part = frame.first(frame.size() - parsed.proof.size());
  const auto proof = frame.last(parsed.proof.size());
  std::copy(proof.begin(), proof.end(), parsed.proof.begin());
  Cursor in = body_of(parsed.signed_part);
  Welcome& welcome = parsed.welcome;
  welcome.version = in.number<std::uint8_t>();
  in.number<std::uint8_t>();
  in.number<std::uint16_t>();
  welcome.features = in.number<std::uint64_t>();
  welcome.life.value = in.number<std::uint64_t>();
  welcome.nonce = in.array<16>();
  welcome.name = in.text();
  welcome.address = in.text();
  welcome.local = in.text();
  if (!in.ok() || !is_node_name(welcome.name) || welcome.life.value == 0 ||
      !is_plain(welcome.address) || !is_plain(welcome.local)) {
    return std::nullopt;
  }
  return parsed;
}

std::optional<Proof> parse_auth(std::span<const std::byte> frame) {
  Cursor in = body_of(frame);
  const Proof proof = in.array<32>();
  if (!in.ok() || in.left() != 0) return std::nullopt;
  return proof;
}

std::optional<RefuseFrame> parse_refuse(std::span<const std::byte> frame) {
  Cursor in = body_of(frame);
  RefuseFrame refuse;
  refuse.reason = static_cast<Refusal>(in.number<std::uint8_t>());
  refuse.text = in.text();
  if (!in.ok()) return std::nullopt;
  return refuse;
}

std::optional<SessionHeader> parse_session_header(std::span<const std::byte> frame) {
  if (frame.size() < k_session_header_bytes) return std::nullopt;
  Cursor in = body_of(frame);
  in.number<std::uint32_t>();
  SessionHeader header;
  header.version = std::to_integer<std::uint8_t>(frame[2]);
  header.from_life.value = in.number<std::uint64_t>();
  header.to_life.value = in.number<std::uint64_t>();
  header.from_epoch = in.number<std::uint64_t>();
  header.to_epoch = in.number<std::uint64_t>();
  header.sequence = in.number<std::uint64_t>();
  return header;
}

std::optional<Record> next_record(std::span<const std::byte> frame, std::size_t& offset,
                                  bool& malformed, std::size_t tail_bytes) {
  malformed = false;
  if (offset == frame.size()) {
    malformed = tail_bytes > 0 && offset == k_session_header_bytes;  // it continues nothing
    return std::nullopt;
  }
  Cursor in{frame.subspan(offset)};
  std::size_t length = in.number<std::uint32_t>();
  const bool continued = tail_bytes > 0 && length == in.left() + tail_bytes;
  if (continued) length = in.left();
  Cursor head{in.take(length)};
  Record record;
  record.kind = head.number<std::uint8_t>();
  record.flags = head.number<std::uint8_t>();
  const auto name_length = head.number<std::uint16_t>();
  record.from = head.number<std::uint64_t>();
  record.to = head.number<std::uint64_t>();
  record.serial = head.number<std::uint64_t>();
  record.type = head.number<std::uint64_t>();
  const auto name = head.take(name_length);
  record.body = head.take(head.left());
  const bool tail_is_nobodys = tail_bytes > 0 && in.left() == 0 && !continued;
  if (!in.ok() || !head.ok() || tail_is_nobodys) {
    malformed = true;
    return std::nullopt;
  }
  record.name = {reinterpret_cast<const char*>(name.data()), name.size()};
  offset += 4 + length;
  return record;
}

Content content_of(const std::byte* record, std::size_t tail_bytes) noexcept {
  const auto number = [record]<class T>(std::size_t at, T value) {
    std::memcpy(&value, record + at, sizeof value);
    return value;
  };
  const std::size_t body = k_record_head + number(6, std::uint16_t{});
  const std::size_t end = 4 + std::size_t{number(0, std::uint32_t{})} - tail_bytes;
  return {number(32, std::uint64_t{}), {record + body, end - body}};
}

}  // namespace grove::transport
