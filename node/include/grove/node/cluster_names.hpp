// SPDX-License-Identifier: Apache-2.0
//
// Cluster-wide names: what a process can do with them beyond Context's register_name(), whereis()
// and Global; and what a node asks of the cluster that holds them. See docs/names.md.
//
//   global::NameOptions options;
//   options.ack = global::NameAck::majority();
//   const auto given = co_await global::register_name(context, "leader", context.self(), options);
//
// Source: OTP global; docs/adr/0019-names-through-third-nodes.md.
#pragma once

#include "grove/core/value.hpp"
#include "grove/node/context.hpp"
#include "grove/node/task.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace grove {
struct ChildSpec;    // supervisor.hpp
struct StartResult;  // gen_server.hpp
}  // namespace grove

namespace grove::global {

/// What is promised of a name. Pinned and append-only.
enum class NameMode : std::uint8_t {
  eventual = 0,  // given at once; settled afterwards where two have it
};

/// Which other nodes must have a name before its registration has succeeded.
struct NameAck {
  enum class Kind : std::uint8_t { none, nodes, majority, all };
  Kind kind = Kind::none;
  std::size_t count = 0;  // of nodes

  static NameAck none() { return {}; }
  static NameAck nodes(std::size_t others) { return {Kind::nodes, others}; }
  static NameAck majority() { return {Kind::majority, 0}; }  // of the members, this one counts
  static NameAck all() { return {Kind::all, 0}; }            // members, reached or not
};

struct NameOptions {
  NameOptions() {}
  Value metadata;  // told with the name; at most 1024 bytes as it is sent
  NameAck ack;
  Clock::Duration timeout = k_call_timeout;  // of the acknowledgement
  NameMode mode = NameMode::eventual;
};

/// A name, who has it, and what was told with it.
struct NameRow {
  std::string name;
  Pid pid;
  Value metadata;
  friend bool operator==(const NameRow&, const NameRow&) = default;
};

/// What a watcher gets when a name is given, taken away, or moved (down, then up).
struct NameEvent {
  enum class Kind : std::uint8_t { up, down };
  Ref watch;
  Kind kind = Kind::up;
  NameRow row;  // down: who had it, without metadata
};

/// A watch, and the names as they were when it began: its events continue from there.
struct NameWatch {
  Ref ref;
  std::vector<NameRow> view;  // by name
};

/// Context::register_name() with options. Waits for the acknowledgement that they ask for.
/// Errors: as there; timeout (the process has the name, but not all have said that they know);
/// name_taken, also when another's claim has won, or taken its place, meanwhile.
[[nodiscard]] Task<Result<void>> register_name(Context& context, std::string name, Pid pid,
                                               NameOptions options = {});
/// Gives the name to `pid`, whoever has it; for who has it already, replaces the metadata. Each
/// node sees one holder, the other one hears nothing.
/// Errors: as register_name(), never name_taken. Source: OTP, global:re_register_name/2.
Result<void> re_register_name(Context& context, const std::string& name, const Pid& pid,
                              Value metadata = {});
/// Takes a name away, whoever has it; of another node's process by asking that node, so that it is
/// gone a moment later. Context::unregister_name() is for this node's processes.
/// Returns: whether somebody has it. Source: OTP, global:unregister_name/1.
bool unregister_name(Context& context, const std::string& name);
[[nodiscard]] std::optional<NameRow> find(const Context& context, std::string_view name);

/// From now on the process gets a NameEvent for each change of a name that begins with `prefix`, as
/// it is seen here, until it ends or unwatches.
[[nodiscard]] NameWatch watch_names(Context& context, std::string prefix = {});
/// No event of it is added any more. Those that are queued stay.
void unwatch_names(Context& context, const Ref& watch);

/// Who has the name; where nobody has, a server started from `spec`, linked to the caller.
/// Returns: ok, or already_started with the holder's pid; else as the server's start.
[[nodiscard]] Task<StartResult> start_or_get(Context& context, std::string name, ChildSpec spec);
/// A child that runs once in the cluster: on the node that has the name; on the others a stand-in
/// watches who has it and takes over when that ends. Of one that lost its name, to another node's
/// after a partition or because it was moved or taken away, the stand-in stays. Where the server
/// ignores its start the child does, too. To which_children() and count_children() the stand-in is
/// a supervisor of that one server.
[[nodiscard]] ChildSpec singleton(std::string name, ChildSpec spec);

}  // namespace grove::global

namespace grove {

/// What a node asks of the cluster. Threads: all members from any.
class ClusterNames {
 public:
  struct Request {
    std::string name;
    Pid pid;
    Value metadata;
    bool replaces = false;  // whoever has it
    global::NameAck ack;
    Ref waiter;  // made by the process that gets a detail::NameAnswer, if `ack` asks for one
  };
  /// Errors: name_taken (detail: the holder's pid), already_started (the process has another),
  /// noproc, bad_argument (the metadata), unavailable (too many), refused (by a minority).
  /// `asker`: who gets the answer, if one is wanted.
  virtual Result<void> add(const Request& request, const Pid& asker) = 0;
  /// No answer is wanted any more.
  virtual void forget(const Ref& waiter) = 0;
  /// `anywhere`: of another node's process, too, by asking that node.
  /// Returns: whether somebody has it.
  virtual bool remove(const std::string& name, bool anywhere) = 0;
  [[nodiscard]] virtual std::optional<Pid> find(std::string_view name) const = 0;
  [[nodiscard]] virtual std::optional<global::NameRow> row(std::string_view name) const = 0;
  /// All, by name.
  [[nodiscard]] virtual std::vector<GlobalName> all() const = 0;
  [[nodiscard]] virtual std::vector<global::NameRow> watch(const Pid& watcher, const Ref& ref,
                                                           const std::string& prefix) = 0;
  virtual void unwatch(const Ref& ref) = 0;

 protected:
  ~ClusterNames() = default;
};

namespace detail {

/// What became of a registration that was to be acknowledged: nobody, or who has the name instead.
struct NameAnswer {
  Ref waiter;
  bool given = false;
  Pid winner;
};

}  // namespace detail
}  // namespace grove
