// SPDX-License-Identifier: Apache-2.0
//
// How the transcripts came to be: `record_transcript session`, or another of their names, prints
// one as this build speaks. What is recorded is never recorded anew: a later version is a folder of
// its own, and what version 1 learns is appended by hand, from what this prints then.
#include "grove/core/check.hpp"
#include "grove/node/envelope.hpp"
#include "grove/node/inspect.hpp"
#include "grove/node/sys.hpp"
#include "grove/transport/codec.hpp"

#include "control.hpp"
#include "group_control.hpp"
#include "member_claim.hpp"
#include "name_messages.hpp"
#include "remote_signals.hpp"
#include "send_queue.hpp"
#include "transport/frame_text.hpp"
#include "transport/transcript.hpp"
#include "transport/wire_behaviours.hpp"
#include "transport/wire_messages.hpp"

#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <memory>

namespace grove {
namespace {

using namespace transport;
using namespace testkit;

// -- what batches are made of ---------------------------------------------------------------

Pid ours(std::uint32_t index) { return {intern_node("b", Life{2000}), index, 1}; }
Pid theirs(std::uint32_t index) { return {intern_node("a", Life{1000}), index, 2}; }

Value some_term() {
  return Value::map(
      {{"list", Value::list({Value{}, true, 0, -1, 127, 128, 65536, -32769, 1.5, 1.0})},
       {Value::symbol("tuple"), Value::tuple({Value::symbol("error"), "text\n", Value::tuple({})})},
       {1, Value{Value::Bytes{std::byte{0}, std::byte{0xff}}}},
       {Value{theirs(7)}, Value{Ref{theirs(7).node, 7, 99}}},
       {Value::list({}), Value::map({{Value{Pid{}}, Value{Ref{}}}})}});
}
wire_test::Rich rich() {
  wire_test::Rich rich;
  rich.yes = true;
  rich.small = -128;
  rich.large = 0xffffffffffffffff;
  rich.real = -0.1;
  rich.time = std::chrono::milliseconds{1500};
  rich.text = "\xc3\xa9t\xc3\xa9";
  rich.symbol = {"normal"};
  rich.pid = ours(3);
  rich.ref = {ours(3).node, 3, 0xffffffffffff};
  rich.bytes.assign(300, std::byte{0x5a});
  rich.value = some_term();
  rich.reason = ExitReason::shutdown(Value{"why"});
  rich.maybe = wire_test::Leaf{1, "one"};
  rich.leaves = {{2, "two"}, {}};
  rich.by_name = {{"none", {}}, {"some", {std::nullopt, wire_test::Leaf{3, "three"}}}};
  return rich;
}

void append(Buffer& batch, Envelope envelope, std::uint64_t to, std::string_view name = {}) {
  Record record = cluster::record_of(envelope);
  record.to = to;
  record.name = name;
  const std::size_t at = begin_record(batch, record);
  Bytes tail;
  cluster::write_body(envelope, batch, tail);
  GROVE_CHECK(tail.empty());  // nothing here is as large as that
  finish_record(batch, at);
}
template <class T>
void append_control(Buffer& batch, const T& message) {
  Record record;
  record.kind = cluster::k_control;
  record.type = k_message_type<T>.wire_id;
  const std::size_t at = begin_record(batch, record);
  pack(batch, [&](Writer& out) { wire::write(out, message); });
  finish_record(batch, at);
}

Buffer every_signal() {
  using Kind = SignalKind;
  const std::uint64_t to = local_id(theirs(5));
  const auto message = [](auto value) { return Message::make<decltype(value)>(std::move(value)); };
  const auto exit = [](ExitReason reason, bool of_link) {
    return Message::make<detail::ExitSignal>(std::move(reason), of_link);
  };
  Buffer batch(k_session_header_bytes);
  append(batch, {Kind::info, ours(1), 0, message(rich())}, to);
  append(batch, {Kind::info, ours(1), 0, message(wire_test::Empty{})}, 0, "to_a_name");
  append(batch, {Kind::info, Pid{}, 0, message(std::string(40, 's'))}, to);
  append(batch, {Kind::cast, ours(1), 0, message(std::int64_t{-5})}, to);
  append(batch, {Kind::call, ours(1), 77, message(some_term())}, to);
  append(batch, {Kind::reply, ours(1), 78, message(true)}, to);
  append(batch, {Kind::exit, ours(1), 0, exit(ExitReason::normal(), true)}, to);
  append(batch, {Kind::exit, ours(1), 0, exit(ExitReason::error("type", "what"), false)}, to);
  append(batch, {Kind::down, ours(1), 79, Message::make<detail::DownSignal>(ExitReason::noproc())},
         to);
  append(batch, {Kind::link, ours(1), 0, Message::make<detail::SessionMark>(1U)}, to);
  append(batch, {Kind::unlink, ours(1), 80}, to);
  append(batch, {Kind::unlink_ack, ours(1), 81}, to);
  append(batch, {Kind::monitor, ours(1), 82, Message::make<detail::SessionMark>(1U)}, 0, "a_name");
  append(batch, {Kind::demonitor, ours(1), 83}, to);
  append(batch, {Kind::alias, ours(1), 84, message(3.25)}, to);
  return batch;
}
Buffer every_control() {
  Buffer batch(k_session_header_bytes);
  append_control(batch,
                 wire_test::NamesSnapshot{3, {{"one", ours(1), 1234567}, {"two", ours(2), 8}}});
  append_control(batch, wire_test::NamesDelta{4, {{"three", ours(3), 9}}, {"one", "two"}});
  append_control(batch, wire_test::NamesRequest{});
  append_control(batch, cluster::SwimMessage{
                            cluster::SwimKind::request,
                            7,
                            "d@host",
                            {{"c", 3000, 0, cluster::MemberState::alive, "c:1", ""},
                             {"d@host", 4000, 2, cluster::MemberState::suspect, "[::1]:9", "c"}}});
  return batch;
}
Buffer names_control() {
  using namespace cluster;
  const NameRecord held{"one", NameState::held, 0, 1, 2, 1234567, some_term(), theirs(3)};
  const NameRecord gone{"two", NameState::gone, 0, 0, 0, 0, {}, std::nullopt};
  Buffer batch(k_session_header_bytes);
  append_control(batch, NamesDigest{0xfedcba9876543210, true, {}, 1'700'000'000'000'000});
  append_control(batch, NamesDigest{1, false, {{"b", 2000, 17, 3}, {"c", 3000, 0, 0}}, 0});
  append_control(batch, NamesPull{"c", 3000, 4, false, "middle"});
  append_control(batch, NamesPart{"", 2000, 16, 18, {held, gone}, false, "", "", {}, true});
  append_control(batch, NamesPart{"c", 3000, 4, 4, {}, true, "middle", "", {held}, false});
  append_control(batch, NamesDrop{"one", 1, 2, "c", 3000});
  return batch;
}
Buffer groups_control() {
  using namespace cluster;
  const detail::GroupRow joined{"pg", some_term(), {{1, 2, 1}, {3, 1, 2}}};
  const detail::GroupRow left{"other", "group", {{4, 1, 1}}};
  Buffer batch(k_session_header_bytes);
  append_control(batch, GroupsRequest{});
  append_control(batch, detail::GroupsState{9, true, false, {joined}});
  append_control(batch, detail::GroupsChange{10, {joined}, {left}});
  return batch;
}
Buffer members_control() {
  using namespace cluster;
  const ClaimedMetadata metadata{2, {"worker", "db"}, some_term()};
  Buffer batch(k_session_header_bytes);
  append_control(batch, SwimMessage{SwimKind::view,
                                    8,
                                    "",
                                    {{"b", 2000, 1, MemberState::alive, "b:1", "", metadata},
                                     {"c", 3000, 0, MemberState::dead, "c:1", ""},
                                     {"d", 4000, 0, MemberState::left, "d:1", ""}}});
  return batch;
}
/// What nodes have each other run, and ask about what runs there.
Buffer remote_signals() {
  using Kind = SignalKind;
  using grove::detail::SpawnTerms;
  using Mark = grove::detail::SpawnMark;
  using Action = grove::detail::SysRequest::Action;
  const std::uint64_t to = local_id(theirs(5));
  const auto message = [](auto value) { return Message::make<decltype(value)>(std::move(value)); };
  const auto down = [](ExitReason reason) {
    return Message::make<grove::detail::DownSignal>(std::move(reason));
  };
  Buffer batch(k_session_header_bytes);
  const auto spawn = [&batch](std::uint64_t serial, grove::detail::Order order) {
    append(batch, {Kind::spawn, ours(1), serial, std::move(order.message)}, 0);
  };
  const SpawnTerms process{.link = true, .monitor = true, .label = "tracker"};
  spawn(90, grove::detail::order_of<wire_test::track>(process, "txn-1", 3));
  spawn(0, grove::detail::order_of<wire_test::track>(SpawnTerms{}, "nobody waits", -1));
  const SpawnTerms server{.purpose = SpawnTerms::Purpose::server,
                          .trap_exit = true,
                          .priority = Priority::high,
                          .mailbox_messages = 100,
                          .mailbox_policy = MailboxPolicy::fail,
                          .name = Value::tuple({Value::symbol("global"), "counter"}),
                          .hibernate_after = std::chrono::milliseconds{1500}};
  spawn(91, grove::detail::order_of<wire_test::Counter>(server, 5));
  const SpawnTerms call{.purpose = SpawnTerms::Purpose::call};
  spawn(92, grove::detail::order_of<wire_test::add>(call, 2, -3));
  constexpr std::uint8_t tied = Mark::k_link | Mark::k_watched;
  append(batch, {Kind::spawned, ours(2), 90, Message::make<Mark>(tied)}, to);
  append(batch, {Kind::spawned, ours(3), 91, Message::make<Mark>(Mark::k_unwanted)}, to);
  append(batch, {Kind::reply, ours(3), 91, message(grove::detail::StartAck{{}, ours(3)})}, to);
  using Sum = grove::detail::CallAnswer<wire_test::add>;
  append(batch, {Kind::reply, ours(4), 92, message(Sum{.value = -1})}, to);
  append(batch,
         {Kind::reply, ours(4), 93,
          message(Sum{grove::detail::CallEnd::exception, ExitReason::error("type", "what")})},
         to);
  append(batch, {Kind::down, Pid{}, 94, down(ExitReason::symbol("system_limit"))}, to);
  append(batch, {Kind::inspect, ours(1), 95, message(grove::detail::AliveRequest{})}, to);
  append(batch, {Kind::inspect, ours(1), 96, message(grove::detail::InfoRequest{})}, to);
  append(batch, {Kind::reply, ours(2), 95, message(grove::detail::Ok{})}, to);
  ProcessInfo info;
  info.pid = ours(2);
  info.name = "tracker";
  info.parent = theirs(5);
  info.ancestors = {theirs(5)};
  info.status = "waiting";
  info.handling_since = std::chrono::milliseconds{20};
  info.reductions = 1234;
  info.monitors = {theirs(5)};
  info.monitor_names = {"a_name"};
  append(batch, {Kind::reply, ours(2), 96, message(std::move(info))}, to);
  const auto asks = [&](Action action) { return message(grove::detail::SysRequest{action}); };
  append(batch, {Kind::system, ours(1), 97, asks(Action::show_state)}, to);
  append(batch, {Kind::system, ours(1), 98, asks(Action::suspend)}, to);
  append(batch, {Kind::system, ours(1), 99, asks(Action::resume)}, 0, "a_name");
  return batch;
}

// -- what is large ---------------------------------------------------------------------------

/// A batch, and the part that its last record ends with.
struct Parts {
  Buffer batch = Buffer(k_session_header_bytes);
  Buffer tail = {};
};
/// A piece of `whole`, of which `tail_bytes` are the second part.
void append_piece(Parts& parts, std::uint64_t stream, const Buffer& whole, std::size_t from,
                  std::size_t to, std::size_t tail_bytes = 0) {
  Record piece;
  piece.kind = cluster::k_fragment;
  piece.serial = stream;
  if (from == 0) piece.type = whole.size();
  if (to == whole.size()) piece.flags = cluster::k_flag_last_piece;
  const std::size_t at = begin_record(parts.batch, piece);
  const auto place = [&whole](std::size_t offset) {
    return whole.begin() + static_cast<std::ptrdiff_t>(offset);
  };
  parts.batch.insert(parts.batch.end(), place(from), place(to - tail_bytes));
  parts.tail.assign(place(to - tail_bytes), place(to));
  finish_record(parts.batch, at, tail_bytes);
}
/// Shorter ones than this build would cut, or give a part of its own.
std::vector<Parts> large_records() {
  const std::uint64_t to = local_id(theirs(5));
  const auto message = [](auto value) { return Message::make<decltype(value)>(std::move(value)); };
  Buffer first;  // a message of process 1
  append(first, {SignalKind::cast, ours(1), 0, message(std::string(100, 's'))}, to);
  Buffer second;  // what the node says
  append_control(second, cluster::NamesPull{"c", 3000, 4, false, std::string(60, 'n')});
  std::vector<Parts> all(4);
  append_piece(all[0], 1, first, 0, 50);
  append_piece(all[0], 2, second, 0, 70);
  append(all[1].batch, {SignalKind::info, ours(2), 0, message(std::int64_t{-5})}, to);
  append_piece(all[1], 1, first, 50, 100, 40);
  append_piece(all[2], 1, first, 100, first.size());
  append_piece(all[2], 2, second, 70, second.size());

  Record picture;
  picture.kind = static_cast<std::uint8_t>(SignalKind::info);
  picture.from = local_id(ours(1));
  picture.to = to;
  picture.type = k_message_type<wire_test::Picture>.wire_id;
  const Buffer body = hex("92 a7 74 68 65 20 73 65 61 c6 00 00 00 08");  // ["the sea", bin 32
  all[3].tail = hex("00 11 22 33 44 55 66 77");
  append(all[3].batch, {SignalKind::cast, ours(1), 0, message(std::int64_t{5})}, to);
  const std::size_t at = begin_record(all[3].batch, picture);
  all[3].batch.insert(all[3].batch.end(), body.begin(), body.end());
  finish_record(all[3].batch, at, all[3].tail.size());
  return all;
}
/// What a later release may send: an unknown type, a longer message, an unknown control message.
Buffer of_a_later_release() {
  const auto body = hex("93 05 a4 6d 6f 72 65 c0");  // [5, "more", nil]
  Buffer batch(k_session_header_bytes);
  for (const auto& [kind, type] :
       {std::pair{1, wire_id_of("wire_test.unknown")}, std::pair{1, wire_id_of("wire_test.leaf")},
        std::pair{64, wire_id_of("grove.unknown")}}) {
    Record record;
    record.kind = static_cast<std::uint8_t>(kind);
    record.to = local_id(theirs(5));
    record.type = type;
    const std::size_t at = begin_record(batch, record);
    batch.insert(batch.end(), body.begin(), body.end());
    finish_record(batch, at);
  }
  return batch;
}

// -- nodes that talk ------------------------------------------------------------------------

class Recorder {
 public:
  ~Recorder() {
    for (const auto& side : sides_) std::printf("%s\n", side->log.str().c_str());
  }
  void add(const std::string& words) {
    sides_.push_back(std::make_unique<Side>(words));
    sides_.back()->log << "node " << words << '\n';
  }
  void remark(std::size_t side, const std::string& text) {
    sides_[side]->log << "# " << text << '\n';
  }
  std::vector<Step> happens(std::size_t side, const std::string& event, const Buffer& frame = {}) {
    return happens(*sides_[side], {event, frame});
  }
  void pump() {
    for (; !events_.empty(); events_.pop_front()) events_.front()();
  }
  /// Sends a batch in the session that `side` is in; with a `tail` it has two parts.
  void send(std::size_t side, Buffer batch, const Buffer& tail = {}) {
    Side& from = *sides_[side];
    ++from.up.header.sequence;
    encode(FrameKind::batch, from.up.header, batch);
    const auto& [to, route] = links_.at({&from, from.up.link});
    happens(*to, {(tail.empty() ? "frame " : "parts ") + route, batch, tail});
  }

 private:
  struct Side {
    explicit Side(const std::string& words) : node{words} {
      std::istringstream{words} >> address >> address >> address;  // the third of them
    }
    TranscriptNode node;
    std::string address;
    std::ostringstream log;
    Sessions::Up up{};
  };

  static void write(Side& side, const char* mark, const Step& step) {
    side.log << mark << step.words;
    if (!step.frame.empty()) side.log << ' ' << hex_word(step.frame);
    if (!step.tail.empty()) side.log << ' ' << hex_word(step.tail);
    side.log << '\n';
    if (step.frame.empty()) return;
    std::istringstream meaning{meaning_of(step.frame, step.tail)};
    for (std::string line; std::getline(meaning, line);) side.log << "= " << line << '\n';
  }
  std::vector<Step> happens(Side& side, const Step& event) {
    write(side, "> ", event);
    const Sessions::Actions actions = side.node.hear(event);
    std::vector<Step> steps = steps_of(actions);
    for (const Step& step : steps) write(side, "< ", step);
    for (const auto& action : actions) act(side, action);
    return steps;
  }
  void act(Side& side, const Sessions::Action& action) {
    if (const auto* dial = std::get_if<Sessions::Dial>(&action)) {
      for (const auto& other : sides_) {
        if (other->address != dial->address) continue;
        links_[{&side, dial->link}] = {other.get(), "r" + std::to_string(links_.size() + 1)};
        later(side, "link-up " + std::to_string(dial->link), {});
      }
    } else if (const auto* send = std::get_if<Sessions::Send>(&action)) {
      const auto link = links_.find({&side, send->link});
      if (link != links_.end()) {
        later(*link->second.first, "frame " + link->second.second, send->frame);
      }
    } else if (const auto* answer = std::get_if<Sessions::Answer>(&action)) {
      for (const auto& [link, place] : links_) {
        if (place != std::pair{&side, answer->route}) continue;
        later(*link.first, "answer " + std::to_string(link.second), answer->frame);
      }
    } else if (const auto* up = std::get_if<Sessions::Up>(&action)) {
      side.up = *up;
    }
  }
  void later(Side& side, std::string event, Buffer frame) {
    events_.push_back([this, &side, event = std::move(event), frame = std::move(frame)] {
      happens(side, {event, frame});
    });
  }

  std::vector<std::unique_ptr<Side>> sides_;
  std::map<std::pair<Side*, LinkId>, std::pair<Side*, Route>> links_;
  std::deque<std::function<void()>> events_;
};

constexpr const char* k_a = "a 1000 a:1 grove secret 1 1";
constexpr const char* k_b = "b 2000 b:1 grove secret 1 1";

void record_session() {
  {
    Recorder both;
    both.add(k_a);
    both.add(k_b);
    both.remark(0, "b dials a; a dials back once b has proved the cookie.");
    both.remark(1, "The same, as b sees it.");
    both.happens(1, "resolved a:1");
    both.pump();
    both.happens(0, "tick 600");
    both.happens(1, "tick 600");
    both.pump();
    both.send(1, every_signal());
    both.send(1, every_control());
    both.send(1, of_a_later_release());
    both.send(0, every_signal());
    both.happens(1, "end a 1000");
    both.pump();
  }
  Recorder both;
  both.add(k_a);
  both.add(k_b);
  both.remark(0, "Both dial at once.");
  both.happens(0, "resolved b:1");
  both.happens(1, "resolved a:1");
  both.pump();
  both.happens(0, "stop");
  both.pump();
}

/// `a`, and `b`, which dials it.
void meet(Recorder& both, const char* remark, const char* b) {
  both.add(k_a);
  both.add(b);
  both.remark(0, remark);
  both.happens(1, "resolved a:1");
  both.pump();
}

void record_control() {
  Recorder both;
  meet(both, "What nodes tell each other of names, groups and members.", k_b);
  for (const std::size_t side : {1U, 0U}) {
    for (const Buffer& batch : {names_control(), groups_control(), members_control()}) {
      both.send(side, batch);
    }
  }
}

void record_remote() {
  Recorder both;
  meet(both, "What nodes have each other run, and what is large.", k_b);
  for (const std::size_t side : {1U, 0U}) {
    both.send(side, remote_signals());
    for (const Parts& parts : large_records()) both.send(side, parts.batch, parts.tail);
  }
}

/// What a peer that is played says to `a`. Returns: the WELCOME's signed part.
Buffer greet(Recorder& a, const std::string& route, const Buffer& hello) {
  const std::vector<Step> steps = a.happens(0, "frame " + route, hello);
  const auto welcome = parse_welcome(steps.at(0).frame);
  if (!welcome) return {};
  return {welcome->signed_part.begin(), welcome->signed_part.end()};
}
Hello hello_of(const std::string& name, std::uint64_t life) {
  Hello hello;
  hello.life = Life{life};
  hello.epoch = 5;
  hello.nonce = counting_nonces(life)();
  hello.cluster = "grove";
  hello.name = name;
  hello.address = name + ":1";
  hello.local = "host-id /run/grove/b.ipc";
  return hello;
}

void record_refusals() {
  const auto between = [](const char* remark, const char* b) {
    Recorder both;
    meet(both, remark, b);
  };
  between("No common version.", "b 2000 b:1 grove secret 2 3");
  between("Another cluster.", "b 2000 b:1 other secret 1 1");
  between("Another cookie: the dialler sees it first.", "b 2000 b:1 grove wrong 1 1");
  const Cookie cookie{"secret"};
  Recorder a;
  a.add(k_a);
  a.remark(0, "A wrong proof.");
  (void)greet(a, "r1", encode(hello_of("b", 2000)));
  a.happens(0, "frame r1", encode_auth(Proof{}));
  a.remark(0, "A name in use.");
  const Buffer ours_too = encode(hello_of("a", 1001));
  a.happens(0, "frame r2", encode_auth(cookie.prove("auth", ours_too, greet(a, "r2", ours_too))));
  a.remark(0, "A HELLO that is longer than version 1 had it, and its proof.");
  Buffer longer = encode(hello_of("b", 2000));
  longer.resize(longer.size() + 20, std::byte{0xee});
  a.happens(0, "frame r3", encode_auth(cookie.prove("auth", longer, greet(a, "r3", longer))));
  a.remark(0, "A WELCOME that is longer.");
  const Buffer said = a.happens(0, "link-up 1").at(0).frame;
  Welcome welcome;
  welcome.features = 0x8000000000000001;
  welcome.life = Life{2000};
  welcome.name = "b";
  welcome.address = "b:1";
  Buffer answer = encode(welcome);
  answer.resize(answer.size() + 20, std::byte{0xee});
  const Proof proof = cookie.prove("welcome", said, answer);
  answer.insert(answer.end(), proof.begin(), proof.end());
  a.happens(0, "answer 1", answer);
  a.happens(0, "answer 1", encode_empty(FrameKind::accept));
  a.remark(0, "A life older than one that was seen.");
  const Buffer older = encode(hello_of("b", 1999));
  a.happens(0, "frame r4", encode_auth(cookie.prove("auth", older, greet(a, "r4", older))));
  a.remark(0, "Handshakes of another layout, and of none.");
  a.happens(0, "frame r5", hex("47 56 02 01 ff ff ff ff"));
  a.happens(0, "frame r6", hex("47 56 01 01 01 01"));
  a.remark(0, "A batch of a session that nobody knows.");
  Buffer stranger(k_session_header_bytes);
  encode(FrameKind::batch, {Life{1}, Life{1000}, 1, 1, 1}, stranger);
  a.happens(0, "frame r7", stranger);
}

}  // namespace
}  // namespace grove

int main(int argc, char** argv) {
  const std::string what = argc == 2 ? argv[1] : "";
  if (what == "session") {
    grove::record_session();
  } else if (what == "refusals") {
    grove::record_refusals();
  } else if (what == "control") {
    grove::record_control();
  } else if (what == "remote") {
    grove::record_remote();
  } else {
    std::fputs("usage: record_transcript session|refusals|control|remote\n", stderr);
    return 64;
  }
  return 0;
}
