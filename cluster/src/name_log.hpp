// SPDX-License-Identifier: Apache-2.0
//
// NameLog: all cluster-wide names as one node sees them. A pure state machine and a value: what its
// processes, sessions, members and peers say goes in, actions come out. No lock, no clock.
//
// Each node is the only writer of its own processes' names: a NameOrigin, told to every session as
// it changes. Digests say who has what; what is missing is asked of whoever has it, also a third
// node. The names of an origin count while its node can be reached, from here or from another
// member; they are forgotten when its life is over. Where two origins claim one name, all nodes
// pick the same holder, and only the loser's own node acts.
// Source: docs/adr/0019-names-through-third-nodes.md.
#pragma once

#include "grove/cluster/names.hpp"
#include "grove/core/result.hpp"
#include "grove/node/cluster_names.hpp"

#include "claim_index.hpp"
#include "name_messages.hpp"
#include "name_origin.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace grove::cluster {

class NameLog {
 public:
  // -- actions -------------------------------------------------------------------------------
  /// Over the session with each of these nodes.
  struct Tell {
    template <class T>
    Tell(std::vector<NodeId> nodes, T said) : to{std::move(nodes)}, message{std::move(said)} {}
    std::vector<NodeId> to;
    std::variant<NamesDigest, NamesPull, NamesPart, NamesDrop> message;
  };
  /// Who has the name now, as seen here; perhaps the same as before. Nobody: no one.
  struct Held {
    std::string name;
    Pid holder;
    Value metadata;
  };
  /// A process of this node has lost its name, to `winner`, or to nobody.
  struct Lost {
    std::string name;
    Pid loser;
    Pid winner;
  };
  /// A registration that was to be acknowledged is, or has been lost to `winner`.
  struct Answered {
    std::uint64_t token = 0;
    bool given = false;
    Pid winner;
  };
  struct Diverged {
    NodeId origin;
  };
  /// The node has more names than it may: none of them count here.
  struct Refused {
    NodeId origin;
  };
  using Action = std::variant<Tell, Held, Lost, Answered, Diverged, Refused>;
  using Actions = std::vector<Action>;

  NameLog(NodeId self, NamesConfig rules);

  // -- this node's processes -----------------------------------------------------------------
  struct NewName {
    std::string name;
    Pid pid;
    Value metadata;
    bool replaces = false;  // whoever has it
    global::NameAck ack;
    std::uint64_t token = 0;  // of Answered, when `ack` asks for one; names the waiter
  };
  /// Errors: name_taken (detail: the holder), already_started, unavailable (too many).
  Result<void> add(const NewName& request, std::uint64_t wall_micros);
  /// `anywhere`: of another node's process, too, by asking that node.
  /// Returns: whether somebody has it.
  bool remove(const std::string& name, bool anywhere = false);
  /// Returns: whether the process had a name.
  bool remove_all(const Pid& pid);
  void forget_waiter(std::uint64_t token);

  // -- events --------------------------------------------------------------------------------
  void on_member(NodeId node, bool present);
  /// A member without a session is reached by the node of that name; empty: by nobody any more.
  void on_reached(NodeId node, const std::string& by);
  void on_session_up(NodeId peer);
  void on_session_down(NodeId peer);
  void on_message(NodeId from, const NamesDigest& digest);
  void on_message(NodeId from, const NamesPull& pull);
  void on_message(NodeId from, const NamesPart& part);  // well-formed
  void on_message(NodeId from, const NamesDrop& drop);
  /// Once in an interval: some peers are asked whether they have the same.
  void on_tick();
  /// What peers hear of changes to our names: at once, or when there are some. What is gathered
  /// must be told before anything else that they hear of us.
  enum class News : std::uint8_t { told, gathered };
  /// What has come of all that since the last time.
  [[nodiscard]] Actions take(News news = News::told);
  /// Whether some of our names' changes have not been told.
  [[nodiscard]] bool has_news() const noexcept { return told_ < own().log.version(); }

  // -- what is known -------------------------------------------------------------------------
  [[nodiscard]] std::optional<global::NameRow> find(const std::string& name) const;
  /// The holders of all names that begin so, by name. Cost: O(all names).
  [[nodiscard]] std::vector<global::NameRow> all(std::string_view prefix = {}) const;
  [[nodiscard]] const NameOrigin* origin(NodeId node) const;
  /// All that it knows and has under way; not which changes it could still tell one by one.
  [[nodiscard]] std::string to_text() const;

 private:
  struct Origin {
    NameOrigin log;
    bool session = false;   // with it, here
    bool reported = false;  // another member reaches it
    bool current = false;   // no older than what was said since it could be reached (caught_up)
    bool heard = false;     // its node has said how far it is, over this session
    bool refused = false;
    bool acknowledge = false;       // its node waits for our row
    std::set<std::string> touched;  // names of ours that it claims, or did, and may have given up
    std::uint64_t wanted = 0;       // the version that somebody has
    NodeId source{};                // who that is; 0: nobody any more
    NodeId asked{};                 // who has been asked; 0: nobody
  };
  struct Peer {
    NodeId node;
    std::uint64_t has = 0;  // version of our names, as it has acknowledged
  };
  struct Claim {
    NodeId origin;
    const NameEntry* entry = nullptr;
    [[nodiscard]] Pid pid() const { return {origin, entry->index, entry->generation}; }
    /// When the first of the claims was made that led here by moves.
    [[nodiscard]] std::uint64_t since() const {
      return entry->since != 0 ? entry->since : entry->at;
    }
    [[nodiscard]] bool held() const { return entry->state == NameState::held; }
  };
  struct Waiter {
    std::uint64_t token = 0;
    std::uint64_t version = 0;
    std::string name;
  };
  /// How many others shall know; a count for Kind::nodes alone.
  using Wanted = std::pair<global::NameAck::Kind, std::size_t>;
  enum class Verdict : std::uint8_t { first, second, neither };

  // name_log.cpp: whose a name is
  [[nodiscard]] bool counts(NodeId node, const Origin& origin) const;
  [[nodiscard]] std::vector<Claim> claims_of(const std::string& name) const;
  [[nodiscard]] static const Claim* replacement(const Claim& claim,
                                                const std::vector<Claim>& claims);
  [[nodiscard]] Verdict judge(const std::string& name, const Claim& a, const Claim& b) const;
  [[nodiscard]] std::optional<Claim> holder(const std::string& name,
                                            const std::vector<Claim>& claims) const;
  void settle(const std::string& name);
  void see(const std::string& name, const std::vector<Claim>& claims);
  void settle(NodeId node, const NameOrigin::Touched& touched);
  void settle_news(NodeId node, Origin& origin, const std::string& name);
  void defend(const std::string& name, const Claim& mine, const std::vector<Claim>& claims);
  void settle_all(NodeId node, Origin& origin);
  void settle_touched(Origin& origin);
  NameOrigin::Touched change_own(const NameRecord& record);
  void index(NodeId node, const NameOrigin::Touched& touched);
  void disown(const Pid& pid, const std::string& name);
  void fail_waiters(const std::string& name, const Pid& winner);
  void answer_waiters();
  [[nodiscard]] std::size_t nodes_wanted(const Wanted& wanted) const;
  [[nodiscard]] std::size_t nodes_that_know(std::uint64_t version) const;
  template <class Predicate>
  void erase_waiters(Predicate predicate) {
    for (auto& [wanted, waiters] : waiters_) std::erase_if(waiters, predicate);
    std::erase_if(waiters_, [](const auto& entry) { return entry.second.empty(); });
  }

  // name_sync.cpp: who knows what
  [[nodiscard]] Origin& own() { return origins_.at(self_); }
  [[nodiscard]] const Origin& own() const { return origins_.at(self_); }
  Origin* present(const std::string& name, std::uint64_t life, NodeId& node);
  void forget(NodeId node);
  void reach(NodeId node, Origin& origin, bool session, bool reported);
  void take_row(NodeId node, Origin& origin, const NamesRow& row, NodeId from);
  void caught_up(NodeId node, Origin& origin);
  void ask(NodeId node, Origin& origin);
  void ask_next();
  void tell_news();
  [[nodiscard]] std::vector<NodeId> all_peers() const;
  [[nodiscard]] NamesRow row_of(NodeId node, const NameOrigin& log) const;
  [[nodiscard]] NamesDigest all_rows() const;
  [[nodiscard]] std::uint64_t summary() const;
  template <class T>
  void tell(NodeId to, T message) {
    actions_.emplace_back(std::in_place_type<Tell>, std::vector<NodeId>{to}, std::move(message));
  }

  NodeId self_;
  NamesConfig rules_;
  std::uint64_t hybrid_time_ = 0;
  std::map<NodeId, Origin> origins_;          // of this node and all members
  std::map<std::string, NodeId> members_;     // the others that are present, by name
  std::map<std::string, Peer> peers_;         // with a session, by name
  ClaimIndex claims_;                         // by the name's hash: who claims it
  std::unordered_map<Pid, std::string> own_;  // which name a process of this node has
  // Each queue in the order of versions; none is empty.
  std::map<Wanted, std::deque<Waiter>> waiters_;
  std::uint64_t told_ = 0;  // version of our names that peers were told
  std::string last_asked_;  // peer, by on_tick()
  std::size_t pulls_ = 0;   // under way
  Actions actions_;
};

}  // namespace grove::cluster
