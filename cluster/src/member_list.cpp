// SPDX-License-Identifier: Apache-2.0
#include "member_list.hpp"

#include <algorithm>

namespace grove::cluster {
namespace {

Member::State state_of(const Membership::MemberView& view) {
  switch (view.state) {
    case MemberState::alive:
      if (view.session) return Member::State::up;
      return view.reached_by.empty() ? Member::State::suspect : Member::State::partial;
    case MemberState::suspect: return Member::State::suspect;
    case MemberState::dead: return Member::State::down;
    case MemberState::left: return Member::State::left;
  }
  return Member::State::down;
}

}  // namespace

std::vector<Member> member_list(const std::vector<Membership::MemberView>& agreed,
                                const std::vector<transport::Sessions::PeerView>& peers) {
  std::vector<Member> members;
  for (const Membership::MemberView& view : agreed) {
    const auto peer = std::find_if(peers.begin(), peers.end(),
                                   [&](const auto& one) { return one.name == view.name; });
    Member member;
    member.name = view.name;
    member.life = view.life;
    member.address = view.address;
    member.state = state_of(view);
    member.incarnation = view.incarnation;
    member.reached_by = view.reached_by;
    member.accusers.assign(view.accusers.begin(), view.accusers.end());
    member.metadata = view.metadata;
    if (peer != peers.end()) {
      member.over = peer->over;
      if (member.state != Member::State::up) member.trouble = peer->trouble;
    }
    members.push_back(std::move(member));
  }
  return members;
}

std::vector<PartitionView::Member> partition_members(
    const std::vector<Membership::MemberView>& agreed) {
  std::vector<PartitionView::Member> members;
  for (const Membership::MemberView& view : agreed) {
    if (view.state == MemberState::left) continue;
    const Member::State state = state_of(view);
    const bool reachable = view.session || state == Member::State::partial;
    members.push_back({view.name, view.life, reachable, view.metadata.roles});
  }
  return members;
}

std::set<std::string> members_left(const std::vector<Membership::MemberView>& agreed) {
  std::set<std::string> names;
  for (const Membership::MemberView& view : agreed) {
    if (view.state == MemberState::left) names.insert(view.name);
  }
  return names;
}

}  // namespace grove::cluster
