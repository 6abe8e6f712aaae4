// SPDX-License-Identifier: Apache-2.0
#include "dist_node.hpp"

#include "grove/transport/zmq_transport.hpp"

#include "channel.hpp"
#include "node_agent.hpp"
#include "support/counting_scheduler.hpp"

#include <chrono>
#include <csignal>
#include <future>
#include <iostream>
#include <memory>
#include <optional>
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <utility>

namespace grove::oracle {
namespace {

constexpr const char* k_echo = "oracle_echo";
constexpr int k_looks = 20'000;  // a millisecond apart: SPEC.md, section 3

struct Ping {};

}  // namespace
}  // namespace grove::oracle

GROVE_MESSAGE(grove::oracle::Ping, "oracle.ping")

namespace grove::oracle {
namespace {

/// Answers those who flush. Of a priority that the scheduler does not count.
class Echo final : public Handler {
 public:
  void handle(Context& context, Envelope& envelope) override {
    if (envelope.message.is<Ping>()) context.reply(From{envelope.from, envelope.serial});
  }
};

Task<> flush(Context& context, std::vector<std::string> nodes,
             std::shared_ptr<std::promise<void>> done) {
  for (const std::string& node : nodes) {
    try {
      const ServerRef echo{RemoteName{k_echo, node}};
      co_await context.call_for<Ping>(std::nullopt, echo);
    } catch (const ProcessExit&) {
      // The connection is no more: nothing is on its way there.
    }
  }
  done->set_value();
}

bool wait_until(const std::function<bool()>& done) {
  for (int look = 0; look < k_looks; ++look) {
    if (done()) return true;
    poll(nullptr, 0, 1);
  }
  return false;
}

class DistNode {
 public:
  DistNode(const std::string& name, unsigned threads)
      : clock_{make_system_clock()},
        scheduler_{make_thread_scheduler(threads), Priority::high},
        node_{{.name = name, .clock = clock_.get(), .scheduler = &scheduler_}},
        transport_{transport::make_zmq_transport(*clock_)},
        cluster_{node_, *transport_, config()},
        agent_{world_, cluster_, wait_until} {}
  ~DistNode() {
    node_.kill_all();
    node_.wait_until_empty(std::chrono::seconds{10});
    scheduler_.stop();
    cluster_.stop();
  }

  /// Returns: the address.
  Result<std::string> start() {
    auto bound = cluster_.start();
    if (!bound) return bound;
    world_.start(node_);
    const Pid echo = node_.spawn_opt<Echo>({.priority = Priority::max});
    if (const auto named = node_.register_name(k_echo, echo); !named) return named.error();
    return bound;
  }

  [[nodiscard]] Message answer(const Message& request) {
    if (request.is<AwaitQuiet>()) return Message::make<Stillness>(stillness());
    if (request.is<FlushSessions>()) return flush_sessions();
    return agent_.answer(request);
  }

  void leave() {
    std::promise<void> left;
    cluster_.leave([&left] { left.set_value(); });
    left.get_future().wait();
  }

 private:
  static ClusterConfig config() {
    ClusterConfig config;
    config.cluster = "oracle-" + std::to_string(getppid());  // of one script, and of no other
    config.auto_connect = transport::AutoConnect::never;
    config.random_seed = seed_from_system();
    // How slow the machine is, is no part of any script.
    config.times.silence = std::chrono::hours{1};
    config.times.handshake = std::chrono::seconds{10};
    return config;
  }

  Stillness stillness() {
    const bool quiet = wait_until([this] {
      world_.timers().forget_fired();
      return world_.awaited().empty() && scheduler_.idle();
    });
    return {quiet, scheduler_.finished()};
  }

  Message flush_sessions() {
    const auto nodes = agent_.answer(Message::make<ListNodes>());
    const auto done = std::make_shared<std::promise<void>>();
    node_.spawn_opt({.priority = Priority::max}, flush, nodes.get<Nodes>()->names, done);
    done->get_future().wait();
    return Message::make<Done>();
  }

  std::unique_ptr<Clock> clock_;
  testkit::CountingScheduler scheduler_;
  World world_;
  Node node_;
  std::unique_ptr<transport::Transport> transport_;
  Cluster cluster_;
  NodeAgent agent_;
};

}  // namespace

int run_dist_node(const std::string& name, unsigned threads) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Channel controller{k_control_file};
  DistNode node{name, threads};
  const auto address = node.start();
  if (!address) {
    std::cerr << "otp_script: node " << name << " does not start: " << address.error().detail
              << '\n';
    return 1;
  }
  controller.send(Message::make<Listening>(address.value()));
  while (const auto request = controller.receive()) {
    if (request->is<EndNode>()) {
      node.leave();
      controller.send(Message::make<Done>());
      return 0;
    } else {
      controller.send(node.answer(*request));
    }
  }
  return 1;
}

}  // namespace grove::oracle
