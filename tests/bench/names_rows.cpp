// SPDX-License-Identifier: Apache-2.0
//
// Names and groups that all nodes of a cluster know: given, looked up, and learnt again.
#include "grove/node/cluster_names.hpp"
#include "grove/node/pg.hpp"

#include "bench/remote.hpp"

#include <fmt/format.h>

#include <future>

namespace grove::bench {
namespace {

constexpr std::uint64_t k_turn = 256;  // what a process does before others may go
constexpr std::uint64_t k_looked_up = 1'000;
constexpr std::uint64_t k_names = 100'000;
constexpr const char* k_names_section = "Names of a cluster";

/// A node here that has sessions with others, each in an OS process.
class Nodes {
 public:
  Nodes(const Measurement& measurement, std::size_t count) : setup_{measurement.workers} {
    std::vector<std::string> seeds;
    for (std::size_t i = 1; i < count; ++i) {
      peers_.push_back(peer_name(i));
      children_.push_back(std::make_unique<Child>(peer_command(setup_, peers_.back())));
      seeds.push_back(children_.back()->read_line());
    }
    node_.emplace("bench", setup_, seeds);
    node_->wait_for_sessions(children_.size());
  }

  /// Runs `work(context, peers)` in a process here.
  template <class Work>
  double run(Work work) {
    auto seconds = (**node_).async([work, this](Context& context) -> Task<double> {
      co_return co_await work(context, peers_);
    });
    return seconds.get();
  }
  Child& peer() { return *children_.front(); }

 private:
  /// The first is the one that start_there() asks.
  static std::string peer_name(std::size_t index) {
    return index == 1 ? k_peer : fmt::format("peer{}", index);
  }

  Setup setup_;
  std::vector<std::string> peers_;
  std::vector<std::unique_ptr<Child>> children_;  // before the node: forked by a single thread
  std::optional<ClusterNode> node_;
};

void check(bool right) {
  if (!right) throw std::runtime_error{"the names are others"};
}

std::vector<Pid> idle_processes(Context& context, std::uint64_t count) {
  std::vector<Pid> pids;
  while (pids.size() < count) pids.push_back(context.spawn<Idle>());
  return pids;
}

Task<> let_others_go(Context& context) {
  context.send<Tagged>(context.self());
  co_await context.receive<Tagged>();
}

// -- name_register, group_join ---------------------------------------------------------------

/// Seconds until a count of things is given here, and until all peers know them.
struct Times {
  double given = 0;
  double known = 0;
};

/// `give(i, pid)` for each of as many processes. `Wanted` has a peer say when it knows them all.
template <class Wanted, class Give>
Task<Times> give_all(Context& context, const std::vector<std::string>& peers, std::string prefix,
                     std::uint64_t count, Give give) {
  const std::vector<Pid> pids = idle_processes(context, count);
  for (const std::string& peer : peers) {
    const Wanted wanted{prefix, count};
    co_await start_at<Wanted>(context, peer, wanted);
  }
  Times times;
  const auto start = Stopwatch::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    give(i, pids[i]);
    if (i % k_turn == 0) co_await let_others_go(context);
  }
  times.given = seconds_since(start);
  for (std::size_t left = peers.size(); left > 0; --left) co_await next<Done>(context);
  times.known = seconds_since(start);
  co_return times;
}

Task<Times> register_names(Context& context, const std::vector<std::string>& peers,
                           std::string prefix, std::uint64_t count) {
  co_return co_await give_all<NamesWanted>(
      context, peers, prefix, count, [&](std::uint64_t i, const Pid& pid) {
        check(context.register_name(numbered(prefix, i), pid, Scope::cluster).has_value());
      });
}

Task<Times> join_groups(Context& context, const std::vector<std::string>& peers, std::string scope,
                        std::uint64_t count) {
  co_return co_await give_all<GroupsWanted>(
      context, peers, scope, count, [&](std::uint64_t i, const Pid& pid) {
        check(pg::join(context, static_cast<std::int64_t>(i), pid, scope).has_value());
      });
}

using Giving = Task<Times> (*)(Context&, const std::vector<std::string>&, std::string,
                               std::uint64_t);

template <Giving k_give>
std::vector<Figure> on_three_and_five(const Measurement& measurement) {
  std::vector<Figure> figures;
  for (const std::size_t size : {3U, 5U}) {
    Nodes nodes{measurement, size};
    const std::uint64_t count = scaled(k_names);
    Times times;
    nodes.run([&](Context& context, const std::vector<std::string>& peers) -> Task<double> {
      co_await k_give(context, peers, "warm", count / 10);
      times = co_await k_give(context, peers, "name", count);
      co_return 0;
    });
    const auto rate = [&](double seconds) { return static_cast<double>(count) / seconds; };
    figures.push_back(
        {fmt::format("{}.acked.{}", measurement.name, size), rate(times.given), "op/s"});
    figures.push_back(
        {fmt::format("{}.converged.{}", measurement.name, size), rate(times.known), "op/s"});
  }
  return figures;
}

// -- name_lookup -----------------------------------------------------------------------------

Task<> look_up(Context& context, std::vector<std::string> names, std::uint64_t count, Pid boss) {
  for (std::uint64_t left = count; left > 0; --left) {
    check(context.whereis(names[left % names.size()], Scope::cluster).has_value());
    if (left % k_turn == 0) co_await let_others_go(context);
  }
  context.send<Done>(boss);
}

/// Look-ups per second of two processes.
std::vector<Figure> name_lookup(const Measurement& measurement) {
  Nodes nodes{measurement, 2};
  const std::uint64_t count = scaled(2'000'000);
  const double seconds =
      nodes.run([&](Context& context, const std::vector<std::string>& peers) -> Task<double> {
        co_await register_names(context, peers, "name", k_looked_up);
        std::vector<std::string> names;
        for (std::uint64_t i = 0; i < k_looked_up; ++i) names.push_back(numbered("name", i));
        double last = 0;
        for (const std::uint64_t each : {count / 10, count}) {
          const auto start = Stopwatch::now();
          for (int i = 0; i < 2; ++i) context.spawn(look_up, names, each, context.self());
          for (int i = 0; i < 2; ++i) co_await next<Done>(context);
          last = seconds_since(start);
        }
        co_return last;
      });
  return {{measurement.name, 2 * static_cast<double>(count) / seconds, "op/s"}};
}

// -- names_join, names_heal ------------------------------------------------------------------

/// Seconds from the start of an empty node until it knows the names of a peer, and the memory that
/// it has then taken for each.
std::vector<Figure> names_join(const Measurement& measurement) {
  const Setup setup{measurement.workers};
  const std::uint64_t count = scaled(k_names);
  Child peer{peer_command(setup)};
  const std::string address = peer.read_line();
  {
    ClusterNode asker{"asker", setup, {address}};
    asker.wait_for_sessions(1);
    (*asker)
        .async([count](Context& context) -> Task<> {
          const GiveNames request{"there", count};
          co_await start_there(context, request);
        })
        .get();
  }
  const auto start = Stopwatch::now();
  const double before = resident_bytes();
  ClusterNode node{"bench", setup, {address}};
  (*node).async([count](Context& context) { return await_names(context, "there", count); }).get();
  const double seconds = seconds_since(start);
  return {{"names_join", seconds, "s"},
          {"names_join.bytes", (resident_bytes() - before) / static_cast<double>(count), "B"}};
}

/// Two nodes with half of the names each, of which one is stopped until it counts as dead: seconds
/// from when it goes on until both know all.
std::vector<Figure> names_heal(const Measurement& measurement) {
  Nodes nodes{measurement, 2};
  const std::uint64_t half = scaled(k_names) / 2;
  const double seconds =
      nodes.run([&](Context& context, const std::vector<std::string>& peers) -> Task<double> {
        const GiveNames request{"there", half};
        const Pid host = co_await start_there(context, request);
        co_await await_names(context, "there", half);
        context.monitor(host);
        nodes.peer().stop();
        co_await next<Down>(context);
        const std::vector<Pid> pids = idle_processes(context, half);
        for (std::uint64_t i = 0; i < half; ++i) {
          check(context.register_name(numbered("here", i), pids[i], Scope::cluster).has_value());
        }
        while (context.whereis(numbered("there", 0), Scope::cluster).has_value()) {
          co_await context.sleep_for(std::chrono::milliseconds{10});
        }
        const auto start = Stopwatch::now();
        nodes.peer().go_on();
        co_await await_names(context, "there", half);
        const NamesWanted wanted{"here", half};
        co_await start_at<NamesWanted>(context, peers.front(), wanted);
        co_await next<Done>(context);
        co_return seconds_since(start);
      });
  return {{measurement.name, seconds, "s"}};
}

}  // namespace

std::vector<Row> names_rows() {
  return {
      {"name_register",
       "100 k processes given a name of the cluster, 3 and 5 nodes: here, and until all know",
       {{"name_register", 2, on_three_and_five<register_names>}},
       {"erlang"},
       k_names_section,
       {{"name_register.acked.5", 400, "erlang"}, {"name_register.converged.5", 200, "erlang"}}},
      {"group_join",
       "100 k processes that join a group each, 3 and 5 nodes: here, and until all know",
       {{"group_join", 2, on_three_and_five<join_groups>}},
       {"erlang"},
       k_names_section},
      {"name_lookup",
       "two processes look up 1,000 names of the cluster",
       on_two_and_one("name_lookup", name_lookup),
       {"erlang"},
       k_names_section,
       {{"name_lookup", 4, "erlang"}}},
      {"names_join",
       "an empty node joins one that has 100 k names, until it knows them; memory for each",
       {{"names_join", 2, names_join}},
       {},
       k_names_section},
      {"names_heal",
       "two nodes with 50 k names each, apart until one counts as dead, until both know all",
       {{"names_heal", 2, names_heal}},
       {},
       k_names_section},
  };
}

}  // namespace grove::bench
