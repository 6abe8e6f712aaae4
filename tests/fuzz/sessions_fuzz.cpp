// SPDX-License-Identifier: Apache-2.0
//
// The peers that the bytes play know the cookie, or nothing would get past the handshake: they may
// prove themselves rightly, and say anything before, after and instead.
#include "grove/transport/sessions.hpp"

#include "grove/core/check.hpp"

#include "targets.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>

namespace grove::fuzz {
namespace {

using namespace transport;
using Actions = Sessions::Actions;

constexpr Life k_our_life{1000};

Buffer copy(Input bytes) { return {bytes.begin(), bytes.end()}; }
Buffer with_proof(Buffer frame, const Proof& proof) {
  frame.insert(frame.end(), proof.begin(), proof.end());
  return frame;
}

class Play {
 public:
  explicit Play(Input script) : script_{script} {}

  void run() {
    while (!script_.empty()) step();
    perform(us_.stop(now_));
    GROVE_CHECK(up_.empty());  // nobody waits for a session that nobody ended
    for (const auto& peer : us_.peers()) GROVE_CHECK(!peer.up);
  }

 private:
  // -- what the script says --------------------------------------------------------------------

  std::uint8_t byte() {
    if (script_.empty()) return 0;
    const auto value = std::to_integer<std::uint8_t>(script_.front());
    script_ = script_.subspan(1);
    return value;
  }
  Buffer chunk() {
    const std::size_t wanted = byte();
    const std::size_t size = std::min(wanted, script_.size());
    const Input front = script_.first(size);
    script_ = script_.subspan(size);
    return copy(front);
  }
  std::string name() { return std::string{"b"} + static_cast<char>('a' + byte() % 3); }

  void step() {
    const std::uint8_t what = byte() % 16;
    const LinkId link = 1 + byte() % 8;  // each event takes what it needs of these
    const Route route = std::string{"r"} + static_cast<char>('0' + byte() % 6);
    switch (what) {
      case 0: hear(route, chunk()); break;
      case 1: answer(link, chunk()); break;
      case 2: hello(route); break;
      case 3: auth(route); break;
      case 4: welcome(link); break;
      case 5: answer(link, encode_empty(FrameKind::accept)); break;
      case 6: answer(link, encode_empty(FrameKind::bye)); break;
      case 7: hear(route, encode(RefuseFrame{Refusal{byte()}, "them"})); break;
      case 8: answer(link, encode(RefuseFrame{Refusal{byte()}, "them"})); break;
      case 9: session_frame(route); break;
      case 10: tick(); break;
      case 11: link_up(link); break;
      case 12: perform(us_.on_link_down(link, "lost", now_)); break;
      case 13: resolved(); break;
      case 14: told_of(name()); break;
      default: rarely(); break;
    }
  }
  /// As a transport says it: once, of a link that was dialled.
  void link_up(LinkId link) {
    if (connecting_.erase(link) == 1) perform(us_.on_link_up(link, now_));
  }
  /// The answers come in no order.
  void resolved() {
    if (asked_.empty()) return;
    const auto one = std::next(asked_.begin(), static_cast<std::ptrdiff_t>(byte() % asked_.size()));
    const std::string address = *one;
    asked_.erase(one);
    perform(us_.on_resolved(address, {name() + ":1", address}, now_));
  }
  void told_of(const std::string& name) {
    perform(us_.add_peer(name, Life{byte()}, name + ":1", now_));
  }
  void rarely() {
    switch (byte() % 8) {
      case 0: us_.mark_left(name()); break;
      case 1: perform(us_.leave()); break;
      case 2: perform(us_.add_seed(name() + ":1", now_)); break;
      default:
        if (!up_.empty()) perform(us_.end(up_.begin()->first, "we end it", now_));
    }
  }
  void tick() {
    now_ += std::chrono::milliseconds{byte() * 40};
    perform(us_.on_tick(now_));
    GROVE_CHECK(us_.next_tick() > now_);
  }
  void hello(const Route& from) {
    Hello hello;
    hello.versions.max = static_cast<std::uint8_t>(1 + byte() % 2);
    hello.life = Life{byte()};
    hello.epoch = byte();
    hello.cluster = "grove";
    hello.name = name();
    hello.address = hello.name + ":1";
    Buffer bytes = encode(hello);
    const Buffer more = chunk();
    bytes.insert(bytes.end(), more.begin(), more.end());
    said_[from] = {bytes, {}};
    hear(from, std::move(bytes));
  }
  void auth(const Route& from) {
    const auto& [hello, welcome] = said_[from];
    hear(from, encode_auth(cookie_.prove("auth", hello, welcome)));
  }
  void welcome(LinkId to) {
    Welcome welcome;
    welcome.version = byte() % 4;
    welcome.life = Life{byte()};
    welcome.name = byte() % 16 == 0 ? "us" : name();
    welcome.address = welcome.name + ":1";
    Buffer bytes = encode(welcome);
    const Buffer more = chunk();
    bytes.insert(bytes.end(), more.begin(), more.end());
    answer(to, with_proof(bytes, cookie_.prove("welcome", hello_of_[to], bytes)));
  }
  /// Of a session that is up, rightly addressed, its next one or not.
  void session_frame(const Route& from) {
    if (up_.empty()) return;
    auto& [peer, session_and_header] = *std::next(up_.begin(), byte() % up_.size());
    SessionHeader& header = session_and_header.second;
    SessionHeader theirs = header;
    std::swap(theirs.from_life, theirs.to_life);
    std::swap(theirs.from_epoch, theirs.to_epoch);
    const std::uint8_t how = byte();
    theirs.sequence = how < 200 ? ++header.sequence : how;
    Buffer frame(k_session_header_bytes);
    encode(how % 4 == 0 ? FrameKind::heartbeat : FrameKind::batch, theirs, frame);
    hear(how % 8 == 1 ? from : proved_[node_name(peer)], std::move(frame));
  }

  void hear(const Route& from, Buffer frame) {
    perform(us_.on_frame(from, Frame::own(std::move(frame)), now_));
  }
  void answer(LinkId to, Buffer frame) {
    perform(us_.on_answer(to, Frame::own(std::move(frame)), now_));
  }

  // -- what must hold --------------------------------------------------------------------------

  void perform(const Actions& actions) {
    for (const auto& action : actions) {
      std::visit([this](const auto& one) { check(one); }, action);
    }
  }
  void check(const Sessions::Dial& dial) {
    GROVE_CHECK(open_.insert(dial.link).second);
    connecting_.insert(dial.link);
  }
  void check(const Sessions::HangUp& hang_up) {
    GROVE_CHECK(open_.erase(hang_up.link) == 1);
    connecting_.erase(hang_up.link);
  }
  void check(const Sessions::Send& send) {
    GROVE_CHECK(open_.contains(send.link));
    const auto kind = kind_of(send.frame);
    GROVE_CHECK(kind.has_value());
    if (kind == FrameKind::hello) hello_of_[send.link] = send.frame;
  }
  void check(const Sessions::Answer& answer) {
    const auto kind = kind_of(answer.frame);
    GROVE_CHECK(kind.has_value());
    if (kind == FrameKind::accept) {
      proved_[parse_hello(said_.at(answer.route).first)->name] = answer.route;
    }
    if (kind != FrameKind::welcome) return;
    const auto welcome = parse_welcome(answer.frame);
    GROVE_CHECK(welcome.has_value());
    said_[answer.route].second = copy(welcome->signed_part);
  }
  void check(const Sessions::Up& up) {
    GROVE_CHECK(up.session > last_session_);
    GROVE_CHECK(open_.contains(up.link));
    GROVE_CHECK(up.header.version == 1 || up.header.version == 2);
    last_session_ = up.session;
    GROVE_CHECK(up_.emplace(up.peer, std::pair{up.session, up.header}).second);
  }
  void check(const Sessions::Down& down) {
    GROVE_CHECK(up_.at(down.peer).first == down.session);
    up_.erase(down.peer);
  }
  void check(const Sessions::Deliver& deliver) {
    GROVE_CHECK(up_.at(deliver.peer).first == deliver.session);
  }
  /// A stranger's words reach our log: they must not break its lines.
  void check(const Sessions::Acknowledged& acknowledged) {
    GROVE_CHECK(up_.contains(acknowledged.peer));
  }
  void check(const Sessions::Say& say) {
    GROVE_CHECK(std::ranges::none_of(
        say.text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }));
  }
  void check(const Sessions::Resolve& resolve) { asked_.insert(resolve.address); }
  void check(const Sessions::Count&) {}

  Input script_;
  Clock::TimePoint now_{std::chrono::seconds{1000}};
  Cookie cookie_{"secret"};
  Sessions us_{{.name = "us",
                .life = k_our_life,
                .cluster = "grove",
                .address = "us:1",
                .local = "m:/run/us",
                .machine = "m",
                .seeds = {"seed:1"},
                .cookie = cookie_,
                .versions = {1, 2},
                .times = {},
                .random_seed = 1,
                .nonce = [next = std::uint8_t{0}]() mutable { return Nonce{std::byte{++next}}; }}};
  std::set<std::string> asked_;                      // names to look up
  std::set<LinkId> open_;                            // dialled and not hung up
  std::set<LinkId> connecting_;                      // of these, whose end has not answered
  std::map<LinkId, Buffer> hello_of_;                // what we said there
  std::map<Route, std::pair<Buffer, Buffer>> said_;  // HELLO, and our WELCOME without its proof
  std::map<std::string, Route> proved_;              // where a node proved itself last
  std::map<NodeId, std::pair<std::uint64_t, SessionHeader>> up_;
  std::uint64_t last_session_ = 0;
};

}  // namespace

void sessions(Input bytes) { Play{bytes}.run(); }

}  // namespace grove::fuzz
