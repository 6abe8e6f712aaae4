// SPDX-License-Identifier: Apache-2.0
//
// Resolver: names to addresses, on threads of its own: the system's look-up blocks, for many
// seconds where a name server does not answer, and cannot be called off.
//
// Thread-safety: all members.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace grove::transport {

class Resolver {
 public:
  using Found = std::function<void(std::vector<std::string>)>;
  /// From a host's name to numeric hosts; blocks. It may still run when the resolver is gone.
  using LookUp = std::function<std::vector<std::string>(const std::string& host)>;
  /// Names that are looked up at once; further ones wait for one of them.
  static constexpr std::size_t k_threads_max = 16;

  explicit Resolver(LookUp look_up = ask_the_system);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Hands what `address` stands for to `found`, which must not block or call the resolver: on one
  /// of its threads, or, if there is nothing to look up, at once. See Transport::resolve.
  void look_up(const std::string& address, Found found);
  /// From here on no `found` runs; what is being looked up is left to itself. Does not wait for it.
  void stop();

  static std::vector<std::string> ask_the_system(const std::string& host);

 private:
  struct Shared;
  static void work(Shared& shared);
  const std::shared_ptr<Shared> shared_;  // the threads' too: they may outlive us
};

}  // namespace grove::transport
