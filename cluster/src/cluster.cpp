// SPDX-License-Identifier: Apache-2.0
#include "grove/cluster/cluster.hpp"

#include "grove/core/check.hpp"
#include "grove/transport/codec.hpp"

#include "control.hpp"
#include "name_log.hpp"
#include "peer_link.hpp"
#include "remote_signals.hpp"
#include "settings.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <shared_mutex>
#include <unordered_set>
#include <utility>

namespace grove {

using cluster::PeerLink;
using cluster::PeerLinkPtr;
using transport::Frame;
using transport::LinkId;
using transport::Record;
using transport::Route;
using transport::Sessions;

namespace {

constexpr auto k_retry = std::chrono::milliseconds{1};
constexpr auto k_leave_wait = std::chrono::seconds{1};

}  // namespace

class Cluster::Impl final : public Router, private transport::Transport::Events {
 public:
  Impl(Node& node, transport::Transport& transport, ClusterConfig config)
      : node_{node}, transport_{transport}, config_{std::move(config)}, names_{node.id()} {
    node_.set_router(this);
  }
  ~Impl() { stop(); }

  // -- Cluster -------------------------------------------------------------------------------

  Result<std::string> start() {
    if (const auto good = cluster::check(config_); !good) return good.error();
    auto bound = transport_.listen(config_.listen);
    if (!bound) return bound;
    auto sessions = cluster::sessions_config(config_, node_, *bound);
    address_ = sessions.address;
    sessions_ = std::make_unique<Sessions>(std::move(sessions));
    transport_.start(*this);
    started_ = true;
    return bound;
  }

  void stop() {
    if (!std::exchange(started_, false)) return;
    transport_.stop();
    // No event comes any more: this thread is the loop now.
    perform(sessions_->stop(now()));
  }

  Result<void> join(const std::string& address) {
    if (const auto parts = transport::split_address(address); !parts) return parts.error();
    transport_.post([this, address] { perform(sessions_->add_seed(address, now())); });
    return {};
  }

  void leave(std::function<void()> done) {
    transport_.post([this, done = std::move(done)]() mutable {
      leaving_ = std::move(done);
      leave_by_ = now() + k_leave_wait;
      perform(sessions_->leave());
      for (const PeerLinkPtr& link : links()) tell(*link, cluster::Leaving{});
      flush();
      finish_leaving();
    });
  }

  void members(std::function<void(std::vector<Member>)> use) {
    transport_.post([this, use = std::move(use)] {
      std::vector<Member> members{
          {node_.name(), node_.life(), address_, Member::State::up, true, {}}};
      for (const Sessions::PeerView& peer : sessions_->peers()) {
        if (peer.life == Life{}) continue;  // an address of which nobody has answered yet
        Member member{peer.name, peer.life, peer.address, Member::State::down, false, {}};
        if (peer.up) {
          member.state = Member::State::up;
        } else if (peer.left) {
          member.state = Member::State::left;
        } else {
          member.trouble = peer.trouble;
        }
        members.push_back(std::move(member));
      }
      use(std::move(members));
    });
  }

  void seeds(std::function<void(std::vector<Sessions::SeedView>)> use) {
    transport_.post([this, use = std::move(use)] { use(sessions_->seeds()); });
  }

  std::size_t sessions() const {
    const std::shared_lock lock{links_mutex_};
    return by_node_.size();
  }

  // -- Router: from processes to frames -------------------------------------------------------

  SessionId route(const Pid& to, EnvelopePtr envelope) override {
    const PeerLinkPtr* used = cluster::used_this_turn(to.node, transport_);
    return send(used != nullptr ? *used : find(to.node), to.node, transport::local_id(to), {},
                *envelope);
  }
  SessionId route(NodeId node, const std::string& name, EnvelopePtr envelope) override {
    if (name.size() > cluster::k_name_bytes_max) return k_dead_life;  // nobody can have that name
    return send(find(node), node, 0, name, *envelope);
  }

  NodeId connected(const std::string& name) const override {
    const std::shared_lock lock{links_mutex_};
    const auto place = by_name_.find(name);
    return place == by_name_.end() ? NodeId{} : place->second->peer;
  }

  void flush() override {
    bool waiting = false;
    for (const PeerLinkPtr& link : std::exchange(cluster::dirty_links(), {})) {
      waiting = flush(*link) == PeerLink::Pressure::waiting || waiting;
    }
    // Once, until the loop has looked: it goes on by itself, at a pace of its own.
    if (waiting && !retrying_.exchange(true)) transport_.post([] {});
  }

  bool unpack(Envelope& envelope) override {
    std::uint64_t wire_id = 0;
    switch (cluster::unpack_message(envelope, wire_id)) {
      case cluster::Unpacked::ok: return true;
      case cluster::Unpacked::unknown_type:
        node_.metrics().add(Metric::dead_letters_unknown_type);
        log_once("a message of a type that this program does not know came from " +
                 node_name(envelope.from.node) + " (wire id " + std::to_string(wire_id) + ")");
        return true;
      case cluster::Unpacked::malformed:
        node_.metrics().add(Metric::frames_malformed);
        end_later(envelope.from.node,
                  "sent a malformed " + std::string{find_message_type(wire_id)->name});
        return false;
    }
    return false;
  }

  void forget(const Pid& pid) override {
    for (const PeerLinkPtr& link : links()) link->forget(pid);
  }

  void process_ended(const Pid& pid) override {
    {
      const std::unique_lock lock{names_mutex_};
      if (auto delta = names_.remove_all(pid)) tell_all(*delta);
    }
    forget(pid);
    flush();
  }

  Result<void> register_name(const std::string& name, const Pid& pid) override {
    const std::unique_lock lock{names_mutex_};
    auto delta = names_.add(name, pid, node_.clock().wall_micros());
    if (!delta) return delta.error();
    if (!node_.is_alive(pid)) {  // its end may have looked for names before this one was there
      names_.remove(name);
      return Error{Errc::noproc, "the process has ended"};
    }
    tell_all(*delta);
    flush();
    return {};
  }

  bool unregister_name(const std::string& name) override {
    const std::unique_lock lock{names_mutex_};
    auto delta = names_.remove(name);
    if (!delta) return false;
    tell_all(*delta);
    flush();
    return true;
  }

  std::optional<Pid> whereis(const std::string& name) const override {
    const std::shared_lock lock{names_mutex_};
    return names_.find(name);
  }

  std::vector<GlobalName> names() const override {
    const std::shared_lock lock{names_mutex_};
    std::vector<GlobalName> rows;
    for (const auto& entry : names_.all()) rows.push_back({entry.name, entry.pid});
    return rows;
  }

 private:
  // -- sending -------------------------------------------------------------------------------

  PeerLinkPtr find(NodeId node) const {
    const std::shared_lock lock{links_mutex_};
    const auto place = by_node_.find(node);
    return place == by_node_.end() ? nullptr : place->second;
  }
  std::vector<PeerLinkPtr> links() const {
    const std::shared_lock lock{links_mutex_};
    std::vector<PeerLinkPtr> all;
    for (const auto& [name, link] : by_name_) all.push_back(link);  // the same order each run
    return all;
  }

  SessionId no_session(NodeId node, const Envelope& envelope) {
    if (cluster::carries_message(envelope.kind())) {
      node_.metrics().add(Metric::dead_letters_no_connection);
    }
    if (node == NodeId{}) return k_no_connection;
    const std::string& name = node_name(node);
    if (name == node_.name()) return k_dead_life;
    const NodeId now_connected = connected(name);
    return now_connected != NodeId{} && node_life(now_connected) > node_life(node)
               ? k_dead_life
               : k_no_connection;
  }

  SessionId send(const PeerLinkPtr& link, NodeId node, std::uint64_t to, std::string_view name,
                 Envelope& envelope) {
    if (link == nullptr) return no_session(node, envelope);
    if (!cluster::is_sendable(envelope)) {
      undeliverable(link, to, envelope, Metric::dead_letters_no_wire_form, "no_wire_form",
                    "has no GROVE_MESSAGE declaration");
      return link->session;
    }
    Record record = cluster::record_of(envelope);
    record.to = to;
    record.name = name;
    const Pid watcher = cluster::relates(envelope.kind()) ? envelope.from : Pid{};
    switch (link->append(record, watcher, [&](transport::Bytes& out) {
      return cluster::write_body(envelope, out);
    })) {
      case PeerLink::Appended::ok: cluster::mark_dirty(link); break;
      case PeerLink::Appended::closed: return no_session(node, envelope);
      case PeerLink::Appended::unsendable:
        undeliverable(link, to, envelope, Metric::dead_letters_unsendable, "unsendable",
                      "is too large, too deep, or failed to be written");
        break;
    }
    return link->session;
  }

  PeerLink::Pressure flush(PeerLink& link) {
    const PeerLink::Pressure pressure = link.flush();
    if (pressure == PeerLink::Pressure::over_budget) {
      end_later(link.peer, "too slow: its queue is over budget");
    }
    return pressure;
  }

  /// What cannot be written stays here, counted and said once; but nobody waits for it in vain: a
  /// caller, the asker of a reply, and the other end of a link or monitor hear of it at least.
  void undeliverable(const PeerLinkPtr& link, std::uint64_t to, const Envelope& envelope,
                     Metric metric, const char* why, const std::string& detail) {
    const SignalKind kind = envelope.kind();
    const std::string type{cluster::carries_message(kind) ? envelope.message.type()->name
                                                          : "exit reason"};
    node_.metrics().add(metric);
    log_once("a message of type " + type + " to another node was dropped: it " + detail);
    const ExitReason reason = ExitReason::error(why, type);
    if (kind == SignalKind::call) {
      auto down = std::make_unique<Envelope>(SignalKind::down, Pid{}, envelope.serial);
      down->message = Message::make<detail::DownSignal>(reason);
      node_.deliver(envelope.from, std::move(down));
    } else if (kind == SignalKind::reply || kind == SignalKind::down) {
      Envelope down{SignalKind::down, envelope.from, envelope.serial};
      down.message = Message::make<detail::DownSignal>(reason);
      send(link, link->peer, to, {}, down);
    } else if (const auto* exit = envelope.message.get<detail::ExitSignal>()) {
      Envelope shorter{SignalKind::exit, envelope.from};
      shorter.message = Message::make<detail::ExitSignal>(reason, exit->of_link);
      send(link, link->peer, to, {}, shorter);
    }
  }

  /// A message from node to node. Not flushed.
  template <class T>
  void tell(PeerLink& link, const T& message) {
    Record record;
    record.kind = cluster::k_control;
    record.type = k_message_type<T>.wire_id;
    const auto appended = link.append(record, {}, [&](transport::Bytes& out) {
      return transport::pack(out, [&](Writer& writer) { wire::write(writer, message); });
    });
    if (appended == PeerLink::Appended::unsendable) {
      log_once("cannot tell " + node_name(link.peer) +
               " all cluster-wide names: they are too many");
    }
    for (const PeerLinkPtr& known : links()) {
      if (known.get() == &link) cluster::mark_dirty(known);
    }
  }
  /// Under the names lock, so that versions leave in order.
  void tell_all(const cluster::NamesDelta& delta) {
    for (const PeerLinkPtr& link : links()) {
      if (link->names_sent) tell(*link, delta);
    }
  }

  void end_later(NodeId peer, const std::string& why) {
    transport_.post([this, peer, why] { perform(sessions_->end(peer, why, now())); });
  }

  void log_once(const std::string& text) {
    {
      const std::lock_guard lock{logged_mutex_};
      if (logged_.size() > 1000 || !logged_.insert(text).second) return;
    }
    node_.log().warning(text);
  }

  // -- the transport's loop ------------------------------------------------------------------

  Clock::TimePoint now() const { return node_.clock().now(); }
  void on_frame(const Route& from, Frame frame) override {
    perform(sessions_->on_frame(from, frame, now()));
  }
  void on_answer(LinkId link, Frame frame) override {
    perform(sessions_->on_answer(link, frame, now()));
  }
  void on_link_up(LinkId link) override { perform(sessions_->on_link_up(link, now())); }
  void on_link_down(LinkId link, const std::string& why) override {
    perform(sessions_->on_link_down(link, why, now()));
  }
  Clock::TimePoint on_tick() override {
    if (now() >= sessions_->next_tick()) perform(sessions_->on_tick(now()));
    finish_leaving();
    // Cleared first: who finds a full link meanwhile sets it again, and wakes us.
    if (!retrying_.exchange(false)) return sessions_->next_tick();
    bool waiting = false;
    for (const PeerLinkPtr& link : links()) {
      waiting = flush(*link) == PeerLink::Pressure::waiting || waiting;
    }
    if (!waiting) return sessions_->next_tick();
    retrying_ = true;
    return std::min(now() + k_retry, sessions_->next_tick());
  }

  void perform(Sessions::Actions actions) {
    for (Sessions::Action& action : actions) {
      std::visit([this](auto& one) { act(one); }, action);
    }
  }

  void act(Sessions::Dial& dial) { transport_.dial(dial.link, dial.address); }
  void act(Sessions::HangUp& hang_up) { transport_.hang_up(hang_up.link); }
  void act(Sessions::Resolve& resolve) {
    transport_.resolve(resolve.address, [this, seed = resolve.address](const auto& found) {
      perform(sessions_->on_resolved(seed, found, now()));
    });
  }
  void act(Sessions::Send& send) { transport_.send(send.link, send.frame); }
  void act(Sessions::Answer& answer) { transport_.answer(answer.route, std::move(answer.frame)); }
  void act(Sessions::Say& say) {
    node_.log().write(say.warning ? LogLevel::warning : LogLevel::info, say.text);
  }
  void act(Sessions::Count& count) {
    switch (count.what) {
      case Sessions::Count::What::stale: node_.metrics().add(Metric::frames_stale); break;
      case Sessions::Count::What::malformed: node_.metrics().add(Metric::frames_malformed); break;
      case Sessions::Count::What::refused: node_.metrics().add(Metric::handshakes_refused); break;
    }
  }

  void act(Sessions::Up& up) {
    node_.metrics().add(Metric::sessions_up);
    node_.log().info("node " + node_name(up.peer) + " at " + up.address + " is up");
    transport_.share(up.link);
    const auto link = std::make_shared<PeerLink>(transport_, up);
    {
      const std::unique_lock lock{links_mutex_};
      by_node_[up.peer] = link;
      by_name_[node_name(up.peer)] = link;
    }
    {
      const std::unique_lock lock{names_mutex_};
      tell(*link, names_.snapshot());
      link->names_sent = true;
    }
    tell(*link, peer_list());
    const cluster::PeerList news{{{node_name(up.peer), node_life(up.peer).value, up.address}}};
    for (const PeerLinkPtr& other : links()) {
      if (other != link) tell(*other, news);
    }
    flush();
  }

  void act(Sessions::Down& down) {
    node_.metrics().add(Metric::sessions_down);
    node_.log().info("node " + node_name(down.peer) + " is down: " + down.why);
    const PeerLinkPtr link = find(down.peer);
    GROVE_CHECK(link != nullptr && link->session == down.session);
    {
      const std::unique_lock lock{links_mutex_};
      by_node_.erase(down.peer);
      by_name_.erase(node_name(down.peer));
    }
    // Names first: whoever hears of the loss finds them gone.
    {
      const std::unique_lock lock{names_mutex_};
      names_.drop(down.peer);
    }
    for (const Pid& watcher : link->close()) {
      auto lost = std::make_unique<Envelope>(SignalKind::node_lost, Pid{down.peer, 0, 0});
      lost->message = Message::make<detail::NodeLost>(down.peer, down.session);
      node_.deliver(watcher, std::move(lost));
    }
    finish_leaving();
  }

  cluster::PeerList peer_list() const {
    cluster::PeerList list;
    for (const Sessions::PeerView& peer : sessions_->peers()) {
      if (peer.up) list.peers.push_back({peer.name, peer.life.value, peer.address});
    }
    return list;
  }

  void finish_leaving() {
    if (!leaving_ || (sessions() > 0 && now() < leave_by_)) return;
    std::exchange(leaving_, {})();
  }

  // -- from frames to processes --------------------------------------------------------------

  void act(Sessions::Deliver& deliver) {
    const PeerLinkPtr link = find(deliver.peer);
    if (link == nullptr) return;
    std::size_t offset = transport::k_session_header_bytes;
    bool malformed = false;
    for (;;) {
      const std::size_t at = offset;
      const auto record = transport::next_record(deliver.frame.bytes, offset, malformed);
      if (!record) break;
      const std::byte* start = deliver.frame.bytes.data() + at;
      malformed = record->kind == cluster::k_control
                      ? !control(*link, *record)
                      : !signal(link, *record, {deliver.frame.owner, start});
      if (malformed) break;
    }
    if (malformed) {
      node_.metrics().add(Metric::frames_malformed);
      perform(sessions_->end(deliver.peer, "sent a malformed batch", now()));
    }
    flush();
  }

  /// Returns: false when the record is malformed.
  bool signal(const PeerLinkPtr& link, const Record& record, detail::Packed packed) {
    EnvelopePtr envelope = cluster::signal_of(link->peer, link->session, record, std::move(packed));
    if (envelope == nullptr) return false;
    const Pid to = target(record);
    if (!to) {
      no_such_name(link, *envelope);
      return true;
    }
    if (cluster::relates(envelope->kind())) link->watch(to);
    if (envelope->kind() == SignalKind::call) {
      auto monitor = std::make_unique<Envelope>(SignalKind::monitor, envelope->from, record.serial);
      monitor->message = Message::make<detail::SessionMark>(link->session);
      node_.deliver(to, std::move(monitor));
    }
    const bool is_call = envelope->kind() == SignalKind::call;
    const Pid from = envelope->from;
    const detail::Delivery delivery = node_.deliver(to, std::move(envelope));
    if (is_call && delivery >= detail::Delivery::dropped) {  // or its caller would wait in vain
      node_.deliver(to, std::make_unique<Envelope>(SignalKind::demonitor, from, record.serial));
      Envelope down{SignalKind::down, to, record.serial};
      down.message = Message::make<detail::DownSignal>(ExitReason::symbol("mailbox_full"));
      send(link, link->peer, transport::local_id(from), {}, down);
    }
    return true;
  }

  Pid target(const Record& record) const {
    if (record.name.empty()) return transport::pid_of(node_.id(), record.to);
    return node_.whereis(record.name).value_or(Pid{});
  }

  void no_such_name(const PeerLinkPtr& link, const Envelope& envelope) {
    if (cluster::carries_message(envelope.kind())) {
      node_.metrics().add(Metric::dead_letters_no_name);
    }
    if (envelope.kind() != SignalKind::monitor && envelope.kind() != SignalKind::call) return;
    Envelope down{SignalKind::down, Pid{}, envelope.serial};
    down.message = Message::make<detail::DownSignal>(ExitReason::noproc());
    send(link, link->peer, transport::local_id(envelope.from), {}, down);
  }

  /// Returns: false when the record is malformed; a control message we do not know is skipped.
  bool control(PeerLink& link, const Record& record) {
    if (record.type == k_message_type<cluster::NamesSnapshot>.wire_id) {
      return with<cluster::NamesSnapshot>(record, [&](const auto& snapshot) {
        const std::unique_lock lock{names_mutex_};
        settle(link, names_.apply(link.peer, snapshot));
      });
    }
    if (record.type == k_message_type<cluster::NamesDelta>.wire_id) {
      return with<cluster::NamesDelta>(record, [&](const auto& delta) {
        const std::unique_lock lock{names_mutex_};
        settle(link, names_.apply(link.peer, delta));
      });
    }
    if (record.type == k_message_type<cluster::NamesRequest>.wire_id) {
      const std::unique_lock lock{names_mutex_};
      tell(link, names_.snapshot());
      return true;
    }
    if (record.type == k_message_type<cluster::PeerList>.wire_id) {
      return with<cluster::PeerList>(record, [&](const auto& list) {
        for (const cluster::PeerEntry& peer : list.peers) {
          perform(sessions_->add_peer(peer.name, Life{peer.life}, peer.address, now()));
        }
      });
    }
    if (record.type == k_message_type<cluster::Leaving>.wire_id) {
      sessions_->mark_left(node_name(link.peer));
      end_later(link.peer, "it left");
      return true;
    }
    return true;
  }

  template <class T, class F>
  bool with(const Record& record, F&& use) {
    T message;
    if (!transport::unpack(record.body, [&](Reader& in) { wire::read(in, message); })) {
      return false;
    }
    use(message);
    return true;
  }

  /// Under the names lock.
  void settle(PeerLink& link, const cluster::NameLog::Applied& applied) {
    if (applied.gap) tell(link, cluster::NamesRequest{});
    for (const auto& lost : applied.lost) {
      node_.metrics().add(Metric::name_conflicts);
      node_.log().warning("name conflict: " + lost.name + " is held by " + to_string(lost.winner) +
                          "; " + to_string(lost.loser) + " loses it");
      if (auto delta = names_.remove(lost.name)) tell_all(*delta);
      node_.exit(lost.loser, ExitReason{Value::tuple({Value::symbol("name_conflict"),
                                                      Value{lost.name}, Value{lost.winner}})});
    }
  }

  Node& node_;
  transport::Transport& transport_;
  const ClusterConfig config_;
  std::string address_;
  bool started_ = false;
  std::unique_ptr<Sessions> sessions_;     // the loop's
  std::function<void()> leaving_;          // the loop's
  Clock::TimePoint leave_by_{};            // the loop's
  mutable std::shared_mutex links_mutex_;  // guards the two maps; taken after names_mutex_
  std::map<NodeId, PeerLinkPtr> by_node_;
  std::map<std::string, PeerLinkPtr> by_name_;
  std::atomic<bool> retrying_{false};      // some link has frames that wait
  mutable std::shared_mutex names_mutex_;  // guards names_ and the links' names_sent
  cluster::NameLog names_;
  std::mutex logged_mutex_;  // guards logged_
  std::unordered_set<std::string> logged_;
};

Cluster::Cluster(Node& node, transport::Transport& transport, ClusterConfig config)
    : impl_{std::make_unique<Impl>(node, transport, std::move(config))} {}
Cluster::~Cluster() = default;

Result<std::string> Cluster::start() { return impl_->start(); }
void Cluster::stop() { impl_->stop(); }
Result<void> Cluster::join(const std::string& address) { return impl_->join(address); }
void Cluster::leave(std::function<void()> done) { impl_->leave(std::move(done)); }
void Cluster::members(std::function<void(std::vector<Member>)> use) {
  impl_->members(std::move(use));
}
std::size_t Cluster::sessions() const { return impl_->sessions(); }
void Cluster::seeds(std::function<void(std::vector<Sessions::SeedView>)> use) {
  impl_->seeds(std::move(use));
}

}  // namespace grove
