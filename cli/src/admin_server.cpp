// SPDX-License-Identifier: Apache-2.0
#include "admin_server.hpp"

#include "settings.hpp"

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <map>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace grove::cli {
namespace {

using Json = nlohmann::json;
using asio::local::stream_protocol;
using Respond = std::function<void(Json)>;

constexpr std::size_t k_request_bytes_max = 64 * 1024;
constexpr auto k_inspect_wait = std::chrono::seconds{1};  // a process stuck in its handler
constexpr auto k_join_wait = std::chrono::seconds{5};
constexpr auto k_join_look = std::chrono::milliseconds{20};

Json good(Json result) {
  result["schema_version"] = 1;
  return {{"ok", true}, {"result", std::move(result)}};
}
Json bad(int code, const std::string& error) {
  return {{"ok", false}, {"code", code}, {"error", error}};
}

std::string_view to_string(Member::State state) {
  switch (state) {
    case Member::State::up: return "up";
    case Member::State::down: return "down";
    case Member::State::left: return "left";
  }
  return "";
}

Json to_json(const ProcessInfo& info) {
  const auto pids = [](const std::vector<Pid>& list) {
    Json out = Json::array();
    for (const Pid& pid : list) out.push_back(grove::to_string(pid));
    return out;
  };
  return {{"pid", grove::to_string(info.pid)},
          {"name", info.name},
          {"label", info.label},
          {"parent", info.parent ? grove::to_string(info.parent) : ""},
          {"status", info.status},
          {"mailbox", info.mailbox},
          {"reductions", info.reductions},
          {"trap_exit", info.trap_exit},
          {"links", pids(info.links)},
          {"monitors", pids(info.monitors)},
          {"monitored_by", pids(info.monitored_by)}};
}

}  // namespace

class AdminServer::Impl {
 public:
  Impl(Node& node, Cluster& cluster, Hooks hooks)
      : node_{node}, cluster_{cluster}, hooks_{std::move(hooks)} {}
  ~Impl() { stop(); }

  Result<void> start(const std::string& path) {
    if (answers(path)) {
      return Error{Errc::already_started, "a node named " + node_.name() +
                                              " is running here already; choose another --name"};
    }
    std::error_code error;
    unlink(path.c_str());  // of a node that died
    const auto fail = [&](const std::string& what) {
      return Error{Errc::io,
                   "cannot " + what + " the admin socket " + path + ": " + error.message()};
    };
    if (path.size() > 100) {
      return Error{Errc::io, "the path of the admin socket is too long, " + path +
                                 "; set GROVE_RUN_DIR to a shorter one"};
    }
    acceptor_.open(stream_protocol{}, error);
    if (error) return fail("open");
    const mode_t mask = umask(0177);
    acceptor_.bind(stream_protocol::endpoint{path}, error);
    umask(mask);
    if (error) return fail("bind");
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return fail("listen on");
    path_ = path;
    accept();
    thread_ = std::thread{[this] { io_.run(); }};
    return {};
  }

  void stop() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
    if (!path_.empty()) unlink(std::exchange(path_, {}).c_str());
  }

 private:
  struct Client : std::enable_shared_from_this<Client> {
    explicit Client(stream_protocol::socket connected) : socket{std::move(connected)} {}
    stream_protocol::socket socket;
    std::string buffer;
    std::string answer;
  };
  using ClientPtr = std::shared_ptr<Client>;

  static bool answers(const std::string& path) {
    asio::io_context io;
    stream_protocol::socket probe{io};
    std::error_code error;
    probe.connect(stream_protocol::endpoint{path}, error);
    return !error;
  }

  void accept() {
    acceptor_.async_accept([this](const std::error_code& error, stream_protocol::socket socket) {
      if (!acceptor_.is_open()) return;
      if (!error) read(std::make_shared<Client>(std::move(socket)));
      accept();
    });
  }

  void read(const ClientPtr& client) {
    asio::async_read_until(
        client->socket, asio::dynamic_buffer(client->buffer, k_request_bytes_max), '\n',
        [this, client](const std::error_code& error, std::size_t) {
          if (error) return;
          handle(client->buffer, [this, client](Json answer) {
            // From whatever thread has the answer, back to this server's own.
            asio::post(io_, [client, answer = std::move(answer)] {
              client->answer = answer.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
              asio::async_write(client->socket, asio::buffer(client->answer),
                                [client](const std::error_code&, std::size_t) {});
            });
          });
        });
  }

  void handle(const std::string& line, const Respond& respond) {
    const Json request = Json::parse(line, nullptr, false);
    if (!request.is_object() || !request.value("verb", Json{}).is_string()) {
      respond(bad(k_data, "the request is no JSON object with a verb"));
      return;
    }
    std::vector<std::string> args;
    for (const Json& arg : request.value("args", Json::array())) {
      if (arg.is_string()) args.push_back(arg.get<std::string>());
    }
    static const std::map<std::string,
                          void (Impl::*)(const std::vector<std::string>&, const Respond&)>
        verbs{{"join", &Impl::join},       {"leave", &Impl::leave},     {"health", &Impl::health},
              {"members", &Impl::members}, {"ps", &Impl::ps},           {"tree", &Impl::ps},
              {"names", &Impl::names},     {"whereis", &Impl::whereis}, {"info", &Impl::info},
              {"kill", &Impl::kill},       {"metrics", &Impl::metrics}, {"stop", &Impl::stop_node}};
    const auto verb = verbs.find(request["verb"].get<std::string>());
    if (verb == verbs.end()) {
      respond(bad(k_usage, "unknown verb " + request["verb"].get<std::string>()));
      return;
    }
    (this->*verb->second)(args, respond);
  }

  // -- verbs ---------------------------------------------------------------------------------

  void members(const std::vector<std::string>&, const Respond& respond) {
    cluster_.members([respond](const std::vector<Member>& members) {
      Json rows = Json::array();
      for (const Member& member : members) {
        rows.push_back({{"name", member.name},
                        {"address", member.address},
                        {"life", to_base36(member.life.value)},
                        {"state", to_string(member.state)},
                        {"self", member.self},
                        {"trouble", member.trouble}});
      }
      respond(good({{"members", rows}}));
    });
  }

  void health(const std::vector<std::string>& args, const Respond& respond) {
    if (!args.empty() && args.front() == "live") {
      respond(good({{"healthy", true}, {"why", "the node answers"}}));
      return;
    }
    if (!hooks_.app_started()) {
      respond(good({{"healthy", false}, {"why", "the application is starting"}}));
      return;
    }
    cluster_.seeds([this, respond](const auto& seeds) {
      std::string why;
      for (const auto& seed : seeds) {
        if (seed.answered_by.empty()) {
          why = "no answer yet from " + seed.address +
                (seed.trouble.empty() ? "" : " (" + seed.trouble + ")");
        }
      }
      // One session is enough to be part of the cluster; the other seeds may come later.
      const bool ready = why.empty() || cluster_.sessions() > 0;
      respond(good({{"healthy", ready}, {"why", ready ? "started and joined" : why}}));
    });
  }

  void join(const std::vector<std::string>& args, const Respond& respond) {
    if (args.empty()) {
      respond(bad(k_usage, "which address?"));
      return;
    }
    if (const auto accepted = cluster_.join(args.front()); !accepted) {
      respond(bad(k_usage, accepted.error().detail));
      return;
    }
    watch_join(args.front(), node_.clock().now() + k_join_wait, respond);
  }

  void watch_join(const std::string& address, Clock::TimePoint limit, const Respond& respond) {
    cluster_.seeds([this, address, limit, respond](const auto& seeds) {
      std::string trouble = "no answer in time";
      for (const auto& seed : seeds) {
        if (seed.address != address) continue;
        if (seed.answered_by == node_.name()) {
          respond(bad(k_data, address + " is this node itself"));
          return;
        }
        if (!seed.answered_by.empty()) {
          respond(good({{"joined", seed.answered_by}, {"address", address}}));
          return;
        }
        if (!seed.trouble.empty()) trouble = seed.trouble;
      }
      asio::post(io_, [this, address, limit, respond, trouble] {
        if (node_.clock().now() > limit) {
          respond(bad(k_unavailable,
                      "cannot join " + address + ": " + trouble + " (the node goes on trying)"));
          return;
        }
        auto timer = std::make_shared<asio::steady_timer>(io_, k_join_look);
        timer->async_wait([this, timer, address, limit, respond](const std::error_code&) {
          watch_join(address, limit, respond);
        });
      });
    });
  }

  void leave(const std::vector<std::string>&, const Respond& respond) {
    respond(good({{"leaving", node_.name()}}));
    hooks_.stop(true);
  }
  void stop_node(const std::vector<std::string>&, const Respond& respond) {
    respond(good({{"stopping", node_.name()}}));
    hooks_.stop(true);
  }

  /// Rows of `pids`; those that do not answer in time are reported as running.
  void inspect(const std::vector<Pid>& pids, std::function<void(Json)> done) {
    struct Gather {
      std::vector<Pid> pids;
      std::map<Pid, Json> rows;
      std::size_t open = 0;
      std::function<void(Json)> done;
      asio::steady_timer timer;
      explicit Gather(asio::io_context& io) : timer{io, k_inspect_wait} {}
      void finish() {
        if (!done) return;
        Json all = Json::array();
        for (const Pid& pid : pids) {
          const auto row = rows.find(pid);
          if (row == rows.end()) continue;
          all.push_back(row->second);
        }
        timer.cancel();
        std::exchange(done, {})(std::move(all));
      }
    };
    asio::post(io_, [this, pids, done = std::move(done)]() mutable {
      const auto gather = std::make_shared<Gather>(io_);
      gather->pids = pids;
      gather->open = pids.size();
      gather->done = std::move(done);
      gather->timer.async_wait([gather](const std::error_code& cancelled) {
        if (cancelled) return;
        for (const Pid& pid : gather->pids) {
          gather->rows.try_emplace(pid, Json{{"pid", grove::to_string(pid)},
                                             {"name", ""},
                                             {"label", "?"},
                                             {"parent", ""},
                                             {"status", "running"}});
        }
        gather->finish();
      });
      if (pids.empty()) gather->finish();
      for (const Pid& pid : pids) {
        node_.inspect({pid}, [this, gather, pid](const std::vector<ProcessInfo>& rows) {
          asio::post(io_, [gather, pid, rows] {
            if (!rows.empty()) gather->rows[pid] = to_json(rows.front());
            if (--gather->open == 0) gather->finish();
          });
        });
      }
    });
  }

  void ps(const std::vector<std::string>&, const Respond& respond) {
    const Pid root = hooks_.root();
    inspect(node_.processes(), [respond, root](Json rows) {
      respond(good({{"processes", std::move(rows)}, {"root", grove::to_string(root)}}));
    });
  }

  void names(const std::vector<std::string>&, const Respond& respond) {
    Json rows = Json::array();
    for (const Router::GlobalName& entry : node_.global_names()) {
      rows.push_back({{"name", entry.name},
                      {"pid", grove::to_string(entry.pid)},
                      {"node", node_name(entry.pid.node)}});
    }
    respond(good({{"names", rows}}));
  }

  /// A pid's text, or a name: cluster-wide first, then local.
  std::optional<Pid> find(const std::string& what) const {
    if (const auto pid = parse_pid(what)) return pid;
    if (const auto pid = node_.whereis(what, Scope::cluster)) return pid;
    return node_.whereis(what);
  }

  void whereis(const std::vector<std::string>& args, const Respond& respond) {
    const auto pid = args.empty() ? std::nullopt : find(args.front());
    if (!pid) {
      respond(bad(k_unavailable, "no process has the name " + (args.empty() ? "" : args.front())));
      return;
    }
    respond(good(
        {{"name", args.front()}, {"pid", grove::to_string(*pid)}, {"node", node_name(pid->node)}}));
  }

  void info(const std::vector<std::string>& args, const Respond& respond) {
    const auto pid = args.empty() ? std::nullopt : find(args.front());
    if (!pid) {
      respond(bad(k_data, "\"" + (args.empty() ? "" : args.front()) +
                              "\" is neither a pid (NODE:LIFE:LOCAL, as ps prints them) nor a "
                              "name that a process has"));
      return;
    }
    if (pid->node != node_.id()) {
      const std::string& home = node_name(pid->node);
      respond(bad(k_unavailable,
                  home == node_.name()
                      ? "that process belonged to a former life of this node"
                      : "that process is on node " + home + "; ask there, with --node " + home));
      return;
    }
    inspect({*pid}, [respond, pid = *pid](Json rows) {
      if (rows.empty()) {
        respond(bad(k_unavailable, "the process " + grove::to_string(pid) + " has ended"));
      } else {
        respond(good(rows.front()));
      }
    });
  }

  void kill(const std::vector<std::string>& args, const Respond& respond) {
    const auto pid = args.empty() ? std::nullopt : find(args.front());
    if (!pid) {
      respond(bad(k_data, "\"" + (args.empty() ? "" : args.front()) +
                              "\" is neither a pid nor a name that a process has"));
      return;
    }
    if (pid->node == node_.id() && !node_.is_alive(*pid)) {
      respond(bad(k_unavailable, "the process " + grove::to_string(*pid) + " has ended"));
      return;
    }
    const std::string reason = args.size() > 1 ? args[1] : "kill";
    node_.exit(*pid, ExitReason::symbol(reason));
    respond(good({{"pid", grove::to_string(*pid)}, {"reason", reason}}));
  }

  void metrics(const std::vector<std::string>&, const Respond& respond) {
    Json rows = Json::object();
    for (const auto& [name, value] : node_.metrics().all()) rows[std::string{name}] = value;
    rows["processes"] = node_.process_count();
    rows["sessions"] = cluster_.sessions();
    respond(good({{"metrics", rows}}));
  }

  Node& node_;
  Cluster& cluster_;
  Hooks hooks_;
  asio::io_context io_{1};
  stream_protocol::acceptor acceptor_{io_};
  std::string path_;
  std::thread thread_;
};

AdminServer::AdminServer(Node& node, Cluster& cluster, Hooks hooks)
    : impl_{std::make_unique<Impl>(node, cluster, std::move(hooks))} {}
AdminServer::~AdminServer() = default;
Result<void> AdminServer::start(const std::string& path) { return impl_->start(path); }
void AdminServer::stop() { impl_->stop(); }

}  // namespace grove::cli
