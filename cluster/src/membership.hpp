// SPDX-License-Identifier: Apache-2.0
//
// Membership: who belongs to the cluster, by agreement of its members. A pure state machine: what
// sessions and peers say, and the time, go in; messages to send and changes come out.
//
// Sessions tell whom this node can reach; membership tells whom the cluster holds for alive. Each
// interval one member is looked at. A session, with its heartbeats, says that it lives; where there
// is none, or news are to be told, it is probed, through others if need be. Who answers nobody is
// suspected, and declared dead when enough members
// agree and it has not refuted in time. Nobody acts on what is said of itself but to refute.
// A node that was paused knows it by its own clock and accuses nobody of the silence.
// Source: SWIM; Lifeguard; docs/adr/0017-membership.md.
#pragma once

#include "grove/cluster/metadata.hpp"
#include "grove/core/clock.hpp"
#include "grove/core/random.hpp"

#include "claim_queue.hpp"
#include "member_claim.hpp"
#include "suspicion.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace grove::cluster {

struct MembershipTimes {
  Clock::Duration probe = std::chrono::milliseconds{500};   // one member each
  Clock::Duration answer = std::chrono::milliseconds{200};  // before others are asked to probe
  Clock::Duration exchange = std::chrono::seconds{10};      // of digests, with one member
  Clock::Duration tombstone = std::chrono::hours{24};       // a dead or left member is remembered
};

inline constexpr std::size_t k_members_max = 4096;

struct MembershipConfig {
  std::string name;
  Life life;
  std::string address;
  MembershipTimes times;
  std::uint64_t random_seed = 0;
  NodeMetadata metadata = {};
  /// So many are remembered, the dead among them, whoever invents more. Nobody has to go for
  /// another one: beyond that nobody is taken in by hearsay, and who has a session is forgotten
  /// with it.
  std::size_t members_max = k_members_max;
};

class Membership {
 public:
  // -- actions -------------------------------------------------------------------------------
  /// Over the session with that node; where there is none it is lost.
  struct Send {
    std::string to;
    SwimMessage message;
  };
  /// A member that this node has heard of and should connect to.
  struct Meet {
    std::string name;
    Life life;
    std::string address;
  };
  /// A life of a node is seen in another state than before. `from` is empty for a new life; a new
  /// life of a known node is preceded by the old one's death.
  struct Changed {
    std::string name;
    Life life;
    std::optional<MemberState> from;
    MemberState to;
    std::string why;
  };
  /// A member without a session is reached by another one; `by` empty: by nobody any more.
  struct Reached {
    std::string name;
    Life life;
    std::string by;
  };
  /// A member's metadata are others than before.
  struct Told {
    std::string name;
    Life life;
  };
  enum class Counted : std::uint8_t {
    suspected,
    refuted,
    declared_dead,
    unreached_probe,
    bad_metadata,
    too_many,  // somebody who is not remembered: see MembershipConfig
  };
  struct Count {
    Counted what;
  };
  using Action = std::variant<Send, Meet, Changed, Reached, Told, Count>;
  using Actions = std::vector<Action>;

  explicit Membership(MembershipConfig config);

  // -- events --------------------------------------------------------------------------------
  Actions on_session_up(const std::string& name, Life life, const std::string& address,
                        Clock::TimePoint now);
  Actions on_session_down(const std::string& name, Clock::TimePoint now);
  Actions on_message(const std::string& from, const SwimMessage& message, Clock::TimePoint now);
  Actions on_tick(Clock::TimePoint now);
  /// Others shall know this of this node. Bounds: as check() of node_metadata.hpp allows.
  Actions set_metadata(NodeMetadata metadata);
  /// Says good-bye to all that can be reached.
  Actions leave();
  [[nodiscard]] bool has_left() const noexcept { return leaving_; }

  [[nodiscard]] Clock::TimePoint next_tick() const noexcept { return next_tick_; }

  // -- what is known -------------------------------------------------------------------------
  struct MemberView {
    std::string name;
    Life life;
    std::uint64_t incarnation = 0;
    MemberState state{};
    std::string address;
    bool session = false;    // this node can reach it
    std::string reached_by;  // without a session: who else has reached it lately
    std::set<std::string> accusers;
    NodeMetadata metadata;
  };
  /// All but this node, by name.
  [[nodiscard]] std::vector<MemberView> members() const;
  [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }
  /// Equal on nodes that know the same of each other. Cost: linear in the members.
  [[nodiscard]] std::uint64_t digest() const;
  [[nodiscard]] NodeMetadata metadata() const { return {metadata_.roles, metadata_.values}; }
  /// 0: well. Each point makes this node that much slower to accuse. At most k_health_max.
  [[nodiscard]] unsigned local_health() const noexcept { return health_; }
  static constexpr unsigned k_health_max = 8;

 private:
  struct Member {
    Life life;
    std::uint64_t incarnation = 0;
    MemberState state = MemberState::alive;
    std::string address;
    bool session = false;
    bool surplus = false;  // there was no room: here for its session
    std::string reached_by;
    ClaimedMetadata metadata;
    std::optional<Suspicion> suspicion;  // while suspect
    Clock::TimePoint forget_at{};        // when dead or left
  };
  /// A probe of ours that is under way.
  struct Probe {
    std::string target;
    Clock::TimePoint ask_others_at;
    Clock::TimePoint deadline;
    bool others_asked = false;
    unsigned nacks_missing = 0;
  };
  /// A probe that we make for somebody else.
  struct Relay {
    std::string asker;
    std::uint64_t number = 0;
    Clock::TimePoint deadline;
  };

  enum class Source : std::uint8_t { hearsay, session };
  void hear(const MemberClaim& claim, Clock::TimePoint now, Source source = Source::hearsay);
  void hear_of_self(const MemberClaim& claim);
  void hear_alive(const MemberClaim& claim, Source source);
  void hear_suspect(const MemberClaim& claim, Clock::TimePoint now);
  void hear_gone(const MemberClaim& claim, Clock::TimePoint now);
  void hear_metadata(const MemberClaim& claim);
  bool is_too_many(const MemberClaim& claim);
  bool may_accuse(const std::string& accuser) const;
  Member* known(const MemberClaim& claim);
  void change(const std::string& name, Member& member, MemberState to, const std::string& why);
  void reached(const std::string& name, Member& member, const std::string& by);
  bool needs_probe(const std::string& name) const;
  void start_probe(const std::string& name, Clock::TimePoint now);
  void ask_others(std::uint64_t number, Probe& probe);
  void probe_failed(const Probe& probe, Clock::TimePoint now);
  void answered(std::uint64_t number, const std::string& by);
  void serve_request(const std::string& from, const SwimMessage& message, Clock::TimePoint now);
  void notice_pause(Clock::TimePoint now);
  void decide(Clock::TimePoint now);
  std::optional<std::string> next_target();
  void send(const std::string& to, SwimKind kind, std::uint64_t number, std::string target = {});
  void send_view(const std::string& to, SwimKind kind, Clock::TimePoint now);
  void add_health(int points);
  [[nodiscard]] MemberClaim self_claim() const;
  [[nodiscard]] static std::vector<MemberClaim> claims_of(const std::string& name,
                                                          const Member& member);
  [[nodiscard]] std::size_t size() const;  // alive and suspect members, and this node
  [[nodiscard]] Clock::Duration slowed(Clock::Duration time) const { return time * (1 + health_); }
  [[nodiscard]] Actions take();

  const MembershipConfig config_;
  Random random_;
  Actions actions_;
  std::map<std::string, Member> members_;
  std::map<std::uint64_t, Probe> probes_;
  std::map<std::uint64_t, Relay> relays_;
  ClaimQueue news_;
  std::vector<std::string> round_;  // whom to probe next, from the back
  std::uint64_t last_number_ = 0;
  std::uint64_t incarnation_ = 0;
  ClaimedMetadata metadata_;
  unsigned health_ = 0;
  bool leaving_ = false;
  Clock::TimePoint probe_at_{};
  Clock::TimePoint exchange_at_{};
  Clock::TimePoint next_tick_{};
};

}  // namespace grove::cluster
