// SPDX-License-Identifier: Apache-2.0
#include "grove/core/wire.hpp"

namespace grove::wire {

namespace {

// Deeper than what travels: there a writer has refused the value already. Texts end there.
constexpr int k_depth = 100;

void write(Writer& out, const Value& value, int depth) {
  if (depth > k_depth) return out.nil();
  switch (value.kind()) {
    case Value::Kind::nil: out.nil(); break;
    case Value::Kind::boolean: out.boolean(*value.as_bool()); break;
    case Value::Kind::integer: out.integer(*value.as_integer()); break;
    case Value::Kind::real: out.real(*value.as_real()); break;
    case Value::Kind::string: out.string(*value.as_string()); break;
    case Value::Kind::symbol: out.symbol(*value.as_symbol()); break;
    case Value::Kind::bytes: out.bytes(*value.as_bytes()); break;
    case Value::Kind::pid: out.pid(*value.as_pid()); break;
    case Value::Kind::ref: out.ref(*value.as_ref()); break;
    case Value::Kind::list:
      out.array(value.as_list()->size());
      for (const Value& item : *value.as_list()) write(out, item, depth + 1);
      break;
    case Value::Kind::tuple:
      out.tuple(value.as_tuple()->size());
      for (const Value& item : *value.as_tuple()) write(out, item, depth + 1);
      break;
    case Value::Kind::map:
      out.map(value.as_map()->size());
      for (const auto& [key, item] : *value.as_map()) {
        write(out, key, depth + 1);
        write(out, item, depth + 1);
      }
      break;
  }
}

}  // namespace

void write(Writer& out, const Value& value) { write(out, value, 0); }

namespace {

// The reader bounds depth before we recurse: a body nested deeper than its limit never parses.
Value::Items read_items(Reader& in, std::size_t count) {
  Value::Items items;
  for (; count > 0 && in.ok(); --count) read(in, items.emplace_back());
  return items;
}

}  // namespace

void read(Reader& in, Value& value) {
  switch (in.peek()) {
    case Value::Kind::nil:
      in.nil();
      value = Value{};
      break;
    case Value::Kind::boolean: value = in.boolean(); break;
    case Value::Kind::integer: value = in.integer(); break;
    case Value::Kind::real: value = in.real(); break;
    case Value::Kind::string: value = in.string(); break;
    case Value::Kind::symbol: value = Value::symbol(in.symbol()); break;
    case Value::Kind::bytes: value = in.bytes(); break;
    case Value::Kind::pid: value = in.pid(); break;
    case Value::Kind::ref: value = in.ref(); break;
    case Value::Kind::list: value = Value::list(read_items(in, in.array())); break;
    case Value::Kind::tuple: value = Value::tuple(read_items(in, in.tuple())); break;
    case Value::Kind::map: {
      Value::Entries entries;
      for (std::size_t left = in.map(); left > 0 && in.ok(); --left) {
        auto& [key, item] = entries.emplace_back();
        read(in, key);
        read(in, item);
      }
      value = Value::map(std::move(entries));
      break;
    }
  }
}

void write(Writer& out, const ExitReason& reason) { write(out, reason.term()); }
void read(Reader& in, ExitReason& reason) {
  Value term;
  read(in, term);
  reason = ExitReason{std::move(term)};
}

}  // namespace grove::wire
