// SPDX-License-Identifier: Apache-2.0
//
// DirectoryTable: the directories of a node, by name.
//
// Thread-safety: all members.
#pragma once

#include "grove/node/names.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>

namespace grove::detail {

class DirectoryTable {
 public:
  bool add(std::string name, std::shared_ptr<Directory> directory) {
    const std::unique_lock lock{mutex_};
    return directories_.try_emplace(std::move(name), std::move(directory)).second;
  }
  void remove(std::string_view name, const Directory* directory) {
    std::shared_ptr<Directory> last;  // ends outside of the lock
    const std::unique_lock lock{mutex_};
    const auto place = directories_.find(name);
    if (place == directories_.end() || place->second.get() != directory) return;
    last = std::move(place->second);
    directories_.erase(place);
  }
  [[nodiscard]] std::shared_ptr<Directory> find(std::string_view name) const {
    const std::shared_lock lock{mutex_};
    const auto place = directories_.find(name);
    return place == directories_.end() ? nullptr : place->second;
  }

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<Directory>, std::less<>> directories_;
};

}  // namespace grove::detail
