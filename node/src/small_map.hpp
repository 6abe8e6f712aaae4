// SPDX-License-Identifier: Apache-2.0
//
// SmallMap: a handful of entries as a plain array; an index joins in when there are many.
//
// Iteration goes over the array, so its order depends on the history of calls alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace grove::detail {

template <class Key, class T, class Hash = std::hash<Key>>
class SmallMap {
 public:
  using Entry = std::pair<Key, T>;
  using Entries = std::vector<Entry>;

  [[nodiscard]] T* find(const Key& key) {
    const std::size_t at = position(key);
    return at == entries_.size() ? nullptr : &entries_[at].second;
  }
  /// The entry of `key`, made from `value` when there is none.
  T& insert(const Key& key, T value) {
    if (T* found = find(key)) return *found;
    if (index_) index_->emplace(key, static_cast<std::uint32_t>(entries_.size()));
    entries_.emplace_back(key, std::move(value));
    if (!index_ && entries_.size() > k_linear) build_index();
    return entries_.back().second;
  }
  bool erase(const Key& key) {
    const std::size_t at = position(key);
    if (at == entries_.size()) return false;
    if (index_) index_->erase(key);
    if (at + 1 != entries_.size()) {
      entries_[at] = std::move(entries_.back());
      if (index_) (*index_)[entries_[at].first] = static_cast<std::uint32_t>(at);
    }
    entries_.pop_back();
    return true;
  }
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
  [[nodiscard]] const Entries& entries() const noexcept { return entries_; }
  [[nodiscard]] Entries take() {
    index_.reset();
    return std::exchange(entries_, {});
  }

 private:
  static constexpr std::size_t k_linear = 16;

  std::size_t position(const Key& key) const {
    if (index_) {
      const auto place = index_->find(key);
      return place == index_->end() ? entries_.size() : place->second;
    }
    std::size_t at = 0;
    while (at < entries_.size() && !(entries_[at].first == key)) ++at;
    return at;
  }
  void build_index() {
    index_ = std::make_unique<std::unordered_map<Key, std::uint32_t, Hash>>();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      index_->emplace(entries_[i].first, static_cast<std::uint32_t>(i));
    }
  }

  Entries entries_;
  std::unique_ptr<std::unordered_map<Key, std::uint32_t, Hash>> index_;
};

}  // namespace grove::detail
