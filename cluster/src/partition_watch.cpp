// SPDX-License-Identifier: Apache-2.0
#include "partition_watch.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace grove {
namespace {

using Members = std::vector<PartitionView::Member>;

bool is_reachable(const PartitionView::Member& member) { return member.reachable; }
bool all_reachable(const Members& members) {
  return std::all_of(members.begin(), members.end(), is_reachable);
}
Members::const_iterator find(const Members& members, const std::string& name) {
  return std::find_if(members.begin(), members.end(),
                      [&](const auto& member) { return member.name == name; });
}

class KeepMajority final : public PartitionPolicy {
 public:
  [[nodiscard]] Side side(const PartitionView& view) const override {
    const auto reachable = static_cast<std::size_t>(
        std::count_if(view.members.begin(), view.members.end(), is_reachable));
    const bool more = 2 * reachable > view.members.size();
    const bool half = 2 * reachable == view.members.size();
    return more || (half && view.members.front().reachable) ? Side::majority : Side::minority;
  }
};

}  // namespace

std::shared_ptr<const PartitionPolicy> keep_majority() { return std::make_shared<KeepMajority>(); }

namespace cluster {

std::optional<Side> PartitionWatch::look(const Members& known, const std::set<std::string>& left,
                                         Clock::TimePoint now) {
  Members members;
  for (const auto& one : view_.members) {
    if (left.contains(one.name)) continue;
    const auto place = find(known, one.name);
    members.push_back(place != known.end() ? *place : one);
    if (place == known.end()) members.back().reachable = false;  // dead, and forgotten as such
  }
  if (all_reachable(members)) {  // nobody is counted in while others cannot say whether they agree
    for (const auto& one : known) {
      if (one.reachable && find(members, one.name) == members.end()) members.push_back(one);
    }
  }
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  const bool same = std::equal(
      members.begin(), members.end(), view_.members.begin(), view_.members.end(),
      [](const auto& a, const auto& b) { return a.name == b.name && a.reachable == b.reachable; });
  if (!same) since_ = now;
  view_.members = std::move(members);

  const bool whole = all_reachable(view_.members);
  const bool stable = now - since_ >= config_.stable_after;
  if (!whole && !stable && side_ == Side::majority) return std::nullopt;
  failure_.clear();
  const Side side = whole ? Side::majority : ask();
  if (side == Side::majority && stable) {  // it goes on without them
    std::erase_if(view_.members, [](const auto& member) { return !member.reachable; });
  }
  if (side == side_) return std::nullopt;
  return side_ = side;
}

/// A part that cannot say where it stands stands back.
Side PartitionWatch::ask() {
  try {
    return config_.policy->side(view_);
  } catch (const std::exception& error) {
    failure_ = error.what();
  } catch (...) {
    failure_ = "no std::exception";
  }
  return Side::minority;
}

}  // namespace cluster
}  // namespace grove
