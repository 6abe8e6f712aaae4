// SPDX-License-Identifier: Apache-2.0
//
// Bytes: an immutable string of bytes that its copies share. What is large and goes to many, or to
// another node, goes as this: no copy is made on the way out, and none on the way in.
//
//   struct Picture { std::string title; grove::Bytes pixels; };
//   GROVE_MESSAGE(Picture, "gallery.picture", title, pixels)
//
// As the last field of a message, or as a message of its own, it is sent from where it lies.
// Thread-safety: as shared_ptr; the bytes never change.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace grove {

class Bytes {
 public:
  Bytes() noexcept = default;
  /// Takes the vector over.
  explicit Bytes(std::vector<std::byte> bytes) {
    const auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    data_ = {owner, owner->data()};
    size_ = owner->size();
  }
  /// Bytes that `owner` keeps alive, and unchanged.
  Bytes(std::shared_ptr<const void> owner, std::span<const std::byte> bytes) noexcept
      : data_{std::move(owner), bytes.data()}, size_{bytes.size()} {}
  [[nodiscard]] static Bytes copy(std::span<const std::byte> bytes) {
    return Bytes{std::vector<std::byte>{bytes.begin(), bytes.end()}};
  }

  [[nodiscard]] const std::byte* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::span<const std::byte> span() const noexcept { return {data(), size_}; }

  /// The part from `offset`, of at most `count` bytes; shares them, and keeps all of them alive.
  /// What lies outside is left out.
  [[nodiscard]] Bytes slice(std::size_t offset, std::size_t count = ~std::size_t{0}) const {
    const std::size_t from = std::min(offset, size_);
    return {data_, span().subspan(from, std::min(count, size_ - from))};
  }

  friend bool operator==(const Bytes& one, const Bytes& other) noexcept {
    return std::ranges::equal(one.span(), other.span());
  }

 private:
  std::shared_ptr<const std::byte> data_;
  std::size_t size_ = 0;
};
static_assert(sizeof(Bytes) <= 24, "a message of its own is not boxed");

}  // namespace grove
