// SPDX-License-Identifier: Apache-2.0
#include "grove/cluster/cluster.hpp"

#include "grove/core/check.hpp"
#include "grove/transport/codec.hpp"
#include "grove/transport/endpoint.hpp"

#include "control.hpp"
#include "incoming.hpp"
#include "member_list.hpp"
#include "member_subscribers.hpp"
#include "membership.hpp"
#include "node_metadata.hpp"
#include "node_monitors.hpp"
#include "once_log.hpp"
#include "outgoing.hpp"
#include "partition_watch.hpp"
#include "peer_links.hpp"
#include "seeds_file.hpp"
#include "settings.hpp"
#include "shared_groups.hpp"
#include "shared_names.hpp"
#include "spawner_ends.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <utility>

namespace grove {

using cluster::Membership;
using cluster::PeerLinkPtr;
using transport::Frame;
using transport::LinkId;
using transport::Record;
using transport::Route;
using transport::Sessions;

namespace {

constexpr auto k_leave_wait = std::chrono::seconds{1};

}  // namespace

class Cluster::Impl final : public Router, private transport::Transport::Events {
 public:
  Impl(Node& node, transport::Transport& transport, ClusterConfig config)
      : node_{node},
        transport_{transport},
        config_{std::move(config)},
        once_{node.log()},
        outgoing_{node, transport, links_, once_, config_.flow.when_busy},
        names_{node,  links_,        outgoing_,
               once_, config_.names, [this] { return side() == Side::minority; }},
        groups_{node, links_, outgoing_},
        incoming_{node, outgoing_, once_, [this](const PeerLinkPtr& link, const Record& record) {
                    return control(link, record);
                  }} {
    node_.set_router(this);
  }
  ~Impl() override {
    stop();
    flush();  // into nothing: this thread may know links of ours, if it ran processes
  }

  // -- Cluster -------------------------------------------------------------------------------

  Result<std::string> start() {
    if (const auto good = cluster::check(config_); !good) return good.error();
    const auto listed = seeds_file_.read();
    if (listed && !*listed) return listed->error();
    if (const auto good = transport_.secure(config_.cookie); !good) return good.error();
    const auto bound = cluster::listen(config_, transport_, node_.log());
    if (!bound) return bound.error();
    auto sessions = cluster::sessions_config(config_, node_, *bound);
    address_ = sessions.address;
    sessions_ = std::make_unique<Sessions>(std::move(sessions));
    membership_ = std::make_unique<Membership>(cluster::MembershipConfig{
        node_.name(), node_.life(), address_, {}, config_.random_seed + 1, config_.metadata});
    if (config_.partition.policy) {
      partition_.emplace(config_.partition, node_.name());
    }
    transport_.start(*this, node_.scheduler());
    started_ = true;
    if (listed) {
      transport_.post(
          [this, seeds = **listed] { perform(sessions_->set_listed_seeds(seeds, now())); });
    }
    return bound->address;
  }

  void stop() {
    if (!std::exchange(started_, false)) return;
    transport_.stop();
    // No event comes any more: this thread is the loop now.
    perform(sessions_->stop(now()));
  }

  Result<void> join(const std::string& address) {
    const auto valid = transport::parse_endpoint(address, transport::AddressUse::dial);
    if (!valid) return valid.error();
    if (config_.auto_connect == transport::AutoConnect::never) {
      return Error{Errc::refused, "this node connects only by hand"};
    }
    transport_.post([this, seed = cluster::dialled(address, config_.port)] {
      perform(sessions_->add_seed(seed, now()));
    });
    return {};
  }

  void forget_seed(const std::string& address, std::function<void(Result<void>)> done) {
    transport_.post([this, address, done = std::move(done)] {
      const auto valid = transport::parse_endpoint(address, transport::AddressUse::dial);
      done(valid ? sessions_->forget_seed(cluster::dialled(address, config_.port))
                 : Result<void>{valid.error()});
    });
  }

  void connect(const std::string& node, std::function<void(Result<std::string>)> done) {
    transport_.post([this, node, done = std::move(done)]() mutable {
      const auto address = transport::parse_endpoint(node, transport::AddressUse::dial);
      if (!address && !is_node_name(node)) return done(address.error());
      connecting_.emplace(++last_connect_, std::move(done));
      const auto peers = sessions_->peers();
      const bool known =
          node == node_.name() || std::any_of(peers.begin(), peers.end(),
                                              [&](const auto& peer) { return peer.name == node; });
      const std::string target = known ? node : cluster::dialled(node, config_.port);
      perform(sessions_->connect(last_connect_, target, now()));
    });
  }

  void disconnect(const std::string& node, std::function<void(bool)> done) {
    transport_.post([this, node, done = std::move(done)] {
      const bool connected = links_.connected(node) != NodeId{};
      perform(sessions_->disconnect(node, now()));
      done(connected);
    });
  }

  void leave(std::function<void()> done) {
    transport_.post([this, done = std::move(done)]() mutable {
      if (leaving_.empty()) leave_by_ = now() + k_leave_wait;
      leaving_.push_back(std::move(done));
      perform(sessions_->leave());
      perform(membership_->leave());
      flush();
      finish_leaving();
    });
  }

  void members(std::function<void(std::vector<Member>)> use) {
    transport_.post([this, use = std::move(use)] {
      std::vector<Member> members(1);
      members[0].name = node_.name();
      members[0].life = node_.life();
      members[0].address = address_;
      members[0].state = Member::State::up;
      members[0].self = true;
      members[0].incarnation = membership_->incarnation();
      members[0].metadata = membership_->metadata();
      for (Member& member : cluster::member_list(membership_->members(), sessions_->peers())) {
        if (const PeerLinkPtr link = links_.find(links_.connected(member.name))) {
          member.queued_bytes = link->queued_bytes();
        }
        members.push_back(std::move(member));
      }
      use(std::move(members));
    });
  }

  void members_with_role(const std::string& role, std::function<void(std::vector<Member>)> use) {
    members([role, use = std::move(use)](std::vector<Member> members) {
      std::erase_if(members, [&](const Member& member) {
        return member.state > Member::State::partial || !member.metadata.has_role(role);
      });
      use(std::move(members));
    });
  }

  void monitor_members(const Pid& subscriber, bool on) {
    transport_.post([this, subscriber, on] { member_subscribers_.set(subscriber, on); });
  }

  Result<void> set_metadata(NodeMetadata metadata) {
    if (const auto good = cluster::check(metadata); !good) return good.error();
    transport_.post([this, metadata = std::move(metadata)]() mutable {
      perform(membership_->set_metadata(std::move(metadata)));
    });
    return {};
  }

  Side side() const noexcept { return side_; }

  void seeds(std::function<void(std::vector<Sessions::SeedView>)> use) {
    transport_.post([this, use = std::move(use)] { use(sessions_->seeds()); });
  }

  void refused(std::function<void(std::vector<Sessions::RefusedView>)> use) {
    transport_.post([this, use = std::move(use)] { use(sessions_->refused()); });
  }

  std::size_t sessions() const { return links_.size(); }

  void nodes(std::function<void(std::vector<std::string>)> use) {
    transport_.post([this, use = std::move(use)] {
      std::vector<std::string> names;
      for (const PeerLinkPtr& link : links_.all()) names.push_back(node_name(link->peer));
      use(std::move(names));
    });
  }

  // -- Router: see the parts -----------------------------------------------------------------

  SessionId route(const Pid& to, EnvelopePtr envelope) override {
    return outgoing_.route(to, *envelope);
  }
  SessionId route(NodeId node, const std::string& name, EnvelopePtr envelope) override {
    return outgoing_.route(node, name, *envelope);
  }
  NodeId connected(const std::string& name) const override { return links_.connected(name); }
  void flush() override { outgoing_.flush(); }
  void flush_all() override { outgoing_.flush_all(); }

  bool unpack(Envelope& envelope) override {
    return incoming_.unpack(envelope, [this](NodeId peer, SessionId session, const auto& why) {
      end_later(peer, session, why);
    });
  }

  void forget(const Pid& pid) override {
    links_.for_each([&pid](const PeerLinkPtr& link) { link->forget(pid); });
  }
  bool process_ended(const Pid& pid, bool named) override {
    const bool told = named && names_.process_ended(pid);
    node_monitors_.forget(pid);
    forget(pid);
    return told;
  }

  void spawner_ended(NodeId node, const Ref& request, const ExitReason& reason) override {
    spawner_ends_.add(node, request, reason);
  }
  ExitReason take_spawner_end(NodeId node, const Ref& request) override {
    return spawner_ends_.take(node, request);
  }

  void monitor_nodes(const Pid& subscriber, bool on) override {
    node_monitors_.subscribe(subscriber, on);
  }
  void monitor_node(const Pid& watcher, const std::string& node, bool on) override {
    node_monitors_.watch(watcher, node, on);
    // There may be no session, or its end is being told just now.
    transport_.post([this, node] {
      if (links_.connected(node) == NodeId{}) node_monitors_.tell_out_of_reach(node);
    });
  }

  void groups_changed(const detail::GroupsChange& change) override { groups_.tell(change); }
  ClusterNames& names() noexcept override { return names_; }

 private:
  /// Ends this one, not the next one with the same life.
  void end_later(NodeId peer, SessionId session, const std::string& why) {
    transport_.post([this, peer, session, why] {
      const PeerLinkPtr link = links_.find(peer);
      if (link == nullptr || link->session != session) return;
      perform(sessions_->end(peer, why, now()));
    });
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
  void on_handshake_failed(bool by_us, const std::string& address,
                           const std::string& why) override {
    perform(sessions_->on_handshake_failed(by_us, address, why, now()));
  }
  Clock::TimePoint on_tick() override {
    if (now() >= sessions_->next_tick()) {
      perform(sessions_->on_tick(now()));
      end_slow_ones();
    }
    if (now() >= membership_->next_tick()) {
      perform(membership_->on_tick(now()));
      look_for_partition();
      look_at_seeds_file();
    }
    names_.on_tick(now());
    groups_.on_tick();
    finish_leaving();
    flush();
    return std::min({sessions_->next_tick(), membership_->next_tick(), names_.next_tick()});
  }

  void end_slow_ones() {
    for (const PeerLinkPtr& link : links_.all()) {
      if (!link->stalled(now(), config_.flow.slow_after)) continue;
      node_.metrics().add(Metric::sessions_slow);
      perform(sessions_->end(link->peer, "too slow: it takes less than is sent to it", now()));
    }
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
  void act(Sessions::Send& send) { transport_.send(send.link, std::move(send.frame), {}); }
  void act(Sessions::Answer& answer) { transport_.answer(answer.route, std::move(answer.frame)); }
  void act(Sessions::Connected& connected) {
    const auto done = connecting_.extract(connected.id);
    if (connected.node.empty()) {
      done.mapped()(Error{Errc::noconnection, connected.why});
    } else {
      done.mapped()(connected.node);
    }
  }
  void act(Sessions::Say& say) {
    node_.log().write(say.warning ? LogLevel::warning : LogLevel::info, say.text);
  }
  void act(Sessions::Count& count) {
    switch (count.what) {
      case Sessions::Count::What::stale: node_.metrics().add(Metric::frames_stale); break;
      case Sessions::Count::What::malformed: node_.metrics().add(Metric::frames_malformed); break;
      case Sessions::Count::What::refused: node_.metrics().add(Metric::handshakes_refused); break;
      case Sessions::Count::What::own_seed: node_.metrics().add(Metric::own_seeds); break;
      case Sessions::Count::What::seed_unanswered:
        node_.metrics().add(Metric::seeds_unanswered);
        break;
    }
  }

  void act(Sessions::Up& up) {
    node_.metrics().add(Metric::sessions_up);
    node_.log().info("node " + node_name(up.peer) + " at " + up.address + " is up");
    transport_.share(up.link);
    const auto link = std::make_shared<cluster::PeerLink>(transport_, up, config_.flow);
    links_.add(link);
    node_monitors_.tell_up(up.peer);
    groups_.tell_all(link);
    // Members first: of the names of strangers nothing is taken.
    perform(membership_->on_session_up(node_name(up.peer), node_life(up.peer), up.address, now()));
    look_for_partition();  // it counts from now on, however soon it is lost again
    names_.on_session_up(up.peer);
    flush();
  }

  void act(Sessions::Down& down) {
    node_.metrics().add(Metric::sessions_down);
    node_.log().info("node " + node_name(down.peer) + " is down: " + down.why);
    const PeerLinkPtr link = links_.find(down.peer);
    GROVE_CHECK(link != nullptr && link->session == down.session);
    links_.remove(down.peer);
    spawner_ends_.drop(down.peer);
    // Before its processes: whoever hears of the loss finds the names gone.
    names_.on_session_down(down.peer);
    groups_.drop(down.peer);
    const cluster::PeerLink::Closed closed = link->close();
    for (const Pid& watcher : closed.watchers) {
      auto lost = std::make_unique<Envelope>(SignalKind::node_lost, Pid{down.peer, 0, 0});
      lost->message = Message::make<detail::NodeLost>(down.peer, down.session);
      node_.deliver(watcher, std::move(lost));
    }
    node_monitors_.tell_down(down.peer, down.ending);  // after what its processes have lost
    outgoing_.give_room(down.peer, closed.waiting);
    perform(membership_->on_session_down(node_name(down.peer), now()));
    finish_leaving();
  }

  // -- membership ----------------------------------------------------------------------------

  void perform(Membership::Actions actions) {
    for (Membership::Action& action : actions) {
      std::visit([this](auto& one) { act(one); }, action);
    }
  }
  void act(Membership::Send& send) {
    const PeerLinkPtr link = links_.find(links_.connected(send.to));
    if (link != nullptr) outgoing_.tell(link, send.message);
  }
  void act(Membership::Meet& meet) {
    perform(sessions_->add_peer(meet.name, meet.life, meet.address, now()));
  }
  void act(Membership::Changed& changed) {
    node_.log().info("member " + changed.name + " is " +
                     std::string{cluster::to_string(changed.to)} + ": " + changed.why);
    names_.on_member(intern_node(changed.name, changed.life),
                     changed.to <= cluster::MemberState::suspect);
    member_subscribers_.tell(changed);
    if (changed.to != cluster::MemberState::left) return;
    sessions_->mark_left(changed.name);
    if (const PeerLinkPtr link = links_.find(links_.connected(changed.name))) {
      end_later(link->peer, link->session, "it left");
    }
  }
  void act(Membership::Reached& reached) {
    names_.on_reached(intern_node(reached.name, reached.life), reached.by);
  }
  void act(Membership::Told& told) { member_subscribers_.tell(told); }
  void act(Membership::Count& count) {
    switch (count.what) {
      case Membership::Counted::suspected: node_.metrics().add(Metric::members_suspected); break;
      case Membership::Counted::refuted: node_.metrics().add(Metric::suspicions_refuted); break;
      case Membership::Counted::declared_dead:
        node_.metrics().add(Metric::members_declared_dead);
        break;
      case Membership::Counted::unreached_probe:
        node_.metrics().add(Metric::probes_unanswered);
        break;
      case Membership::Counted::bad_metadata: node_.metrics().add(Metric::metadata_refused); break;
      case Membership::Counted::too_many:
        node_.metrics().add(Metric::members_refused);
        once_.warning("this node knows " + std::to_string(cluster::k_members_max) +
                      " members: of others it takes in only those that it has a session with");
        break;
    }
  }

  void look_for_partition() {
    if (!partition_ || membership_->has_left()) return;
    const auto agreed = membership_->members();
    auto members = cluster::partition_members(agreed);
    members.push_back({node_.name(), node_.life(), true, membership_->metadata().roles});
    const auto side = partition_->look(members, cluster::members_left(agreed), now());
    if (!side) return;
    side_ = *side;
    if (*side == Side::minority) {
      node_.metrics().add(Metric::minorities);
      const std::string& threw = partition_->failure();
      node_.log().error("this node is in the minority of a partition: it takes no new names" +
                        (threw.empty() ? std::string{} : "; its policy threw: " + threw));
    } else {
      node_.log().info("this node is in the minority no more");
    }
    if (config_.partition.changed) config_.partition.changed(*side);
  }

  void look_at_seeds_file() {
    const auto listed = seeds_file_.look(now(), node_.log());
    if (listed) perform(sessions_->set_listed_seeds(*listed, now()));
  }

  void finish_leaving() {
    if (leaving_.empty() || (sessions() > 0 && now() < leave_by_)) return;
    for (const auto& done : std::exchange(leaving_, {})) {
      if (done) done();
    }
  }

  void act(Sessions::Acknowledged& acknowledged) {
    const PeerLinkPtr link = links_.find(acknowledged.peer);
    if (link == nullptr || outgoing_.acknowledged(link, acknowledged.sequence)) return;
    node_.metrics().add(Metric::frames_malformed);
    perform(sessions_->end(acknowledged.peer, "acknowledges what was never sent", now()));
  }

  void act(Sessions::Deliver& deliver) {
    const PeerLinkPtr link = links_.find(deliver.peer);
    if (link == nullptr) return;
    if (!incoming_.deliver(link, deliver.frame)) {
      node_.metrics().add(Metric::frames_malformed);
      perform(sessions_->end(deliver.peer, "sent a malformed batch", now()));
    }
    flush();
  }

  // -- what nodes tell each other ------------------------------------------------------------

  /// Returns: false when the record is malformed; a control message we do not know is skipped.
  bool control(const PeerLinkPtr& link, const Record& record) {
    switch (record.type) {
      case k_message_type<cluster::NamesDigest>.wire_id:
        return hear_of_names<cluster::NamesDigest>(link, record);
      case k_message_type<cluster::NamesPull>.wire_id:
        return hear_of_names<cluster::NamesPull>(link, record);
      case k_message_type<cluster::NamesPart>.wire_id:
        return hear_of_names<cluster::NamesPart>(link, record);
      case k_message_type<cluster::NamesDrop>.wire_id:
        return hear_of_names<cluster::NamesDrop>(link, record);
      case k_message_type<detail::GroupsState>.wire_id:
        return hear_of_groups<detail::GroupsState>(link, record);
      case k_message_type<detail::GroupsChange>.wire_id:
        return hear_of_groups<detail::GroupsChange>(link, record);
      case k_message_type<cluster::GroupsRequest>.wire_id: groups_.tell_all(link); return true;
      case k_message_type<cluster::SwimMessage>.wire_id:
        return with<cluster::SwimMessage>(record, [&](const auto& message) {
          perform(membership_->on_message(node_name(link->peer), message, now()));
          return true;
        });
      default: return true;
    }
  }

  template <class T>
  bool hear_of_names(const PeerLinkPtr& link, const Record& record) {
    return with<T>(record, [&](const T& news) { return names_.on_message(link->peer, news); });
  }
  template <class T>
  bool hear_of_groups(const PeerLinkPtr& link, const Record& record) {
    return with<T>(record, [&](T& news) { return groups_.hear(link, std::move(news)); });
  }
  /// Returns: false when the record is malformed, or `use` says that what it says is.
  template <class T, class F>
  bool with(const Record& record, F&& use) {
    T message;
    return transport::unpack(record.body, [&](Reader& in) { wire::read(in, message); }) &&
           use(message);
  }

  Node& node_;
  transport::Transport& transport_;
  const ClusterConfig config_;
  std::string address_;
  bool started_ = false;
  std::unique_ptr<Sessions> sessions_;                                            // the loop's
  std::unique_ptr<Membership> membership_;                                        // the loop's
  std::map<std::uint64_t, std::function<void(Result<std::string>)>> connecting_;  // the loop's
  std::uint64_t last_connect_ = 0;                                                // the loop's
  cluster::SeedsFile seeds_file_{config_.seeds_file, config_.port};               // the loop's
  std::optional<cluster::PartitionWatch> partition_;                              // the loop's
  cluster::MemberSubscribers member_subscribers_{node_};                          // the loop's
  std::atomic<Side> side_{Side::majority};
  cluster::NodeMonitors node_monitors_{node_};
  std::vector<std::function<void()>> leaving_;  // who wants to hear of it; the loop's
  Clock::TimePoint leave_by_{};                 // the loop's
  cluster::OnceLog once_;
  cluster::PeerLinks links_;
  cluster::Outgoing outgoing_;
  cluster::SharedNames names_;  // its lock is taken before the links'
  cluster::SharedGroups groups_;
  cluster::Incoming incoming_;
  cluster::SpawnerEnds spawner_ends_{links_};
};

Cluster::Cluster(Node& node, transport::Transport& transport, ClusterConfig config)
    : impl_{std::make_unique<Impl>(node, transport, std::move(config))} {}
Cluster::~Cluster() = default;

Result<std::string> Cluster::start() { return impl_->start(); }
void Cluster::stop() { impl_->stop(); }
Result<void> Cluster::join(const std::string& address) { return impl_->join(address); }
void Cluster::forget_seed(const std::string& address, std::function<void(Result<void>)> done) {
  impl_->forget_seed(address, std::move(done));
}
void Cluster::connect(const std::string& node, std::function<void(Result<std::string>)> done) {
  impl_->connect(node, std::move(done));
}
void Cluster::disconnect(const std::string& node, std::function<void(bool)> done) {
  impl_->disconnect(node, std::move(done));
}
void Cluster::leave(std::function<void()> done) { impl_->leave(std::move(done)); }
void Cluster::members(std::function<void(std::vector<Member>)> use) {
  impl_->members(std::move(use));
}
void Cluster::members_with_role(const std::string& role,
                                std::function<void(std::vector<Member>)> use) {
  impl_->members_with_role(role, std::move(use));
}
void Cluster::monitor_members(const Pid& subscriber, bool on) {
  impl_->monitor_members(subscriber, on);
}
Result<void> Cluster::set_metadata(NodeMetadata metadata) {
  return impl_->set_metadata(std::move(metadata));
}
Side Cluster::side() const noexcept { return impl_->side(); }
std::size_t Cluster::sessions() const { return impl_->sessions(); }
void Cluster::nodes(std::function<void(std::vector<std::string>)> use) {
  impl_->nodes(std::move(use));
}
void Cluster::refused(std::function<void(std::vector<Sessions::RefusedView>)> use) {
  impl_->refused(std::move(use));
}
void Cluster::seeds(std::function<void(std::vector<Sessions::SeedView>)> use) {
  impl_->seeds(std::move(use));
}

}  // namespace grove
