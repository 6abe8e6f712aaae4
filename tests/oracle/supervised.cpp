// SPDX-License-Identifier: Apache-2.0
#include "supervised.hpp"

#include "grove/node/owned.hpp"
#include "grove/node/task_supervisor.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

namespace grove::oracle {
namespace {

constexpr const char* k_births = "births";  // the directory that hears of them

/// Tells of a process's death before anybody else can know.
class Death final : public detail::Owned {
 public:
  Death(Recorder& recorder, const Pid& pid) : recorder_{recorder}, pid_{pid} {}
  void owner_ended() noexcept override { recorder_.ended(pid_); }

 private:
  Recorder& recorder_;
  const Pid pid_;
};

/// Returns: the how manieth start of its path this is.
int born(Context& context, Recorder& recorder, const std::string& path) {
  const int number = recorder.born(path, context.self());
  (void)detail::own(context, std::make_shared<Death>(recorder, context.self()));
  return number;
}

void started(Context& context, Recorder& recorder) {
  recorder.add({.kind = Event::Kind::life,
                .pid = context.self(),
                .text = "start " + recorder.text_of(context.self())});
}

void not_started(World& world, const std::string& path, const char* how, const std::string& why) {
  const Pid pid = world.recorder().find(path).value();
  world.recorder().not_started(path, how + world.recorder().text_of(pid) + why);
}

/// A supervisor has no code of its own to say that it begins; but it takes its name here.
class Births final : public Directory {
 public:
  explicit Births(Recorder& recorder) : recorder_{recorder} {}
  Result<void> register_name(Context& owner, const Via& name) override {
    born(owner, recorder_, *name.key.as_string());
    started(owner, recorder_);
    return {};
  }
  void unregister_name(Context&, const Value&) override {}
  [[nodiscard]] std::optional<Pid> whereis(const Value&) const override { return std::nullopt; }

 private:
  Recorder& recorder_;
};

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream{text};
  for (std::string part; std::getline(stream, part, at);) parts.push_back(std::move(part));
  return parts;
}

/// N of `word:N` or `word=N`; or 0.
int number_of(const std::string& behaviour, const std::string& word) {
  return behaviour.starts_with(word) ? parse_integer(behaviour.substr(word.size() + 1)) : 0;
}

Restart restart_of(const std::string& word) {
  return word == "permanent" ? permanent : word == "transient" ? transient : temporary;
}

Shutdown shutdown_of(const std::string& word) {
  if (word == "brutal_kill") return Shutdown::brutal_kill();
  if (word == "infinity") return Shutdown::infinity();
  return Shutdown::within(std::chrono::milliseconds{parse_integer(word)});
}

SupervisorSpec sup_spec(World& world, const std::string& path,
                        const std::vector<std::string>& words) {
  SupervisorSpec spec;
  spec.strategy = words.at(0) == "one_for_one"    ? one_for_one
                  : words.at(0) == "rest_for_one" ? rest_for_one
                                                  : one_for_all;
  spec.intensity.restarts = static_cast<std::size_t>(parse_integer(words.at(1)));
  spec.intensity.period = std::chrono::seconds{parse_integer(words.at(2))};
  for (std::size_t at = 3; at < words.size(); ++at) {
    if (words[at].starts_with("auto=")) {
      spec.auto_shutdown = words[at] == "auto=any_significant" ? any_significant : all_significant;
    } else {
      spec.children.push_back(child_of(world, path, words[at]));
    }
  }
  return spec;
}

/// `dynsup SUP MAX_RESTARTS MAX_SECONDS [max=N]`
Task<StartResult> start_dynsup(Context& context, World* world, Op op) {
  DynamicSpec spec;
  spec.intensity.restarts = static_cast<std::size_t>(parse_integer(op.at(2)));
  spec.intensity.period = std::chrono::seconds{parse_integer(op.at(3))};
  if (op.size() > 4) spec.max_children = static_cast<std::size_t>(number_of(op.at(4), "max"));
  ServerOptions options{Via{k_births, op.at(1)}};
  const StartResult result = co_await start_dynamic_supervisor(context, spec, std::move(options));
  co_await context.call_for<WatchFor>(std::nullopt, world->watcher(), result.pid);
  co_return result;
}

Task<> run_root(Context& context, World* world) {
  context.trap_exit(true);
  for (;;) {
    const EnvelopePtr envelope = co_await context.receive_any();
    const AsRoot* request = envelope->message.get<AsRoot>();
    if (request == nullptr) continue;
    const Op& op = request->op;
    std::string text;
    if (op.name() == "sup") {
      std::vector<std::string> words;
      for (std::size_t at = 2; at < op.size(); ++at) words.push_back(op.at(at));
      const StartResult result = co_await start_sup(context, world, op.at(1), std::move(words));
      text = result.ok() ? "ok " + world->recorder().text_of(result.pid)
                         : "error " + world->recorder().text_of(result.reason);
    } else if (op.name() == "dynsup") {
      const StartResult result = co_await start_dynsup(context, world, op);
      text = "ok " + world->recorder().text_of(result.pid);
    } else if (op.name() == "tsup") {
      const StartResult result = co_await start_dynamic_supervisor(context);
      world->recorder().name(result.pid, op.at(1));
      co_await context.call_for<WatchFor>(std::nullopt, world->watcher(), result.pid);
      text = "ok";
    } else {
      context.exit(world->recorder().find(op.at(1)).value(), ExitReason::shutdown());
      text = "true";
    }
    context.reply(From{envelope->from, envelope->serial}, std::move(text));
  }
}

}  // namespace

Worker::Worker(World* world, std::string path, std::string behaviour)
    : Server{world}, path_{std::move(path)}, behaviour_{std::move(behaviour)} {}

Task<Init> Worker::init() {
  const int number = born(context(), world().recorder(), path_);
  if (behaviour_ == "ignore") {
    not_started(world(), path_, "ignore ", "");
    co_return Init::ignore();
  }
  const int from = number_of(behaviour_, "fail_from");
  if ((from != 0 && number >= from) || number == number_of(behaviour_, "fail_on")) {
    not_started(world(), path_, "fail ", " init_failed");
    co_return Init::stop(ExitReason::symbol("init_failed"));
  }
  const bool slow = behaviour_.starts_with("slow_stop");
  if (slow || behaviour_ == "trap") context().trap_exit(true);
  co_await context().call_for<WatchFor>(std::nullopt, world().watcher(), self());
  started(context(), world().recorder());
  co_return Init::ok();
}

Task<> Worker::terminate(ExitReason reason) {
  world().recorder().add(
      {.kind = Event::Kind::terminate, .pid = self(), .text = world().recorder().text_of(reason)});
  const std::chrono::milliseconds time{number_of(behaviour_, "slow_stop")};
  if (time.count() == 0) co_return;
  const Awaited awaited{world(), time};
  co_await context().sleep_for(time);
}

ChildSpec child_of(World& world, const std::string& path, const std::string& word) {
  const std::vector<std::string> parts = split(word, ':');
  const std::string& id = parts.at(0);
  const std::string child_path = path + '.' + id;
  const bool significant = parts.back() == "significant";
  std::string behaviour = parts.at(3);
  if (parts.size() - (significant ? 1 : 0) > 4) behaviour += ':' + parts[4];

  const bool is_supervisor = behaviour.starts_with("sup=");
  ChildSpec spec{id, [&world, child_path, behaviour](Context& context, ServerOptions options) {
                   return start_server<Worker, World*, std::string, std::string>(
                       context, std::move(options), &world, child_path, behaviour);
                 }};
  if (is_supervisor) {
    spec.start = [&world, child_path, words = world.templates[behaviour.substr(4)]](
                     Context& context, ServerOptions) {
      return start_sup(context, &world, child_path, words);
    };
  }
  if (behaviour.starts_with("via=")) spec.options.name = server_name(behaviour.substr(4));
  spec.supervisor = is_supervisor;
  spec.is_significant = significant;
  return std::move(spec).with(restart_of(parts.at(1))).with(shutdown_of(parts.at(2)));
}

Task<StartResult> start_sup(Context& context, World* world, std::string path,
                            std::vector<std::string> words) {
  SupervisorSpec spec = sup_spec(*world, path, words);
  ServerOptions options{Via{k_births, path}};
  const StartResult result =
      co_await start_supervisor(context, std::move(spec), std::move(options));
  if (result.ok()) {
    co_await context.call_for<WatchFor>(std::nullopt, world->watcher(), result.pid);
  } else {
    not_started(*world, path, "fail ", ' ' + world->recorder().text_of(result.reason));
  }
  co_return result;
}

Pid start_root(World& world) {
  (void)world.node().add_directory(k_births, std::make_shared<Births>(world.recorder()));
  return world.node().spawn(run_root, &world);
}

}  // namespace grove::oracle
