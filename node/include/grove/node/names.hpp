// SPDX-License-Identifier: Apache-2.0
//
// Names: what a process can be called, and whom a message can be for.
//
//   "counter"                    a local name
//   Global{"counter"}            a cluster-wide name
//   RemoteName{"counter", "b"}   a local name of the node b
//   Via{"registry", key}         a key of a registry of this node, or of a Directory of the program
//
// Thread-safety: as values. Source: OTP gen_server:server_ref() and server_name(); NAM-*.
#pragma once

#include "grove/core/ids.hpp"
#include "grove/core/result.hpp"
#include "grove/core/value.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace grove {

class Context;

/// Where a plain name is known: on its node, or in the whole cluster.
enum class Scope : std::uint8_t { local, cluster };

// They have constructors, so that they are safe as temporaries in a co_await expression.

struct Global {
  explicit Global(std::string global_name) : name{std::move(global_name)} {}
  std::string name;
};

/// A cluster-wide name and who has it.
struct GlobalName {
  std::string name;
  Pid pid;
};

struct RemoteName {
  RemoteName(std::string local_name, std::string node_name)
      : name{std::move(local_name)}, node{std::move(node_name)} {}
  std::string name;
  std::string node;
};

struct Via {
  Via(std::string directory_name, Value name, Value stored = {})
      : directory{std::move(directory_name)}, key{std::move(name)}, value{std::move(stored)} {}
  std::string directory;
  Value key;
  Value value;  // kept beside the key of a server that is started under it
};

/// Under what a server is registered; empty: under nothing.
class ServerName {
 public:
  ServerName() = default;
  ServerName(std::string local_name) : name_{std::move(local_name)} {}
  ServerName(const char* local_name) : name_{std::string{local_name}} {}
  ServerName(Global global) : name_{std::move(global)} {}
  ServerName(Via via) : name_{std::move(via)} {}

  [[nodiscard]] bool empty() const noexcept { return name_.index() == 0; }
  /// Null when it is a name of another kind.
  [[nodiscard]] const std::string* local() const noexcept {
    return std::get_if<std::string>(&name_);
  }
  [[nodiscard]] const Global* global() const noexcept { return std::get_if<Global>(&name_); }
  [[nodiscard]] const Via* via() const noexcept { return std::get_if<Via>(&name_); }

 private:
  std::variant<std::monostate, std::string, Global, Via> name_;
};
[[nodiscard]] std::string to_string(const ServerName& name);

/// Whom a call or a cast is for. A name is looked up each time it is used.
class ServerRef {
 public:
  ServerRef(const Pid& pid) : target_{pid} {}
  ServerRef(std::string_view local_name) : target_{std::string{local_name}} {}
  ServerRef(std::string local_name) : target_{std::move(local_name)} {}
  ServerRef(const char* local_name) : target_{std::string{local_name}} {}
  ServerRef(Global name) : target_{std::move(name)} {}
  ServerRef(RemoteName name) : target_{std::move(name)} {}
  ServerRef(Via name) : target_{std::move(name)} {}

  /// Null when it is of another kind.
  template <class T>
  [[nodiscard]] const T* get() const noexcept {
    return std::get_if<T>(&target_);
  }

 private:
  std::variant<Pid, std::string, Global, RemoteName, Via> target_;
};

/// Gives names to processes of this node by a rule of its own: a Registry, or the program's
/// (OTP: a `via` module). Node::add_directory() makes it known.
/// Threads: all members from any; the first two only in the process that is named.
class Directory {
 public:
  virtual ~Directory() = default;
  /// Names the running process. Errors: name_taken, and its own.
  virtual Result<void> register_name(Context& owner, const Via& name) = 0;
  virtual void unregister_name(Context& owner, const Value& key) = 0;
  /// Nothing, too, when whoever had it has ended.
  [[nodiscard]] virtual std::optional<Pid> whereis(const Value& key) const = 0;
};

}  // namespace grove
