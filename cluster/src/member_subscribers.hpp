// SPDX-License-Identifier: Apache-2.0
//
// MemberSubscribers: processes that hear of each change of a member. Thread-safety: the loop's.
#pragma once

#include "grove/cluster/cluster.hpp"

#include "membership.hpp"
#include "tell.hpp"

#include <set>
#include <string>
#include <utility>

namespace grove::cluster {

class MemberSubscribers {
 public:
  explicit MemberSubscribers(Node& node) : node_{node} {}

  void set(const Pid& subscriber, bool on) {
    if (on) {
      subscribers_.insert(subscriber);
    } else {
      subscribers_.erase(subscriber);
    }
  }
  void tell(const Membership::Changed& change) {
    tell({change.name, change.life, what(change), change.why});
  }
  void tell(const Membership::Told& told) {
    tell({told.name, told.life, MemberEvent::What::changed, "its metadata"});
  }

 private:
  static MemberEvent::What what(const Membership::Changed& change) {
    switch (change.to) {
      case MemberState::alive:
        return change.from ? MemberEvent::What::back : MemberEvent::What::joined;
      case MemberState::suspect: return MemberEvent::What::suspect;
      case MemberState::dead: return MemberEvent::What::dead;
      case MemberState::left: break;
    }
    return MemberEvent::What::left;
  }
  void tell(const MemberEvent& event) {
    std::erase_if(subscribers_, [this](const Pid& pid) { return !node_.is_alive(pid); });
    for (const Pid& subscriber : subscribers_) cluster::tell(node_, subscriber, event);
  }

  Node& node_;
  std::set<Pid> subscribers_;
};

}  // namespace grove::cluster
