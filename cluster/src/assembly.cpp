// SPDX-License-Identifier: Apache-2.0
#include "assembly.hpp"

#include "send_queue.hpp"

#include <algorithm>

namespace grove::cluster {

std::optional<Bytes> Assembly::add(const transport::Record& piece, const Bytes& tail) {
  if (piece.type != 0 && !begin(piece)) return std::nullopt;
  const auto place = streams_.find(piece.serial);
  if (place == streams_.end()) return std::nullopt;
  Stream& stream = place->second;
  const std::size_t size = piece.body.size() + tail.size();
  const bool last = (piece.flags & k_flag_last_piece) != 0;
  const std::size_t left = stream.size - stream.filled;
  if (size == 0 || size > left || last != (size == left)) return std::nullopt;
  std::byte* const end = stream.memory.get() + stream.filled;
  std::copy(tail.span().begin(), tail.span().end(),
            std::copy(piece.body.begin(), piece.body.end(), end));
  stream.filled += size;
  if (!last) return Bytes{};
  const Bytes whole{stream.memory, {stream.memory.get(), stream.size}};
  bytes_ -= stream.size;
  streams_.erase(place);
  return whole;
}

bool Assembly::begin(const transport::Record& piece) {
  if (streams_.size() >= k_streams_max || piece.type > bytes_max_ - bytes_) return false;
  const auto [place, fresh] = streams_.try_emplace(piece.serial);
  if (!fresh) return false;
  // Not filled: what the peer does not send takes no memory.
  place->second.memory = std::make_shared_for_overwrite<std::byte[]>(piece.type);
  place->second.size = piece.type;
  bytes_ += piece.type;
  return true;
}

void Assembly::clear() noexcept {
  streams_.clear();
  bytes_ = 0;
}

}  // namespace grove::cluster
