// SPDX-License-Identifier: Apache-2.0
#include "admin_server.hpp"

#include "grove/node/inspect.hpp"
#include "grove/node/table.hpp"

#include "addresses.hpp"
#include "admin_json.hpp"
#include "settings.hpp"

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace grove::cli {
namespace {

using Json = nlohmann::json;
using asio::local::stream_protocol;
using Respond = std::function<void(Json)>;

constexpr auto k_inspect_wait = std::chrono::seconds{1};  // a process stuck in its handler
constexpr auto k_line_wait = std::chrono::seconds{10};    // for a line to come, or to be taken
constexpr auto k_stop_wait = std::chrono::seconds{1};     // for the last answers, as of `kill`
constexpr auto k_accept_pause = std::chrono::milliseconds{100};
constexpr std::string_view k_former_life = "that process belonged to a former life of this node";
constexpr std::size_t k_reason_bytes_max = 255;
constexpr auto k_join_wait = std::chrono::seconds{5};
constexpr auto k_trouble_wait = std::chrono::seconds{2};  // it may be gone at the next attempt
constexpr auto k_join_look = std::chrono::milliseconds{20};

Json good(Json result) {
  result["schema_version"] = 1;
  return {{"ok", true}, {"result", std::move(result)}};
}
Json bad(int code, const std::string& error) {
  return {{"ok", false}, {"code", code}, {"error", error}};
}

/// Keeps others out of a directory, as far as they ask.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& dir)
      : fd_{open(dir.empty() ? "." : dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)} {
    while (fd_ >= 0 && flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~DirectoryLock() {
    if (fd_ >= 0) close(fd_);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int fd_;
};

/// A program that the node starts, and that outlives it, would listen in its place.
void keep_from_children(int descriptor) { fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

/// Why a node to join cannot be reached, without its address said twice.
std::string trouble_of(const transport::Sessions::SeedView& seed) {
  const std::string& text = seed.trouble;
  const bool twice = text.starts_with(seed.address + ' ');
  return twice ? text.substr(seed.address.size() + 1) : text;
}

/// A reason ends up in logs, on terminals and in frames.
bool is_reason(const std::string& text) {
  return !text.empty() && text.size() <= k_reason_bytes_max &&
         std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < ' ' || c == 127; });
}

}  // namespace

class AdminServer::Impl {
 public:
  Impl(Node& node, Cluster& cluster, Hooks hooks)
      : node_{node}, cluster_{cluster}, hooks_{std::move(hooks)} {}
  ~Impl() { stop(); }

  Result<void> start(const std::string& path) {
    if (path.size() > k_socket_path_max) {
      return Error{Errc::io, "the path of the admin socket is too long, " + path +
                                 "; set GROVE_RUN_DIR to a shorter one"};
    }
    // Of two that start at once with one name, the second waits here and finds the first.
    const DirectoryLock lock{std::filesystem::path{path}.parent_path().string()};
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
    acceptor_.open(stream_protocol{}, error);
    if (error) return fail("open");
    keep_from_children(acceptor_.native_handle());
    const mode_t mask = umask(0177);
    acceptor_.bind(stream_protocol::endpoint{path}, error);
    umask(mask);
    if (error) return fail("bind");
    acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return fail("listen on");
    path_ = path;
    if (lstat(path.c_str(), &made_) != 0) made_ = {};
    accept();
    thread_ = std::thread{[this] { io_.run(); }};
    return {};
  }

  void stop() {
    if (thread_.joinable()) {
      asio::post(io_, [this] {
        stopping_ = true;
        pause_.expires_after(k_stop_wait);
        pause_.async_wait([this](const std::error_code&) { io_.stop(); });
        if (unanswered_ == 0) io_.stop();
      });
      thread_.join();
    }
    if (!path_.empty()) remove_socket(std::exchange(path_, {}));
  }

 private:
  struct Client : std::enable_shared_from_this<Client> {
    explicit Client(stream_protocol::socket connected)
        : socket{std::move(connected)}, patience{socket.get_executor()} {}
    stream_protocol::socket socket;
    asio::steady_timer patience;
    std::string buffer;
    std::string answer;
    bool ends_node = false;  // its connection is kept until the node has ended
  };
  using ClientPtr = std::shared_ptr<Client>;

  static bool answers(const std::string& path) {
    asio::io_context io;
    stream_protocol::socket probe{io};
    std::error_code error;
    probe.connect(stream_protocol::endpoint{path}, error);
    return !error;
  }

  /// Unless somebody took it away, and another node has one of its own there by now.
  void remove_socket(const std::string& path) const {
    struct stat there {};
    const bool ours = lstat(path.c_str(), &there) == 0 && there.st_dev == made_.st_dev &&
                      there.st_ino == made_.st_ino;
    if (ours) unlink(path.c_str());
  }

  void accept() {
    acceptor_.async_accept([this](const std::error_code& error, stream_protocol::socket socket) {
      if (!acceptor_.is_open()) return;
      if (!error) {
        keep_from_children(socket.native_handle());
        read(std::make_shared<Client>(std::move(socket)));
        accept();
        return;
      }
      if (stopping_) return;  // the timer has another use then
      // Out of descriptors, most likely: at once it would fail again, and again.
      pause_.expires_after(k_accept_pause);
      pause_.async_wait([this](const std::error_code&) { accept(); });
    });
  }

  /// Who says nothing, or takes nothing, is cut off.
  static void be_patient(const ClientPtr& client) {
    client->patience.expires_after(k_line_wait);
    client->patience.async_wait([client](const std::error_code& cancelled) {
      std::error_code ignored;
      if (!cancelled) client->socket.close(ignored);
    });
  }

  void read(const ClientPtr& client) {
    be_patient(client);
    asio::async_read_until(client->socket,
                           asio::dynamic_buffer(client->buffer, k_request_bytes_max), '\n',
                           [this, client](const std::error_code& error, std::size_t size) {
                             client->patience.cancel();
                             if (error && error != asio::error::not_found) return;
                             ++unanswered_;
                             if (error) {
                               answer(client, bad(k_data, "the request is longer than 64 KiB"));
                             } else {
                               handle(client, client->buffer.substr(0, size));
                             }
                           });
  }

  /// On this server's own thread.
  void answer(const ClientPtr& client, const Json& answer) {
    be_patient(client);
    client->answer = answer.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
    asio::async_write(client->socket, asio::buffer(client->answer),
                      [this, client](const std::error_code&, std::size_t) {
                        client->patience.cancel();
                        if (--unanswered_ == 0 && stopping_) io_.stop();
                        if (!client->ends_node) return;
                        kept_.push_back(client);
                        hooks_.stop();
                      });
  }

  void handle(const ClientPtr& client, const std::string& line) {
    const Respond respond = [this, client](Json answer) {
      // From whatever thread has the answer.
      asio::post(io_, [this, client, answer = std::move(answer)] { this->answer(client, answer); });
    };
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
              {"kill", &Impl::kill},       {"metrics", &Impl::metrics}, {"stop", &Impl::stop_node},
              {"tables", &Impl::tables},   {"groups", &Impl::groups}};
    const auto verb = verbs.find(request["verb"].get<std::string>());
    if (verb == verbs.end()) {
      respond(bad(k_usage, "unknown verb " + request["verb"].get<std::string>()));
      return;
    }
    client->ends_node = verb->first == "stop" || verb->first == "leave";
    (this->*verb->second)(args, respond);
  }

  // -- verbs ---------------------------------------------------------------------------------

  void members(const std::vector<std::string>&, const Respond& respond) {
    cluster_.members([this, respond](const std::vector<Member>& members) {
      Json rows = Json::array();
      for (const Member& member : members) rows.push_back(to_json(member));
      strangers({{"members", rows}, {"side", to_string(cluster_.side())}}, respond);
    });
  }

  /// Adds who is to join and has not, and who was refused.
  void strangers(Json result, const Respond& respond) {
    cluster_.seeds([this, result = std::move(result), respond](const auto& seeds) mutable {
      result["seeds"] = Json::array();
      for (const auto& seed : seeds) result["seeds"].push_back(to_json(seed));
      cluster_.refused([this, result = std::move(result), respond](const auto& refused) mutable {
        result["refused"] = Json::array();
        for (const auto& one : refused) {
          result["refused"].push_back(to_json(one, node_.clock().now()));
        }
        respond(good(std::move(result)));
      });
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
    if (cluster_.side() == Side::minority) {
      respond(good({{"healthy", false}, {"why", "in the minority of a partition"}}));
      return;
    }
    cluster_.seeds([this, respond](const auto& seeds) {
      std::string why;
      for (const auto& seed : seeds) {
        const bool asked_for =
            seed.listed || std::find(hooks_.to_join.begin(), hooks_.to_join.end(), seed.address) !=
                               hooks_.to_join.end();
        if (asked_for && seed.answered_by.empty()) {
          why = "no answer yet from " + seed.address +
                (seed.trouble.empty() ? "" : " (" + trouble_of(seed) + ")");
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
    const auto port = default_port();
    const auto address = port ? dialled(args.front(), *port) : Result<std::string>{port.error()};
    if (address && args.size() > 1 && args[1] == "forget") {
      forget_seed(*address, respond);
      return;
    }
    const auto accepted = address ? cluster_.join(*address) : Result<void>{address.error()};
    if (!accepted) {
      respond(bad(k_usage, accepted.error().detail));
      return;
    }
    watch_join(*address, node_.clock().now(), respond);
  }

  void forget_seed(const std::string& address, const Respond& respond) {
    cluster_.forget_seed(address, [address, respond](const Result<void>& forgotten) {
      if (forgotten) {
        respond(good({{"forgotten", address}}));
      } else {
        respond(bad(k_data, forgotten.error().detail));
      }
    });
  }

  void watch_join(const std::string& address, Clock::TimePoint begun, const Respond& respond) {
    cluster_.seeds([this, address, begun, respond](const auto& seeds) {
      std::string trouble;
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
        if (!seed.trouble.empty()) trouble = trouble_of(seed);
      }
      asio::post(io_, [this, address, begun, respond, trouble] {
        if (node_.clock().now() - begun > (trouble.empty() ? k_join_wait : k_trouble_wait)) {
          respond(bad(k_unavailable, "cannot join " + address + ": " +
                                         (trouble.empty() ? "no answer in time" : trouble) +
                                         " (the node goes on trying)"));
          return;
        }
        auto timer = std::make_shared<asio::steady_timer>(io_, k_join_look);
        timer->async_wait([this, timer, address, begun, respond](const std::error_code&) {
          watch_join(address, begun, respond);
        });
      });
    });
  }

  void leave(const std::vector<std::string>&, const Respond& respond) {
    respond(good({{"leaving", node_.name()}}));
  }
  void stop_node(const std::vector<std::string>&, const Respond& respond) {
    respond(good({{"stopping", node_.name()}}));
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
    for (const GlobalName& entry : node_.global_names()) {
      rows.push_back({{"name", entry.name},
                      {"pid", grove::to_string(entry.pid)},
                      {"node", node_name(entry.pid.node)}});
    }
    respond(good({{"names", rows}}));
  }

  void groups(const std::vector<std::string>&, const Respond& respond) {
    Json rows = Json::array();
    for (const std::string& scope : node_.groups().scopes()) {
      for (const pg::Group& group : node_.groups().view(scope)) {
        Json members = Json::array();
        for (const Pid& pid : group.members) members.push_back(grove::to_string(pid));
        rows.push_back({{"scope", scope},
                        {"group", grove::to_string(group.group)},
                        {"members", std::move(members)}});
      }
    }
    respond(good({{"groups", rows}}));
  }

  /// By a process: a function of the program's that holds a table's lock holds up that one alone.
  void tables(const std::vector<std::string>&, const Respond& respond) {
    node_.spawn([respond](Context& context) -> Task<> {
      Json rows = Json::array();
      for (const TableInfo& table : context.node().tables()) rows.push_back(to_json(table));
      respond(good({{"tables", rows}}));
      co_return;
    });
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
      respond(bad(k_unavailable,
                  "no process has the name \"" + (args.empty() ? "" : args.front()) + '"'));
      return;
    }
    respond(good(
        {{"name", args.front()}, {"pid", grove::to_string(*pid)}, {"node", node_name(pid->node)}}));
  }

  static std::string not_found(const std::vector<std::string>& args) {
    return '"' + (args.empty() ? "" : args.front()) +
           "\" is neither a pid (NODE:LIFE:LOCAL, as ps prints them) nor a name that a process has";
  }
  /// It names this node, but one of its former lives.
  [[nodiscard]] bool is_of_former_life(const Pid& pid) const {
    return pid.node != node_.id() && node_name(pid.node) == node_.name();
  }

  void info(const std::vector<std::string>& args, const Respond& respond) {
    const auto pid = args.empty() ? std::nullopt : find(args.front());
    if (!pid) {
      respond(bad(k_data, not_found(args)));
      return;
    }
    if (is_of_former_life(*pid)) {
      respond(bad(k_unavailable, std::string{k_former_life}));
      return;
    }
    if (pid->node != node_.id()) return info_elsewhere(*pid, respond);
    inspect({*pid}, [respond, pid = *pid](Json rows) {
      if (rows.empty()) {
        respond(bad(k_unavailable, "the process " + grove::to_string(pid) + " has ended"));
      } else {
        respond(good(rows.front()));
      }
    });
  }

  /// A process of this node asks, as any of them could.
  void info_elsewhere(const Pid& pid, const Respond& respond) {
    node_.spawn([this, pid, respond](Context& context) -> Task<> {
      Json reply = bad(k_unavailable, "the process " + grove::to_string(pid) + " has ended");
      try {
        const auto info = co_await process_info(context, pid);
        if (info) reply = good(to_json(*info));
      } catch (const ProcessExit&) {
        reply = bad(k_unavailable, "node " + node_name(pid.node) + " is out of reach");
      }
      asio::post(io_, [respond, reply] { respond(reply); });
    });
  }

  void kill(const std::vector<std::string>& args, const Respond& respond) {
    const auto pid = args.empty() ? std::nullopt : find(args.front());
    if (!pid) {
      respond(bad(k_data, not_found(args)));
      return;
    }
    if (pid->node == node_.id() && !node_.is_alive(*pid)) {
      respond(bad(k_unavailable, "the process " + grove::to_string(*pid) + " has ended"));
      return;
    }
    if (is_of_former_life(*pid)) {
      respond(bad(k_unavailable, std::string{k_former_life}));
      return;
    }
    const std::string home = node_name(pid->node);
    if (pid->node != node_.id() && node_.router()->connected(home) == NodeId{}) {
      respond(bad(k_unavailable, "node " + home + " is out of reach"));
      return;
    }
    const std::string reason = args.size() > 1 ? args[1] : "kill";
    if (!is_reason(reason)) {
      respond(bad(k_usage, "a reason has 1 to 255 bytes and no control characters"));
      return;
    }
    node_.exit(*pid, ExitReason::symbol(reason));
    respond(good({{"pid", grove::to_string(*pid)}, {"reason", reason}}));
  }

  void metrics(const std::vector<std::string>&, const Respond& respond) {
    Json rows = Json::object();
    for (const auto& [name, value] : node_.metrics().all()) rows[std::string{name}] = value;
    rows["processes"] = node_.process_count();
    rows["processes_spawned_total"] = node_.processes_spawned();
    rows["sessions"] = cluster_.sessions();
    respond(good({{"metrics", rows}}));
  }

  Node& node_;
  Cluster& cluster_;
  Hooks hooks_;
  asio::io_context io_{1};
  stream_protocol::acceptor acceptor_{io_};
  asio::steady_timer pause_{io_};
  std::vector<ClientPtr> kept_;
  std::size_t unanswered_ = 0;  // requests
  bool stopping_ = false;
  std::string path_;
  struct stat made_ {};  // the file at path_
  std::thread thread_;
};

AdminServer::AdminServer(Node& node, Cluster& cluster, Hooks hooks)
    : impl_{std::make_unique<Impl>(node, cluster, std::move(hooks))} {}
AdminServer::~AdminServer() = default;
Result<void> AdminServer::start(const std::string& path) { return impl_->start(path); }
void AdminServer::stop() { impl_->stop(); }

}  // namespace grove::cli
