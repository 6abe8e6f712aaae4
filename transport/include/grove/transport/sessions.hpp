// SPDX-License-Identifier: Apache-2.0
//
// Sessions: who may talk to us, over which link, since when. A pure state machine: events and the
// time go in, actions come out; it owns no socket, no thread and no clock.
//
// A session joins one life of a peer with ours. It needs both directions: a link that we dialled
// and the peer accepted, and a route on which the peer proved the cookie. Each direction has an
// epoch that grows with each dial; every batch names both lives and both epochs, so a frame of a
// session that is over is refused whenever it arrives. Nothing is resent across sessions.
//
//   dialler                         listener
//   HELLO life, epoch, nonce  --->
//                             <---  WELCOME life, nonce, proof over both
//   AUTH proof over both      --->
//                             <---  ACCEPT        (or REFUSE, with a reason)
//
// A node dials back only after the proof. Peers are redialled for ever, unless they left.
// Source: design notes in docs/adr/0003-sessions.md.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/random.hpp"
#include "grove/core/result.hpp"
#include "grove/transport/cookie.hpp"
#include "grove/transport/handshake_limit.hpp"
#include "grove/transport/transport.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace grove::transport {

/// What raising each costs: slower notice of a silent peer, or more traffic.
struct SessionTimes {
  Clock::Duration heartbeat = std::chrono::milliseconds{500};
  /// Silence that ends a session. A peer paused for less is not noticed.
  Clock::Duration silence = std::chrono::milliseconds{4000};
  Clock::Duration handshake = std::chrono::seconds{3};
  /// Between two attempts to reach a peer: doubles from the first to the second; then it grows with
  /// the time out of reach, a 64th of it, to the third. That time begins anew when anybody, or the
  /// look-up of a seed, names it; up to a quarter more is added to each.
  Clock::Duration redial_min = std::chrono::milliseconds{50};
  Clock::Duration redial_max = std::chrono::seconds{2};
  Clock::Duration redial_rare = std::chrono::minutes{1};
  /// Between two look-ups of a seed's name when all that it stands for is met, or is a peer.
  Clock::Duration look_again = std::chrono::seconds{30};
};

/// Whether a node makes connections by itself. Source: OTP, kernel's dist_auto_connect.
enum class AutoConnect : std::uint8_t {
  always,  // with its seeds, with whomever they know, and again for ever
  never,   // connect() alone does, once; whoever dials us is let in all the same
};

inline constexpr std::size_t k_peers_max = 4096;

struct SessionsConfig {
  std::string name;
  Life life;
  std::string cluster = "grove";
  std::string address;             // where peers dial us
  std::string local;               // where peers of this machine may: see local.hpp
  std::string machine;             // empty: peers' `local` is of no use to us
  std::vector<std::string> seeds;  // addresses, tried until they answer, and again for ever
  Cookie cookie;
  Versions versions;
  std::uint64_t features = k_features;
  SessionTimes times;
  AutoConnect auto_connect = AutoConnect::always;
  /// So many peers are remembered, to be dialled again. For another one goes who has been out of
  /// reach longest: of those that have left or never had a session with us, if there are any; for
  /// one known by hearsay nobody else goes. Who has a session stays.
  std::size_t peers_max = k_peers_max;
  std::uint64_t random_seed = 0;  // spreads the redials of many nodes
  std::function<Nonce()> nonce = random_nonce;
};

class Sessions {
 public:
  // -- actions -------------------------------------------------------------------------------
  struct Dial {
    LinkId link;
    std::string address;  // numeric, or of a socket
  };
  /// Look up; on_resolved must follow, however long it takes.
  struct Resolve {
    std::string address;
  };
  struct HangUp {
    LinkId link;
  };
  struct Send {
    LinkId link;
    Buffer frame;
  };
  struct Answer {
    Route route;
    Buffer frame;
  };
  /// From here on batches may be sent over `link` under `header` (sequence counts from 1; its
  /// version is the one agreed on). `features` are those that both ends have.
  struct Up {
    NodeId peer;
    std::uint64_t session;
    LinkId link;
    SessionHeader header;
    std::string address;
    std::uint64_t features;
  };
  /// How a session ended; OTP's words for it are connection_closed, disconnect, net_tick_timeout.
  enum class Ending : std::uint8_t { closed, disconnected, silent };
  struct Down {
    NodeId peer;
    std::uint64_t session;
    std::string why;
    Ending ending = Ending::closed;
  };
  /// The peer has got all our batches up to `sequence`.
  struct Acknowledged {
    NodeId peer;
    std::uint64_t session;
    std::uint64_t sequence;
  };
  /// A batch of a session that is up, in order.
  struct Deliver {
    NodeId peer;
    std::uint64_t session;
    Frame frame;
  };
  /// What came of connect().
  struct Connected {
    std::uint64_t id;
    std::string node;  // there is a session with it now, or it is ourselves; empty: there is none
    std::string why;   // there is none
  };
  struct Say {
    bool warning;
    std::string text;
  };
  struct Count {
    enum class What : std::uint8_t { stale, malformed, refused, own_seed, seed_unanswered } what;
  };
  using Action = std::variant<Dial, Resolve, HangUp, Send, Answer, Up, Down, Acknowledged, Deliver,
                              Connected, Say, Count>;
  using Actions = std::vector<Action>;

  explicit Sessions(SessionsConfig config);

  // -- events --------------------------------------------------------------------------------
  Actions on_link_up(LinkId link, Clock::TimePoint now);
  Actions on_link_down(LinkId link, const std::string& why, Clock::TimePoint now);
  Actions on_answer(LinkId link, const Frame& frame, Clock::TimePoint now);
  Actions on_frame(const Route& route, const Frame& frame, Clock::TimePoint now);
  Actions on_handshake_failed(bool by_us, const std::string& address, const std::string& why,
                              Clock::TimePoint now);
  Actions on_resolved(const std::string& address, const std::vector<std::string>& found,
                      Clock::TimePoint now);
  Actions on_tick(Clock::TimePoint now);
  /// Somebody told us of a node: reach it too. Of a life that is known already: try at once, if the
  /// attempts have become rare. Older ones are ignored.
  Actions add_peer(const std::string& name, Life life, const std::string& address,
                   Clock::TimePoint now);
  Actions add_seed(const std::string& address, Clock::TimePoint now);  // as new if it is known
  /// Looks for whoever is there no more; sessions stay, and an attempt under way runs to its end.
  /// Errors: not_found; refused, when a list names it.
  Result<void> forget_seed(const std::string& address);
  /// Takes these for the seeds of a list, in place of those that it had before; whom only the old
  /// one named is not looked for any more. Sessions and other seeds stay as they are.
  Actions set_listed_seeds(const std::vector<std::string>& addresses, Clock::TimePoint now);
  /// One attempt to open a session: with a peer, by its name, or with whoever is at an address.
  /// Connected follows, within twice the handshake's time. Source: OTP, net_kernel:connect_node/1.
  Actions connect(std::uint64_t id, const std::string& target, Clock::TimePoint now);
  /// Ends what there is with a peer, at once; it hears of it. AutoConnect::always dials it anew.
  /// Source: OTP, erlang:disconnect_node/1.
  Actions disconnect(const std::string& name, Clock::TimePoint now);
  /// The peer said that it leaves: its end is no failure, and it is not redialled.
  void mark_left(const std::string& name);
  /// Ends a session from our side, for example because the peer sent nonsense.
  Actions end(NodeId node, const std::string& why, Clock::TimePoint now);
  /// This node is about to end: sessions go on, but nobody is dialled nor let in any more.
  Actions leave();
  /// Ends all sessions and dials nobody any more.
  Actions stop(Clock::TimePoint now);

  [[nodiscard]] Clock::TimePoint next_tick() const noexcept { return next_tick_; }

  // -- what is known -------------------------------------------------------------------------
  struct PeerView {
    std::string name;
    Life life;
    std::string address;
    bool up = false;
    bool left = false;
    std::string trouble;  // why the last attempt failed; empty: none
    std::string over;     // the address that our link goes to; empty: none is up
  };
  [[nodiscard]] std::vector<PeerView> peers() const;
  struct SeedView {
    std::string address;
    std::string answered_by;  // the node that lives there; empty: nobody has answered yet
    std::string trouble;      // why it cannot be reached; empty: none known
    bool listed = false;      // by set_listed_seeds()
  };
  [[nodiscard]] std::vector<SeedView> seeds() const;
  /// Who did not come in, here or there, and why: each reason has a row of its own. At most 64;
  /// those of longest ago are forgotten.
  struct RefusedView {
    std::string name;  // as it said; empty: it did not
    std::string address;
    bool by_us = false;
    std::string why;
    std::uint64_t times = 0;
    Clock::TimePoint last;
  };
  [[nodiscard]] std::vector<RefusedView> refused() const;

 private:
  enum class Phase : std::uint8_t { connecting, hello_sent, auth_sent, accepted };
  /// One dialled link.
  struct Outbound {
    std::string address;
    std::string peer;  // known after WELCOME, or before when we redial
    std::string seed;  // the seed it came from, or empty
    Phase phase = Phase::connecting;
    std::uint64_t epoch = 0;
    Buffer hello;
    std::uint8_t version = 0;  // as WELCOME says, and its features
    std::uint64_t features = 0;
    Clock::TimePoint deadline;
  };
  /// One route on which somebody said HELLO.
  struct Inbound {
    Hello hello;
    std::uint8_t version = 0;  // that we chose
    Buffer hello_bytes;
    Buffer welcome_bytes;
    bool proved = false;
    Clock::TimePoint deadline;
  };
  struct Peer {
    Life life;
    std::string address;
    std::string local;                 // where it is reached from this machine; empty: nowhere
    Life not_local;                    // the life that could not be reached there
    std::vector<std::string> untried;  // of what its name was looked up to
    bool looking_up = false;
    bool left = false;
    bool had_session = false;
    LinkId link = 0;            // the one on its way or accepted; 0: none
    Route route;                // the proved one; empty: none
    std::uint64_t session = 0;  // 0: down
    std::uint64_t expected = 1;
    std::size_t unacknowledged = 0;  // bytes of batches that came since our last heartbeat
    Clock::TimePoint heard;
    Clock::TimePoint redial_at;
    Clock::Duration backoff{};
    std::optional<Clock::TimePoint> lost;  // when an attempt failed first, without a session since
    std::string trouble;
  };
  using Peers = std::map<std::string, Peer>;
  struct Seed {
    bool asked = false;   // one by one
    bool listed = false;  // by set_listed_seeds()
    bool looking_up = false;
    Clock::TimePoint resolve_at;
    Clock::Duration backoff{};
    std::string answered_by;
    std::string trouble;
  };

  /// A connect() that is under way.
  struct Request {
    std::uint64_t id = 0;
    std::string target;
    std::string peer;  // who is meant, once that is known
    std::string why;   // the latest failure, while it is not
    bool looking_up = false;
    bool late = false;
    Clock::TimePoint deadline;
  };

  void dial(const std::string& address, const std::string& peer, const std::string& seed,
            Clock::TimePoint now);
  /// Begins an attempt to reach a peer: by its socket, else its address, looked up if it is a name.
  void reach(const std::string& name, Peer& peer, const std::string& seed, Clock::TimePoint now);
  void attempt_failed(const std::string& name, Peer& peer, const Outbound& out,
                      const std::string& why, Clock::TimePoint now);
  [[nodiscard]] static bool is_local(const Peer& peer) {
    return !peer.local.empty() && peer.not_local != peer.life;
  }
  void drop_link(LinkId link, const std::string& why, Clock::TimePoint now, bool said = false);
  void abandon(LinkId link);
  enum class Source : std::uint8_t { hearsay, handshake };
  /// The peer of that name, made if need be. Null: there is no room for one known by hearsay.
  Peer* peer_of(const std::string& name, Source source);
  void forget(Peers::iterator place);
  void also_at(const std::string& address, const std::string& name);
  void on_welcome(LinkId link, Outbound& out, const Frame& frame, Clock::TimePoint now);
  void release(LinkId link, Outbound& out, const std::string& answered, Clock::TimePoint now);
  void on_refuse(LinkId link, Outbound& out, const Frame& frame, Clock::TimePoint now);
  void on_refuse(const Route& route, const Frame& frame, Clock::TimePoint now);
  void on_hello(const Route& route, const Frame& frame, Clock::TimePoint now);
  void on_auth(const Route& route, const Frame& frame, Clock::TimePoint now);
  void on_session_frame(const Route& route, FrameKind kind, const Frame& frame,
                        Clock::TimePoint now);
  /// Whoever dialled us does not come in; `hello`: what is known of it.
  void refuse(const Route& route, Refusal reason, const Hello& hello, Clock::TimePoint now);
  /// Whoever answers what we dialled is not let in.
  void refuse(LinkId link, Refusal reason, const std::string& name, Clock::TimePoint now);
  /// Said once, counted each time, and shown until a session comes of it.
  void note_refusal(RefusedView refused);
  /// For people: the reason, and what to do about it.
  [[nodiscard]] static std::string explain(Refusal reason);
  void accepted(const std::string& name, Peer& peer, Clock::TimePoint now);
  void try_up(const std::string& name, Peer& peer, Clock::TimePoint now);
  void end_session(const std::string& name, Peer& peer, const std::string& why,
                   Clock::TimePoint now, Ending ending = Ending::closed);
  void end_session_over(const Route& route, const std::string& why, Clock::TimePoint now);
  /// Why this life of a peer, which has proved itself, may not come in.
  [[nodiscard]] static std::optional<Refusal> refusal_of(const Peer& peer, Life life);
  void meet(const std::string& name, Peer& peer, Life life, const std::string& address,
            const std::string& local);
  /// No attempt to dial it has worked out: later again.
  void unreachable(const std::string& name, Peer& peer, const std::string& why,
                   Clock::TimePoint now);
  void schedule_redial(Peer& peer, Clock::TimePoint now);
  /// It may be back: attempts that have become rare are frequent again.
  void look_for(Peer& peer, Clock::TimePoint now);
  /// The node known to live at `address`: ourselves, or a peer that is dialled anyway.
  [[nodiscard]] std::optional<std::string> known_at(const std::string& address) const;
  void requests_resolved(const std::string& target, const std::vector<std::string>& found,
                         Clock::TimePoint now);
  void requests_failed(const std::string& target, const std::string& why);
  void requests_answered(const std::string& target, const std::string& node);
  [[nodiscard]] bool is_pending(const Request& request) const;
  void finish_requests();
  void seed_failed(const std::string& seed, const std::string& why, Clock::TimePoint now,
                   bool said = false);
  void seed_answered(const std::string& seed, const std::string& node, Clock::TimePoint now);
  [[nodiscard]] static bool admits(const std::string& seed, const std::string& node);
  bool is_met(const std::string& seed, const std::string& address, Clock::TimePoint now);
  void look_sooner(Clock::TimePoint now);
  [[nodiscard]] SessionHeader header_of(const Peer& peer) const;
  void send_heartbeat(Peer& peer);
  [[nodiscard]] Actions take();
  template <class A>
  void act(A action) {
    actions_.emplace_back(std::move(action));
  }
  void warn_once(const std::string& text, Clock::TimePoint now);
  void say(bool warning, std::string text) { act(Say{warning, std::move(text)}); }

  SessionsConfig config_;
  Random random_;
  Actions actions_;
  Peers peers_;
  std::map<std::string, Seed> seeds_;
  std::set<std::string> unlisted_;              // seeds that went while they were looked up
  std::set<std::string> own_addresses_;         // answered by ourselves
  std::map<std::string, std::string> aliases_;  // other addresses of peers, by address
  std::vector<Request> requests_;
  std::map<LinkId, Outbound> outbound_;
  std::unordered_map<Route, Inbound> inbound_;
  std::set<std::string> warned_;
  Clock::TimePoint warned_since_{};  // when the first of them was said
  HandshakeLimit limit_;
  std::vector<RefusedView> refused_;  // by time, the latest last
  LinkId last_link_ = 0;
  std::uint64_t last_epoch_ = 0;
  std::uint64_t last_session_ = 0;
  Clock::TimePoint next_tick_{};
  Clock::TimePoint heartbeat_at_{};  // to all peers
  bool leaving_ = false;
  bool stopped_ = false;
};

}  // namespace grove::transport
