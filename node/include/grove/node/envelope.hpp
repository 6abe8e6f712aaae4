// SPDX-License-Identifier: Apache-2.0
//
// Envelope: one signal on its way to one process, and the messages that signals become.
//
// 64 bytes, one cache line. Messages, exits, links, monitors and DOWNs are all envelopes in one
// queue, so whatever one process sends to another arrives in the order sent.
#pragma once

#include "grove/core/exit_reason.hpp"
#include "grove/core/ids.hpp"
#include "grove/core/message.hpp"

#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace grove {

/// Numbers travel on the wire: pinned and append-only.
enum class SignalKind : std::uint8_t {
  info = 1,        // a plain message
  cast = 2,        // a message for a server that wants no answer
  call = 3,        // a request; also monitors the server until it is answered
  reply = 4,       // the answer to a call; dropped when the call is over
  exit = 5,        // ExitSignal
  down = 6,        // DownSignal: `serial` is the monitor's
  link = 7,        // SessionMark
  unlink = 8,      // SessionMark, of the link; `serial` is the unlink's id
  unlink_ack = 9,  // `serial` is the unlink's id
  monitor = 10,    // SessionMark; `serial` is the watcher's
  demonitor = 11,  // `serial` is the watcher's
  alias = 12,      // a message through the alias `serial`, whichever life its owner's place has
  spawn = 13,      // an order (behaviour.hpp) for the node itself; `serial`: of the request, or 0
  spawned = 14,    // SpawnMark, from the child that the request `serial` has started
  inspect = 15,    // a question (`serial`) that needs no code of the process; or InspectRequest
  system = 16,     // a call for servers alone: SysRequest
  // These never leave a node:
  node_lost = 32,   // NodeLost
  tick = 33,        // look at the clock: a deadline may have passed
  completed = 35,   // the Operation `serial` has ended
  want_room = 36,   // the sender waits until the mailbox has room
  room = 37,        // it has
  told = 39,        // a message of the runtime's, which takes no room
  told_alias = 40,  // the same through an alias
};

/// Whether it carries a message of the program's.
[[nodiscard]] constexpr bool is_message(SignalKind kind) noexcept {
  return kind <= SignalKind::call || kind == SignalKind::alias;
}

/// Whether it is meant for whichever life of its place owns an alias.
[[nodiscard]] constexpr bool is_through_alias(SignalKind kind) noexcept {
  return kind == SignalKind::alias || kind == SignalKind::told_alias;
}

/// A session's number on this node; grows. 0: none.
using SessionId = std::uint64_t;

/// A linked process ended, or somebody sent an exit signal, and this process traps exits.
struct Exit {
  Pid from;
  ExitReason reason;
};

/// A monitored process ended (or never was: noproc; or is out of reach: noconnection).
struct Down {
  Ref ref;
  Pid pid;  // nobody, when a name was monitored that no process had
  ExitReason reason;
  std::string name;  // set when the monitor named its target
};

/// A message whose type this program does not know.
struct Opaque {
  std::uint64_t wire_id;
};

namespace detail {

/// This thread's stock of freed envelopes, so that most cost no call of the allocator.
struct EnvelopeStock {
  static constexpr std::uint32_t k_max = 1024;
  struct Free {
    Free* next;
  };
  Free* first = nullptr;
  std::uint32_t size = k_max;  // full, so that nothing is kept, until allocate_envelope()
};
inline constinit thread_local EnvelopeStock t_envelopes;
/// Allocates one, and sees to it that this thread's stock is given back when it ends.
[[nodiscard]] void* allocate_envelope(std::size_t size);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool k_stock_envelopes = false;  // or nobody would see a use after free
#else
inline constexpr bool k_stock_envelopes = true;
#endif

}  // namespace detail

struct Envelope {
  Envelope() : serial{0}, kind_bits{0}, flags{0} {}
  Envelope(SignalKind kind, const Pid& sender, std::uint64_t number = 0, Message&& content = {})
      : message{std::move(content)},
        from{sender},
        serial{number & k_serial_mask},
        kind_bits{static_cast<std::uint64_t>(kind)},
        flags{0} {}

  [[nodiscard]] SignalKind kind() const noexcept {
    return static_cast<SignalKind>(static_cast<std::uint8_t>(kind_bits));
  }
  void set_kind(SignalKind kind) noexcept { kind_bits = static_cast<std::uint8_t>(kind); }

  static constexpr std::uint64_t k_serial_mask = (std::uint64_t{1} << 48U) - 1;
  // Flags
  static constexpr std::uint64_t k_packed = 1;   // the message is still in its wire form
  static constexpr std::uint64_t k_counted = 2;  // takes room in a bounded mailbox

  static void* operator new(std::size_t size);
  static void operator delete(void* memory, std::size_t size) noexcept;

  Envelope* next = nullptr;  // the queue's, while queued
  Message message;
  Pid from;
  std::uint32_t generation = 0;  // the life of its target; once in the mailbox: when it arrived
  std::uint64_t serial : 48;
  std::uint64_t kind_bits : 8;
  std::uint64_t flags : 8;
};
static_assert(sizeof(Envelope) == 64);

inline void* Envelope::operator new(std::size_t size) {
  detail::EnvelopeStock& stock = detail::t_envelopes;
  if (stock.first == nullptr) return detail::allocate_envelope(size);
  --stock.size;
  return std::exchange(stock.first, stock.first->next);
}
inline void Envelope::operator delete(void* memory, std::size_t size) noexcept {
  detail::EnvelopeStock& stock = detail::t_envelopes;
  if (!detail::k_stock_envelopes || stock.size >= detail::EnvelopeStock::k_max) {
    detail::deallocate(memory, size);
    return;
  }
  ++stock.size;
  stock.first = ::new (memory) detail::EnvelopeStock::Free{stock.first};
}

using EnvelopePtr = std::unique_ptr<Envelope>;

namespace detail {

/// What the signals that are not messages carry.
struct ExitSignal {
  ExitReason reason;
  bool of_link = false;  // the sender ended, or is out of reach; ignored when the link is gone
};
struct DownSignal {
  ExitReason reason;
};
/// In the place of an answer: why there is none. An ExitReason is an answer like any other.
struct CallFailure {
  ExitReason reason;
};
struct SessionMark {
  SessionId session = 0;  // the session it came over; 0 for a local sender
};
/// What ties a child to who has asked for it from another node.
struct SpawnMark {
  static constexpr std::uint8_t k_link = 1;
  static constexpr std::uint8_t k_watched = 2;   // by a monitor, or a call, of the request's serial
  static constexpr std::uint8_t k_unwanted = 4;  // to be killed when nobody waits for it any more
  std::uint8_t ties = 0;
  SessionId session = 0;  // as SessionMark's
};
struct NodeLost {
  NodeId node;
  SessionId session = 0;  // this one and all before it
};
/// A frame that came, for as long as a message in it has not been read.
struct Received {
  std::shared_ptr<const void> frame;
  SessionId session = 0;  // that it came over
};
/// A message in its wire form: the record that carries it.
struct Packed {
  std::shared_ptr<const Received> in;
  const std::byte* record = nullptr;
};
static_assert(!k_boxed<Packed>);
/// The same with a record of its own, or of which `tail` is the end: so large that what is read of
/// it shares its memory.
struct PackedBlob {
  Bytes record;
  Bytes tail;
  SessionId session = 0;  // as Received's
};

}  // namespace detail
}  // namespace grove
