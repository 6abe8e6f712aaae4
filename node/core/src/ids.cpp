// SPDX-License-Identifier: Apache-2.0
#include "grove/core/ids.hpp"

#include "grove/core/check.hpp"

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <utility>

namespace grove {
namespace {

struct NodeEntry {
  std::string name;
  Life life;
};

/// Append-only. Entries are made only for ourselves, peers that proved the cookie, and pids that
/// those peers or the user named.
class NodeTable {
 public:
  NodeId intern(std::string_view name, Life life) {
    const std::unique_lock lock{mutex_};
    const auto [place, inserted] =
        ids_.try_emplace({std::string{name}, life.value}, NodeId{next_id()});
    if (inserted) entries_.push_back({std::string{name}, life});
    return place->second;
  }
  const NodeEntry& get(NodeId node) {
    const std::shared_lock lock{mutex_};
    GROVE_CHECK(node.value < entries_.size());
    return entries_[node.value];  // a deque keeps its elements in place
  }

 private:
  std::uint32_t next_id() const { return static_cast<std::uint32_t>(entries_.size()); }

  std::shared_mutex mutex_;
  std::deque<NodeEntry> entries_{{"nonode", Life{}}};
  std::map<std::pair<std::string, std::uint64_t>, NodeId> ids_;
};

NodeTable& table() {
  static NodeTable instance;
  return instance;
}

bool all_of(std::string_view text, std::string_view extra, bool upper) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (upper && c >= 'A' && c <= 'Z') ||
           extra.find(c) != std::string_view::npos;
  });
}

template <class T>
bool parse_number(std::string_view text, T& value, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

}  // namespace

NodeId intern_node(std::string_view name, Life life) { return table().intern(name, life); }
const std::string& node_name(NodeId node) { return table().get(node).name; }
Life node_life(NodeId node) { return table().get(node).life; }

bool is_node_name(std::string_view name) noexcept {
  const auto at = name.find('@');
  const std::string_view local = name.substr(0, at);
  if (local.empty() || local.size() > 63 || !all_of(local, "_-", false)) return false;
  if (at == std::string_view::npos) return true;
  const std::string_view host = name.substr(at + 1);
  return !host.empty() && host.size() <= 190 && all_of(host, "._-", true);
}

std::string to_base36(std::uint64_t value) {
  char buffer[16];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value, 36);
  return {buffer, result.ptr};
}

std::string to_string(const Pid& pid) {
  if (!pid) return "nobody";
  return node_name(pid.node) + ':' + to_base36(node_life(pid.node).value) + ':' +
         std::to_string(pid.index) + '.' + std::to_string(pid.generation);
}

std::optional<Pid> parse_pid(std::string_view text) {
  const auto local_at = text.rfind(':');
  if (local_at == std::string_view::npos || local_at == 0) return std::nullopt;
  const auto life_at = text.rfind(':', local_at - 1);
  if (life_at == std::string_view::npos) return std::nullopt;
  const std::string_view name = text.substr(0, life_at);
  const std::string_view local = text.substr(local_at + 1);
  const auto dot = local.find('.');
  Life life;
  Pid pid;
  if (!is_node_name(name) || dot == std::string_view::npos ||
      !parse_number(text.substr(life_at + 1, local_at - life_at - 1), life.value, 36) ||
      !parse_number(local.substr(0, dot), pid.index, 10) ||
      !parse_number(local.substr(dot + 1), pid.generation, 10) || !pid) {
    return std::nullopt;
  }
  pid.node = intern_node(name, life);
  return pid;
}

std::string to_string(const Ref& ref) {
  return "ref:" + node_name(ref.node) + ':' + std::to_string(ref.owner) + '.' +
         std::to_string(ref.serial);
}

}  // namespace grove
