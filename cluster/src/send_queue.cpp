// SPDX-License-Identifier: Apache-2.0
#include "send_queue.hpp"

#include <algorithm>
#include <utility>

namespace grove::cluster {
namespace {

constexpr std::size_t k_head = transport::k_session_header_bytes;

}  // namespace

SendQueue::SendQueue(std::size_t budget_bytes, std::size_t record_bytes_max)
    : budget_bytes_{budget_bytes}, record_bytes_max_{record_bytes_max}, batch_(k_head) {}

// -- in -------------------------------------------------------------------------------------

transport::Buffer& SendQueue::buffer_for(std::uint64_t sender) {
  open_ = &batch_;
  open_lane_ = nullptr;
  open_sender_ = sender;
  if (lanes_.empty()) return batch_;
  const auto lane = std::find_if(lanes_.begin(), lanes_.end(),
                                 [sender](const Lane& one) { return one.sender == sender; });
  if (lane == lanes_.end()) return batch_;
  open_lane_ = &*lane;
  std::deque<Records>& held = lane->held;
  if (held.empty() || held.back().large || !held.back().tail.empty() ||
      held.back().head.size() >= k_batch_bytes) {
    held.emplace_back();
  }
  open_ = &held.back().head;
  return *open_;
}

bool SendQueue::finish(std::size_t at, Bytes tail) {
  transport::Buffer& buffer = *open_;
  const std::size_t size = buffer.size() - at + tail.size();
  if (size > record_bytes_max_) {
    buffer.resize(at);
    return false;
  }
  transport::finish_record(buffer, at, tail.size());
  if (size > k_whole_bytes_max) {
    Records large{.head = {}, .tail = std::move(tail), .large = true};
    if (large.tail.empty()) {  // not copied: what stands before it in the buffer is
      transport::Buffer before{buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(at)};
      large.tail = Bytes{std::exchange(buffer, std::move(before))}.slice(at);
    } else {
      large.head.assign(buffer.begin() + static_cast<std::ptrdiff_t>(at), buffer.end());
      buffer.resize(at);
    }
    waiting_bytes_ += size;
    if (open_lane_ != nullptr) {
      open_lane_->held.push_back(std::move(large));
    } else {
      lanes_.push_back({.sender = open_sender_,
                        .large = std::move(large),
                        .after_batch = batches_until_now(),
                        .held = {}});
    }
  } else if (open_lane_ != nullptr) {
    waiting_bytes_ += size;
    open_lane_->held.back().tail = std::move(tail);
  } else if (!tail.empty() || batch_.size() >= k_batch_bytes) {
    seal(std::move(tail));
  }
  return true;
}

void SendQueue::seal(Bytes tail) {
  transport::Buffer next;
  // It is likely to be as large.
  next.reserve(std::min(batch_.size(), k_batch_bytes));
  next.resize(k_head);
  Frame& frame = sealed_.emplace_back();
  waiting_bytes_ += batch_.size() - k_head + tail.size();
  ++batches_sealed_;
  frame.head = std::exchange(batch_, std::move(next));
  frame.tail = std::move(tail);
}

// -- out ------------------------------------------------------------------------------------

/// Batches first, for they are small; but when there are pieces, only as much as a piece has.
std::optional<SendQueue::Frame> SendQueue::next() {
  if (window_.full()) return std::nullopt;
  const bool batch = !sealed_.empty() || !batch_is_empty();
  const auto lane = next_lane();
  const bool piece = lane != lanes_.end();
  if (!batch && !piece) return std::nullopt;
  Frame frame =
      batch && (!piece || batches_in_turn_bytes_ < k_piece_bytes) ? take_batch() : take_piece(lane);
  frame.sequence = window_.last() + 1;
  window_.sent(frame);
  return frame;
}

SendQueue::Frame SendQueue::take_batch() {
  if (sealed_.empty()) seal({});
  Frame frame = std::move(sealed_.front());
  sealed_.pop_front();
  ++batches_taken_;
  const std::size_t size = frame.head.size() - k_head + frame.tail.size();
  waiting_bytes_ -= size;
  batches_in_turn_bytes_ += size;
  return frame;
}

/// The first whose turn it is and that may go; a new one only while the receiver takes one more.
std::list<SendQueue::Lane>::iterator SendQueue::next_lane() {
  return std::find_if(lanes_.begin(), lanes_.end(), [this](const Lane& lane) {
    if (lane.stream != 0) return true;
    return batches_taken_ >= lane.after_batch && streams_ < k_streams_max &&
           streams_bytes_ + lane.large.size() <= record_bytes_max_;
  });
}

SendQueue::Frame SendQueue::take_piece(std::list<Lane>::iterator lane) {
  batches_in_turn_bytes_ = 0;
  const Records& large = lane->large;
  const std::size_t total = large.size();
  transport::Record piece;
  piece.kind = k_fragment;
  if (lane->stream == 0) {
    lane->stream = ++last_stream_;
    ++streams_;
    streams_bytes_ += total;
    piece.type = total;
  }
  piece.serial = lane->stream;
  const std::size_t from = lane->sent;
  const std::size_t to = std::min(from + k_piece_bytes, total);
  if (to == total) piece.flags = k_flag_last_piece;
  Frame frame{transport::Buffer(k_head), {}};
  const std::size_t at = transport::begin_record(frame.head, piece);
  const std::size_t head = large.head.size();
  if (from < head) {
    const auto begin = large.head.begin();
    frame.head.insert(frame.head.end(), begin + static_cast<std::ptrdiff_t>(from),
                      begin + static_cast<std::ptrdiff_t>(std::min(to, head)));
  }
  if (to > head)
    frame.tail = large.tail.slice(std::max(from, head) - head, to - std::max(from, head));
  transport::finish_record(frame.head, at, frame.tail.size());
  waiting_bytes_ -= to - from;
  lane->sent = to;
  if (to == total) {
    --streams_;
    streams_bytes_ -= total;
    go_on(lane);
  } else {
    lanes_.splice(lanes_.end(), lanes_, lane);  // the others' turn
  }
  return frame;
}

/// Its large record has gone: what it sent next may, up to the next large one.
void SendQueue::go_on(std::list<Lane>::iterator lane) {
  std::deque<Records>& held = lane->held;
  for (; !held.empty() && !held.front().large; held.pop_front()) {
    const Records& records = held.front();
    waiting_bytes_ -= records.size();
    batch_.insert(batch_.end(), records.head.begin(), records.head.end());
    if (!records.tail.empty() || batch_.size() >= k_batch_bytes) seal(records.tail);
  }
  if (held.empty()) {
    lanes_.erase(lane);
    return;
  }
  lane->large = std::move(held.front());
  held.pop_front();
  lane->sent = 0;
  lane->stream = 0;
  lane->after_batch = batches_until_now();
  lanes_.splice(lanes_.end(), lanes_, lane);
}

void SendQueue::clear() {
  batch_ = transport::Buffer(k_head);
  sealed_.clear();
  lanes_.clear();
  streams_ = streams_bytes_ = waiting_bytes_ = 0;
  window_ = {};
}

bool SendQueue::acknowledge(std::uint64_t sequence) { return window_.acknowledge(sequence); }

void SendQueue::Window::sent(const Frame& frame) {
  const std::size_t cost = frame.head.size() + frame.tail.size() + transport::k_frame_cost;
  costs_.push_back(static_cast<std::uint32_t>(cost));
  bytes_ += cost;
  ++last_;
}

bool SendQueue::Window::acknowledge(std::uint64_t sequence) {
  if (sequence > last_) return false;
  while (last_ - costs_.size() < sequence) {
    bytes_ -= costs_.front();
    acknowledged_bytes_ += costs_.front();
    costs_.pop_front();
  }
  return true;
}

// -- how much -------------------------------------------------------------------------------

bool SendQueue::stalled(Clock::TimePoint now, Clock::Duration limit) {
  if (!over_budget()) {
    over_since_.reset();
    return false;
  }
  const std::uint64_t acknowledged = window_.acknowledged_bytes();
  if (!over_since_ || acknowledged - acknowledged_then_ >= k_window_bytes) {
    over_since_ = now;
    acknowledged_then_ = acknowledged;
  }
  return now - *over_since_ >= limit;
}

}  // namespace grove::cluster
