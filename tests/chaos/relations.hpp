// SPDX-License-Identifier: Apache-2.0
//
// Targets, and weavers that link to them, monitor them and start guests beside them.
#pragma once

#include "worker.hpp"

#include <chrono>
#include <cstddef>
#include <iterator>
#include <map>
#include <set>
#include <string>

namespace chaos {

struct Echo {
  std::string id;
  grove::Pid by;
};
/// A target answers it, or, when it is silent, never.
struct Ask {
  using Reply = Echo;
  std::string id;
  bool silent = false;
};

/// Is linked to, monitored and called from other nodes; ends now and then, and for good in the
/// drain. Found by the names target-NODE-N.
class Target : public Worker {
 public:
  using Handles = grove::Handles<Ask, Tick>;
  Target() : Worker{std::chrono::milliseconds{200}} {
    context().trap_exit(true);
    note("start", {{"what", "target"}});
  }

  std::optional<Echo> handle_call(Ask ask) {
    if (ask.silent) return std::nullopt;
    return Echo{ask.id, self()};
  }
  void handle_info(Tick) {
    if (phase() == Phase::drain) {
      end("shutdown");
    } else if (phase() == Phase::faults && chance_once_in(std::chrono::seconds{15})) {
      end("tired");
    } else {
      tick_again();
    }
  }
  void handle_info(const grove::Exit& exit) {
    note("exit", {{"from", to_string(exit.from)}, {"reason", to_string(exit.reason)}});
  }
};

/// A process that a weaver has started on another node, and that must not outlive it.
inline grove::Task<> guest(grove::Context& context) {
  context.set_label("guest");
  history().write(context, "start", {{"what", "guest"}});
  co_await context.receive<Tick>();  // which nobody sends
}

}  // namespace chaos

GROVE_MESSAGE(chaos::Echo, "chaos.echo", id, by)
GROVE_MESSAGE(chaos::Ask, "chaos.ask", id, silent)
GROVE_REMOTE(chaos::guest, "chaos.guest")

namespace chaos {

class Weaver : public Worker {
 public:
  using Handles = grove::Handles<Tick, grove::SpawnReply>;
  Weaver() : Worker{std::chrono::milliseconds{50}} {
    context().trap_exit(true);
    note("start", {{"what", "weaver"}});
  }

  void handle_info(Tick) {
    if (phase() == Phase::faults) {
      if (chance_once_in(std::chrono::seconds{25})) return end("tired");
      weave();
    } else if (phase() == Phase::drain) {
      for (const grove::Pid& one : guests_) context().exit(one, grove::ExitReason::shutdown());
    }
    tick_again();
  }
  void handle_info(const grove::Down& down) {
    note("down", {{"ref", to_string(down.ref)},
                  {"pid", to_string(down.pid)},
                  {"reason", to_string(down.reason)}});
    monitors_.erase(down.ref);
  }
  void handle_info(const grove::Exit& exit) {
    note("exit", {{"from", to_string(exit.from)}, {"reason", to_string(exit.reason)}});
    links_.erase(exit.from);
    guests_.erase(exit.from);
  }
  void handle_info(const grove::SpawnReply& reply) {
    --requests_;
    if (!reply.pid) return note("no_guest", {{"reason", to_string(reply.reason)}});
    note("link", {{"pid", to_string(reply.pid)}});
    guests_.insert(reply.pid);
  }

 private:
  static constexpr std::size_t k_monitors_max = 12;
  static constexpr std::size_t k_links_max = 8;
  static constexpr std::size_t k_guests_max = 3;

  void weave() {
    const auto target = pick_elsewhere("target-");
    if (!target) return;
    switch (random().below(8)) {
      case 0:
      case 1:
      case 2:
        if (monitors_.size() < k_monitors_max) monitor(*target);
        break;
      case 3:
      case 4:
        if (links_.size() < k_links_max && !unlinked_.contains(*target)) link(*target);
        break;
      case 5:
        if (monitors_.size() > k_monitors_max / 2) demonitor();
        break;
      case 6:
        if (links_.size() > k_links_max / 2) unlink();
        break;
      default:
        if (guests_.size() + requests_ < k_guests_max) {
          ++requests_;
          spawn_request_on<guest>(context(), node_name(target->node), {.link = true});
        }
        break;
    }
  }
  void monitor(const grove::Pid& target) {
    const grove::Ref ref = context().monitor(target);
    note("monitor", {{"ref", to_string(ref)}, {"pid", to_string(target)}});
    monitors_.insert(ref);
  }
  void demonitor() {
    const grove::Ref ref = *std::next(monitors_.begin(), pick(monitors_.size()));
    context().demonitor(ref, grove::Flush::yes);
    note("demonitor", {{"ref", to_string(ref)}});
    monitors_.erase(ref);
  }
  void link(const grove::Pid& target) {
    if (!links_.insert(target).second) return;
    note("link", {{"pid", to_string(target)}});
    context().link(target);
  }
  /// An EXIT may be in the mailbox already: the same target is not linked to any more.
  void unlink() {
    const grove::Pid target = *std::next(links_.begin(), pick(links_.size()));
    context().unlink(target);
    note("unlink", {{"pid", to_string(target)}});
    links_.erase(target);
    unlinked_.insert(target);
  }
  std::ptrdiff_t pick(std::size_t count) {
    return static_cast<std::ptrdiff_t>(random().below(count));
  }

  std::set<grove::Ref> monitors_;
  std::set<grove::Pid> links_;
  std::set<grove::Pid> unlinked_;
  std::set<grove::Pid> guests_;
  std::size_t requests_ = 0;  // for guests, not answered yet
};

/// Calls targets; some calls end by their timeout only, and those without one by the target's end.
class Caller : public Worker {
 public:
  using Handles = grove::Handles<Tick>;
  Caller() : Worker{std::chrono::milliseconds{50}} { note("start", {{"what", "caller"}}); }

  grove::Task<> handle_info(Tick) {
    const auto target = pick_elsewhere("target-");
    if (phase() == Phase::faults && target) {
      const Ask ask{to_string(self()) + '/' + std::to_string(++calls_), random().percent(10)};
      const bool forever = random().percent(30);
      note("call", {{"id", ask.id}, {"pid", to_string(*target)}, {"forever", forever ? "1" : "0"}});
      grove::Timeout timeout;
      if (!forever) timeout = std::chrono::seconds{2};
      std::string how;
      try {
        const Echo echo = co_await context().call_for<Ask>(timeout, *target, ask);
        how = "reply " + echo.id + ' ' + to_string(echo.by);
      } catch (const grove::ProcessExit& failure) {
        how = "exit " + to_string(failure.reason());
      }
      note("return", {{"id", ask.id}, {"how", how}});
    }
    tick_again();
  }

 private:
  std::uint64_t calls_ = 0;
};

}  // namespace chaos
