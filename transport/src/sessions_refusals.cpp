// SPDX-License-Identifier: Apache-2.0
//
// The refusals of Sessions: who does not come in, why, and how both sides get to know.
#include "grove/transport/sessions.hpp"

#include <algorithm>
#include <utility>

namespace grove::transport {
namespace {

constexpr std::size_t k_refused_max = 64;

/// What to do about it.
std::string_view advice(Refusal reason) {
  switch (reason) {
    case Refusal::version: return "upgrade the older one";
    case Refusal::cluster: return "give both the same --cluster";
    case Refusal::cookie: return "set the same GROVE_COOKIE on both nodes";
    case Refusal::older_life: return "another node has its name, or its clock was set back";
    case Refusal::name_in_use: return "give one of them another --name";
    case Refusal::malformed: return "it speaks no version of Grove's protocol";
  }
  return "it is of a later release";
}

}  // namespace

std::string Sessions::explain(Refusal reason) {
  return std::string{to_string(reason)} + " (" + std::string{advice(reason)} + ')';
}

void Sessions::note_refusal(RefusedView refused) {
  act(Count{Count::What::refused});
  const std::string who = (refused.name.empty() ? "a stranger" : refused.name) +
                          (refused.address.empty() ? "" : " at " + refused.address);
  warn_once(
      refused.by_us ? "refused " + who + ": " + refused.why : who + " refused us: " + refused.why,
      refused.last);
  const auto known = std::find_if(refused_.begin(), refused_.end(), [&](const RefusedView& one) {
    return one.name == refused.name && one.address == refused.address &&
           one.by_us == refused.by_us && one.why == refused.why;
  });
  if (known != refused_.end()) {
    refused.times = known->times;
    refused_.erase(known);
  } else if (refused_.size() == k_refused_max) {
    refused_.erase(refused_.begin());
  }
  ++refused.times;
  refused_.push_back(std::move(refused));
}

void Sessions::refuse(const Route& route, Refusal reason, const Hello& hello,
                      Clock::TimePoint now) {
  note_refusal({hello.name, hello.address, true, explain(reason), 0, now});
  act(Answer{route, encode(RefuseFrame{reason, config_.name})});
  inbound_.erase(route);
}

void Sessions::refuse(LinkId link, Refusal reason, const std::string& name, Clock::TimePoint now) {
  const std::string why = explain(reason);
  note_refusal({name, outbound_.at(link).address, true, why, 0, now});
  act(Send{link, encode(RefuseFrame{reason, config_.name})});
  drop_link(link, why, now, true);
}

void Sessions::on_refuse(LinkId link, Outbound& out, const Frame& frame, Clock::TimePoint now) {
  const auto refuse = parse_refuse(frame.bytes);
  const std::string why = refuse ? explain(refuse->reason) : "malformed refusal";
  const bool named = refuse && is_node_name(refuse->text);
  note_refusal({named ? refuse->text : "", out.address, false, why, 0, now});
  drop_link(link, why, now, true);
}

void Sessions::on_refuse(const Route& route, const Frame& frame, Clock::TimePoint now) {
  const auto place = inbound_.find(route);
  if (place == inbound_.end() || place->second.proved) return;
  const auto refuse = parse_refuse(frame.bytes);
  const Hello& hello = place->second.hello;
  note_refusal({hello.name, hello.address, false,
                refuse ? explain(refuse->reason) : "malformed refusal", 0, now});
  inbound_.erase(place);
}

Sessions::Actions Sessions::on_handshake_failed(bool by_us, const std::string& address,
                                                const std::string& why, Clock::TimePoint now) {
  note_refusal({"", address, by_us, why, 0, now});
  return take();
}

std::vector<Sessions::RefusedView> Sessions::refused() const { return refused_; }

}  // namespace grove::transport
