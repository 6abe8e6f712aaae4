// SPDX-License-Identifier: Apache-2.0
#include "node_runner.hpp"

#include "grove/cluster/cluster.hpp"
#include "grove/transport/zmq_transport.hpp"
#include "grove/version.hpp"

#include "addresses.hpp"
#include "admin_server.hpp"
#include "cookie_source.hpp"
#include "membership_settings.hpp"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <future>
#include <iostream>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace grove::cli {
namespace {

constexpr auto k_kill_wait = std::chrono::seconds{5};  // for killed processes to be gone
// Signals to a program and to its group come together: both say one thing, once.
constexpr auto k_one_signal = std::chrono::seconds{1};

constexpr std::size_t k_cluster_name_bytes_max = 255;
constexpr rlim_t k_descriptors_wanted = 4096;

/// The signals that ask a program to end. They are caught for as long as this lives, and after it
/// no longer reach the thread that had it: with their default back, one that comes while the
/// program is on its way out would make a good end a bad one.
struct EndSignals {
  ~EndSignals() {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &both, nullptr);
  }
  EndSignals() = default;
  EndSignals(const EndSignals&) = delete;
  EndSignals& operator=(const EndSignals&) = delete;

  asio::io_context io{1};
  asio::signal_set caught{io, SIGINT, SIGTERM};
};

/// Runs what is posted to `io`, on a thread of its own, for as long as it lives.
class IoThread {
 public:
  explicit IoThread(asio::io_context& io)
      : io_{io}, work_{io.get_executor()}, thread_{[&io] { io.run(); }} {}
  ~IoThread() {
    io_.stop();
    thread_.join();
  }
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

 private:
  asio::io_context& io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

/// What the root process learned when the tree ended.
struct TreeEnd {
  bool started = false;
  ExitReason reason;
};

/// The top of every node's processes: it starts the tree and lives as long as that does.
Task<TreeEnd> root_process(Context& context, App app, Cluster* cluster,
                           std::shared_ptr<std::atomic<bool>> started,
                           std::shared_ptr<std::promise<Pid>> self) {
  context.set_label("root");
  context.trap_exit(true);
  self->set_value(context.self());
  app.started(*cluster);
  ServerOptions options;
  options.label = "application";
  const StartResult tree = co_await start_supervisor(context, app.tree(), std::move(options));
  TreeEnd end;
  end.reason = tree.reason;
  if (!tree.ok()) co_return end;
  end.started = true;
  started->store(true);
  for (;;) {
    const Exit exit = co_await context.receive<Exit>();
    if (exit.from == tree.pid) {
      end.reason = exit.reason;
      co_return end;
    }
    context.exit(tree.pid, exit.reason);  // told to stop: so is the tree, and we wait for it
  }
}

/// ZeroMQ limits no connections, and with no descriptor left nobody can come in any more: take all
/// we may have. Returns: how many.
rlim_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

void warn_of_weakness(Log& log, rlim_t descriptors, const FoundCookie& found) {
  if (descriptors < k_descriptors_wanted) {
    log.warning("this node may open only " + std::to_string(descriptors) +
                " files and connections: strangers can use them up; raise the hard limit "
                "(ulimit -Hn, LimitNOFILE) to " +
                std::to_string(k_descriptors_wanted) + " or more");
  }
  if (found.is_short) {
    log.warning(
        "the cookie is short: who records the network can guess it; make one with: "
        "grove keygen");
  }
}

int fail(int code, const std::string& why) { return complain(false, code, why); }

bool is_cluster_name(const std::string& name) {
  return !name.empty() && name.size() <= k_cluster_name_bytes_max &&
         std::none_of(name.begin(), name.end(),
                      [](unsigned char c) { return c <= ' ' || c == 127; });
}

int code_of(const Error& error) {
  switch (error.code) {
    case Errc::bad_address:
    case Errc::bad_argument:
    case Errc::too_large: return k_usage;
    case Errc::io:  // the seeds file
    case Errc::refused: return k_config;
    default: return k_unavailable;
  }
}

FlowConfig flow_of(const Settings& settings) {
  FlowConfig flow;
  flow.budget_bytes = std::size_t{settings.peer_budget} << 20U;
  if (settings.when_busy == "fail") flow.when_busy = BusyPolicy::fail;
  if (settings.when_busy == "drop") flow.when_busy = BusyPolicy::drop;
  return flow;
}

}  // namespace

int run_node(const Settings& settings, const App& app) {
  if (!is_node_name(settings.name)) {
    return fail(k_usage, "\"" + settings.name +
                             "\" is no node name: 1 to 63 of a-z 0-9 _ -, then "
                             "perhaps @host; choose one with --name");
  }
  if (!is_cluster_name(settings.cluster)) {
    return fail(k_usage, "\"" + settings.cluster +
                             "\" is no cluster name: 1 to 255 bytes without "
                             "spaces; choose one with --cluster");
  }
  const auto addresses = find_addresses(settings);
  if (!addresses) return fail(k_usage, addresses.error().detail);
  ClusterConfig config;
  if (const auto good = set_membership(settings, config); !good) {
    return fail(k_usage, good.error().detail);
  }
  config.flow = flow_of(settings);
  try {
    app.configure(config);
  } catch (const std::invalid_argument& error) {
    return fail(k_usage, error.what());
  } catch (const std::exception& error) {
    return fail(k_internal, std::string{"the application failed: "} + error.what());
  }
  const auto found = find_cookie(settings.cookie_file);
  if (!found) return fail(k_config, found.error().detail);
  if (const auto made = make_run_dir(settings.run_dir); !made) {
    return fail(k_config, made.error().detail);
  }
  const rlim_t descriptors = raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);  // a node outlives the reader of its log
  EndSignals signals;
  asio::io_context& io = signals.io;

  const auto log = make_stderr_log(settings.name, settings.log_level);
  warn_of_weakness(*log, descriptors, *found);
  const auto clock = make_system_clock();
  const auto scheduler = make_thread_scheduler(settings.workers);
  Node node{
      {.name = settings.name, .clock = clock.get(), .scheduler = scheduler.get(), .log = log}};
  const auto network = transport::make_zmq_transport(*clock);
  std::function<void()> stop_in_minority;
  config.partition.changed = [&, own = std::move(config.partition.changed)](Side side) {
    if (own) own(side);
    if (side == Side::minority && settings.minority == "stop") stop_in_minority();
  };
  config.cluster = settings.cluster;
  config.listen = addresses->listen;
  config.advertise = addresses->advertise;
  config.local_path = addresses->local_path;
  config.seeds = addresses->join;
  config.cookie = found->cookie;
  config.random_seed = seed_from_system();
  Cluster cluster{node, *network, std::move(config)};

  std::atomic<bool> stopping{false};
  auto started = std::make_shared<std::atomic<bool>>(false);
  auto root_pid = std::make_shared<std::promise<Pid>>();
  const std::shared_future<Pid> root = root_pid->get_future().share();
  const auto root_is_known = [root] {
    return root.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
  };
  asio::steady_timer patience{io};
  const auto tell_root = [&] {  // on `io`
    node.exit(root.get(), ExitReason::shutdown());
    patience.expires_after(app.patience());
    patience.async_wait([&](const std::error_code& cancelled) {
      if (cancelled) return;
      log->error("the tree has not ended in " + std::to_string(app.patience().count()) +
                 " ms (see App::stop_within); ending without it");
      std::_Exit(k_internal);
    });
  };
  const auto stop_tree = [&] {  // on `io`
    if (!stopping.exchange(true) && root_is_known()) tell_root();
  };
  std::atomic<bool> in_minority{false};
  stop_in_minority = [&] {
    in_minority = true;
    asio::post(io, stop_tree);
  };
  Clock::TimePoint signalled;
  const std::function<void()> await_another = [&] {
    signals.caught.async_wait([&](const std::error_code& error, int) {
      if (error) return;
      if (node.clock().now() < signalled + k_one_signal) return await_another();
      std::_Exit(k_try_again);  // who asks again is not patient
    });
  };
  signals.caught.async_wait([&](const std::error_code& error, int number) {
    if (error) return;
    signalled = node.clock().now();
    log->info("signal " + std::to_string(number) + ": stopping");
    stop_tree();
    await_another();
  });
  // Now, for to start may take its time: --listen may be a name. To the very end, for a second
  // signal is heard then too.
  const IoThread io_thread{io};

  AdminServer admin{node,
                    cluster,
                    {.app_started = [started] { return started->load(); },
                     .root = [root, root_is_known] { return root_is_known() ? root.get() : Pid{}; },
                     .stop = [&io, stop_tree] { asio::post(io, stop_tree); },
                     .to_join = addresses->join}};
  if (const auto up = admin.start(socket_path(settings.run_dir, settings.name)); !up) {
    return fail(up.error().code == Errc::already_started ? k_unavailable : k_config,
                up.error().detail);
  }
  // Not on this thread: a signal, which it may be that takes, would break off what is waited for.
  const auto bound = std::async(std::launch::async, [&] { return cluster.start(); }).get();
  if (!bound) return fail(code_of(bound.error()), bound.error().detail);
  log->info("grove " + std::string{version()} + ", node " + settings.name + ", listening on " +
            *bound +
            (found->cookie.empty() ? ", loopback only (no cookie is set)" : ", encrypted"));

  auto ended = node.async([&app, &cluster, started, root_pid](Context& context) {
    return root_process(context, app, &cluster, started, root_pid);
  });
  asio::post(io, [&] {
    root.wait();
    if (stopping) tell_root();  // it was not there yet
  });
  ended.wait();
  const bool told = stopping.exchange(true);
  asio::post(io, [&patience] { patience.cancel(); });

  int code = k_ok;
  try {
    const TreeEnd end = ended.get();
    if (!end.started) {
      code = fail(k_internal, "the application did not start: " + to_string(end.reason));
    } else if (!told) {
      code = fail(k_internal, "the application ended: " + to_string(end.reason));
    }
  } catch (const std::future_error&) {  // its end is no result
    code = fail(k_internal, "the root process was killed");
  } catch (const std::invalid_argument& error) {  // see App::supervise()
    code = fail(k_usage, error.what());
  } catch (const std::exception& error) {
    code = fail(k_internal, std::string{"the application failed: "} + error.what());
  }
  if (in_minority && code == k_ok) {
    code = fail(k_try_again, "stopped, being in the minority of a partition");
  }
  std::promise<void> left;
  cluster.leave([&left] { left.set_value(); });
  left.get_future().wait();
  admin.stop();
  node.kill_all();
  const bool clean = node.wait_until_empty(k_kill_wait);
  cluster.stop();
  log->info("node " + settings.name + " has stopped");
  if (!clean) {
    log->error("a process is stuck in its handler; ending without it");
    std::_Exit(code == k_ok ? k_internal : code);
  }
  scheduler->stop();
  return code;
}

}  // namespace grove::cli
