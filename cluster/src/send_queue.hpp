// SPDX-License-Identifier: Apache-2.0
//
// SendQueue: what a session has yet to send, and which frame of it goes next.
//
// Records gather in a batch, and a batch is a frame. A record that is larger than
// k_whole_bytes_max goes in pieces, a frame each; between them go batches, and pieces of other
// large records. What its sender sends meanwhile waits until the last piece has gone, and the first
// piece until what was queued before has: so the order between any two processes holds. No more
// than a window is under way, sent and not acknowledged: what is queued here can be overtaken, what
// the transport has cannot.
//
// Decides only: records in, frames out; it has no lock, no clock and no transport.
#pragma once

#include "grove/core/bytes.hpp"
#include "grove/core/clock.hpp"
#include "grove/transport/frame.hpp"

#include <cstdint>
#include <deque>
#include <list>
#include <optional>

namespace grove::cluster {

/// A piece of a record that is too large for one frame. Beside the numbers of SignalKind.
/// `serial` is the stream's number, `type` of the first piece the length of the whole record, which
/// is in the bodies of the pieces; of the others 0.
inline constexpr std::uint8_t k_fragment = 65;
inline constexpr std::uint8_t k_flag_last_piece = 1;

inline constexpr std::size_t k_batch_bytes = std::size_t{64} << 10U;  // full, and sent
/// A record up to this size is sent whole. What exceeds a piece is what stands before 1 MiB.
inline constexpr std::size_t k_whole_bytes_max = (std::size_t{1} << 20U) + (std::size_t{4} << 10U);
inline constexpr std::size_t k_piece_bytes = std::size_t{256} << 10U;
inline constexpr std::size_t k_window_bytes = std::size_t{8} << 20U;
static_assert(k_window_bytes >= 2 * transport::k_acknowledge_bytes, "or it runs dry");
/// Large records of one session that may be on their way at once.
inline constexpr std::size_t k_streams_max = 16;

class SendQueue {
 public:
  /// `record_bytes_max`: of all large records together that are on their way, too.
  SendQueue(std::size_t budget_bytes, std::size_t record_bytes_max);

  // -- in ------------------------------------------------------------------------------------

  /// Where the next record of `sender` is to be appended; finish() follows, or its removal.
  transport::Buffer& buffer_for(std::uint64_t sender);
  /// The last record of that buffer, which begins at `at`, is complete, with `tail`.
  /// Returns: false when it is too large: it is removed.
  bool finish(std::size_t at, Bytes tail);

  // -- out -----------------------------------------------------------------------------------

  struct Frame {
    transport::Buffer head;  // begins with room for a session header
    Bytes tail;
    std::uint64_t sequence = 0;
  };
  /// Takes the frame that goes next, when the window has room for one and there is one.
  std::optional<Frame> next();
  /// Whether one waits that nothing more will be added to.
  [[nodiscard]] bool has_full_batch() const noexcept { return !sealed_.empty(); }
  /// The peer has all frames up to `sequence`. Returns: false when that one was never taken.
  [[nodiscard]] bool acknowledge(std::uint64_t sequence);
  /// Lets go of all of it.
  void clear();

  // -- how much ------------------------------------------------------------------------------

  /// What waits, and what is under way.
  [[nodiscard]] std::size_t bytes() const noexcept {
    return waiting_bytes_ + (batch_.size() - transport::k_session_header_bytes) + window_.bytes();
  }
  [[nodiscard]] bool over_budget() const noexcept { return bytes() > budget_bytes_; }
  [[nodiscard]] bool half_empty() const noexcept { return bytes() <= budget_bytes_ / 2; }
  /// Asked now and then: whether it has been over budget for `limit`, and no window's worth was
  /// acknowledged meanwhile.
  [[nodiscard]] bool stalled(Clock::TimePoint now, Clock::Duration limit);

 private:
  /// The frames under way.
  class Window {
   public:
    void sent(const Frame& frame);
    bool acknowledge(std::uint64_t sequence);
    [[nodiscard]] bool full() const noexcept { return bytes_ >= k_window_bytes; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::uint64_t last() const noexcept { return last_; }
    [[nodiscard]] std::uint64_t acknowledged_bytes() const noexcept { return acknowledged_bytes_; }

   private:
    std::deque<std::uint32_t> costs_;  // of those up to last_
    std::size_t bytes_ = 0;
    std::uint64_t last_ = 0;
    std::uint64_t acknowledged_bytes_ = 0;
  };
  /// One record that goes in pieces, or several that go together.
  struct Records {
    transport::Buffer head;
    Bytes tail;
    bool large = false;
    [[nodiscard]] std::size_t size() const noexcept { return head.size() + tail.size(); }
  };
  /// A sender of a large record, and what it has sent since.
  struct Lane {
    std::uint64_t sender = 0;
    Records large;
    std::size_t sent = 0;           // of it
    std::uint64_t stream = 0;       // its number; 0: it has not begun
    std::uint64_t after_batch = 0;  // it begins when so many batches have gone
    std::deque<Records> held;
  };

  [[nodiscard]] bool batch_is_empty() const noexcept {
    return batch_.size() == transport::k_session_header_bytes;
  }
  /// How many batches have gone once all that is queued now has.
  [[nodiscard]] std::uint64_t batches_until_now() const noexcept {
    return batches_sealed_ + (batch_is_empty() ? 0 : 1);
  }
  void seal(Bytes tail);
  Frame take_batch();
  Frame take_piece(std::list<Lane>::iterator lane);
  [[nodiscard]] std::list<Lane>::iterator next_lane();
  void go_on(std::list<Lane>::iterator lane);

  const std::size_t budget_bytes_;
  const std::size_t record_bytes_max_;
  transport::Buffer batch_;
  transport::Buffer* open_ = nullptr;  // where a record is being appended
  Lane* open_lane_ = nullptr;          // and whose that is; null: nobody's
  std::uint64_t open_sender_ = 0;
  std::deque<Frame> sealed_;
  std::uint64_t batches_sealed_ = 0;
  std::uint64_t batches_taken_ = 0;
  std::list<Lane> lanes_;          // whose turn it is first
  std::size_t streams_ = 0;        // that have begun
  std::size_t streams_bytes_ = 0;  // of them
  std::uint64_t last_stream_ = 0;
  std::size_t batches_in_turn_bytes_ = 0;  // since the last piece
  std::size_t waiting_bytes_ = 0;          // but for the open batch
  Window window_;
  std::optional<Clock::TimePoint> over_since_;
  std::uint64_t acknowledged_then_ = 0;
};

}  // namespace grove::cluster
