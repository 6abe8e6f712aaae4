// SPDX-License-Identifier: Apache-2.0
#include "transport/frame_text.hpp"

#include "grove/core/message.hpp"
#include "grove/node/envelope.hpp"
#include "grove/transport/codec.hpp"

#include "control.hpp"
#include "remote_signals.hpp"
#include "support/bytes.hpp"

#include <charconv>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

namespace grove::testkit {
namespace {

using namespace transport;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e || c == '"' || c == '\\') {
      out += "\\x" + hex_word({reinterpret_cast<const std::byte*>(&c), 1});
    } else {
      out += c;
    }
  }
  return out + '"';
}
std::string hexadecimal(std::uint64_t number) {
  char text[20] = "0x";
  return {text, std::to_chars(text + 2, text + sizeof text, number, 16).ptr};
}
std::string place_of(std::uint64_t local) {
  return std::to_string(local >> 32U) + '.' + std::to_string(local & 0xffffffffU);
}

/// Spells what a message's fields, or a term, consist of.
class Speller final : public Writer {
 public:
  std::string text;

  void nil() override { item("nil"); }
  void boolean(bool value) override { item(value ? "true" : "false"); }
  void integer(std::int64_t value) override { item(std::to_string(value)); }
  void natural(std::uint64_t value) override { item(std::to_string(value)); }
  void real(double value) override {
    char shortest[40];
    item("real " +
         std::string{shortest, std::to_chars(shortest, shortest + sizeof shortest, value).ptr});
  }
  void string(std::string_view value) override { item(quoted(value)); }
  void symbol(std::string_view value) override { item("symbol " + quoted(value)); }
  void bytes(std::span<const std::byte> value) override { item("bytes <" + text_of(value) + ">"); }
  void pid(const Pid& value) override {
    item(value ? "pid " + node_name(value.node) + ' ' +
                     std::to_string(node_life(value.node).value) + ' ' + place_of(local_id(value))
               : "nobody");
  }
  void ref(const Ref& value) override {
    item("ref " + node_name(value.node) + ' ' + std::to_string(node_life(value.node).value) + ' ' +
         std::to_string(value.owner) + ' ' + std::to_string(value.serial));
  }
  void array(std::size_t size) override { open("[", "]", size); }
  void tuple(std::size_t size) override { open("(", ")", size); }
  void map(std::size_t size) override { open("{", "}", 2 * size); }

 private:
  struct Level {
    std::size_t left;
    std::string_view close;
  };
  void item(std::string_view value) {
    begin();
    text += value;
    end();
  }
  void open(std::string_view opener, std::string_view closer, std::size_t size) {
    begin();
    text += opener;
    levels_.push_back({size, closer});
    end();
  }
  void begin() {
    if (levels_.empty()) return;
    --levels_.back().left;
    if (text.back() != '[' && text.back() != '(' && text.back() != '{') text += ", ";
  }
  void end() {
    for (; !levels_.empty() && levels_.back().left == 0; levels_.pop_back()) {
      text += levels_.back().close;
    }
  }
  std::vector<Level> levels_;
};

bool has_body(const Record& record) {
  const auto kind = static_cast<SignalKind>(record.kind);
  return cluster::carries_message(kind) || record.kind == cluster::k_control ||
         kind == SignalKind::exit || kind == SignalKind::down;
}
/// As which type it is read: none for a term, and for a type that we do not know.
ReadBody body_of(const Record& record) {
  const MessageType* type = find_message_type(record.type);
  if (!has_body(record) || (record.type != 0 && type == nullptr)) return {};
  return read_body(record.body, type);
}

std::string meaning_of(const Record& record) {
  std::string text = "record kind=" + std::to_string(record.kind) +
                     " flags=" + std::to_string(record.flags) + " from=" + place_of(record.from) +
                     " to=" + place_of(record.to) + " serial=" + std::to_string(record.serial) +
                     " type=" + hexadecimal(record.type) + " name=" + quoted(record.name);
  if (record.body.empty()) return text;
  const ReadBody body = body_of(record);
  if (body.again.empty()) return text + " body: <" + text_of(record.body) + ">";
  const MessageType* type = find_message_type(record.type);
  return text + " body: " + (type == nullptr ? "" : std::string{type->name} + ' ') + body.meaning;
}

std::string meaning_of(const SessionHeader& header) {
  return "version=" + std::to_string(header.version) +
         " lives=" + std::to_string(header.from_life.value) + '>' +
         std::to_string(header.to_life.value) + " epochs=" + std::to_string(header.from_epoch) +
         '>' + std::to_string(header.to_epoch) + " sequence=" + std::to_string(header.sequence);
}

std::string meaning_of_batch(std::span<const std::byte> frame, std::span<const std::byte> tail) {
  std::string text;
  std::size_t offset = k_session_header_bytes;
  bool malformed = false;
  while (auto record = next_record(frame, offset, malformed, tail.size())) {
    Buffer body{record->body.begin(), record->body.end()};
    if (offset == frame.size()) body.insert(body.end(), tail.begin(), tail.end());
    record->body = body;
    text += '\n' + meaning_of(*record);
  }
  return malformed ? text + "\nmalformed" : text;
}

std::string meaning_of(const Hello& hello) {
  return "hello versions=" + std::to_string(hello.versions.min) + '-' +
         std::to_string(hello.versions.max) + " features=" + hexadecimal(hello.features) +
         " life=" + std::to_string(hello.life.value) + " epoch=" + std::to_string(hello.epoch) +
         " nonce=" + hex_word(hello.nonce) + " cluster=" + quoted(hello.cluster) +
         " name=" + quoted(hello.name) + " address=" + quoted(hello.address) +
         " local=" + quoted(hello.local);
}
std::string meaning_of(const WelcomeAndProof& parsed) {
  const Welcome& welcome = parsed.welcome;
  return "welcome version=" + std::to_string(welcome.version) +
         " features=" + hexadecimal(welcome.features) +
         " life=" + std::to_string(welcome.life.value) + " nonce=" + hex_word(welcome.nonce) +
         " name=" + quoted(welcome.name) + " address=" + quoted(welcome.address) +
         " local=" + quoted(welcome.local) + " proof=" + hex_word(parsed.proof);
}

template <class T>
std::string meaning_of(const std::optional<T>& parsed) {
  return parsed ? meaning_of(*parsed) : "malformed";
}

Buffer batch_again(std::span<const std::byte> frame, const SessionHeader& header) {
  Buffer again(k_session_header_bytes);
  std::size_t offset = k_session_header_bytes;
  bool malformed = false;
  while (const auto record = next_record(frame, offset, malformed)) {
    const std::size_t at = begin_record(again, *record);
    const Buffer body = body_of(*record).again;
    const auto kept = body.empty() ? record->body : std::span<const std::byte>{body};
    again.insert(again.end(), kept.begin(), kept.end());
    finish_record(again, at);
  }
  encode(FrameKind::batch, header, again);
  return malformed ? Buffer{} : again;
}

}  // namespace

std::string meaning_of(std::span<const std::byte> frame, std::span<const std::byte> tail) {
  const auto kind = kind_of(frame);
  if (!kind) return "malformed";
  switch (*kind) {
    case FrameKind::hello: return meaning_of(parse_hello(frame));
    case FrameKind::welcome: return meaning_of(parse_welcome(frame));
    case FrameKind::auth: {
      const auto proof = parse_auth(frame);
      return proof ? "auth proof=" + hex_word(*proof) : "malformed";
    }
    case FrameKind::accept: return "accept";
    case FrameKind::refuse: {
      const auto refuse = parse_refuse(frame);
      return refuse ? "refuse reason=" + std::to_string(static_cast<int>(refuse->reason)) +
                          " text=" + quoted(refuse->text)
                    : "malformed";
    }
    case FrameKind::bye: return "bye";
    case FrameKind::heartbeat: return "heartbeat " + meaning_of(parse_session_header(frame));
    case FrameKind::batch:
      return "batch " + meaning_of(parse_session_header(frame)) + meaning_of_batch(frame, tail);
  }
  return "malformed";
}

Buffer encoded_again(std::span<const std::byte> frame) {
  const auto kind = kind_of(frame);
  if (!kind) return {};
  switch (*kind) {
    case FrameKind::hello: {
      const auto hello = parse_hello(frame);
      return hello ? encode(*hello) : Buffer{};
    }
    case FrameKind::welcome: {
      const auto parsed = parse_welcome(frame);
      if (!parsed) return {};
      Buffer again = encode(parsed->welcome);
      again.insert(again.end(), parsed->proof.begin(), parsed->proof.end());
      return again;
    }
    case FrameKind::auth: {
      const auto proof = parse_auth(frame);
      return proof ? encode_auth(*proof) : Buffer{};
    }
    case FrameKind::refuse: {
      const auto refuse = parse_refuse(frame);
      return refuse ? encode(*refuse) : Buffer{};
    }
    case FrameKind::accept:
    case FrameKind::bye: return encode_empty(*kind);
    case FrameKind::heartbeat:
    case FrameKind::batch: {
      const auto header = parse_session_header(frame);
      if (!header) return {};
      if (*kind == FrameKind::batch) return batch_again(frame, *header);
      Buffer again(k_session_header_bytes);
      encode(*kind, *header, again);
      return again;
    }
  }
  return {};
}

ReadBody read_body(std::span<const std::byte> body, const MessageType* type) {
  if (type == nullptr) type = &k_message_type<Value>;
  Message message = Message::make_default(*type);
  if (!unpack(body, [&](Reader& in) { type->read(in, message.object()); })) return {};
  ReadBody read;
  Speller speller;
  type->write(speller, message.object());
  read.meaning = speller.text;
  pack(read.again, [&](Writer& out) { type->write(out, message.object()); });
  return read;
}

}  // namespace grove::testkit
