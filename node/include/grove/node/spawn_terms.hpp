// SPDX-License-Identifier: Apache-2.0
//
// SpawnTerms and Behaviour: what one node asks another to start, and who makes it there.
// behaviour.hpp has what programs use.
#pragma once

#include "grove/core/message.hpp"
#include "grove/core/priority.hpp"
#include "grove/node/body.hpp"
#include "grove/node/names.hpp"
#include "grove/node/server.hpp"
#include "grove/node/spawn_options.hpp"
#include "grove/node/waiter.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace grove::detail {

/// What a node is asked to start, but for the arguments.
struct SpawnTerms {
  enum class Purpose : std::uint8_t { process, server, call };
  Purpose purpose = Purpose::process;
  bool link = false;
  bool monitor = false;
  bool trap_exit = false;
  Priority priority = Priority::normal;
  std::uint32_t mailbox_messages = 0;
  MailboxPolicy mailbox_policy = MailboxPolicy::suspend_sender;
  std::string label = {};
  Value name = {};  // of a server: nil, "local", {global, "name"} or {via, "directory", Key, Value}
  Timeout hibernate_after = {};  // of a server
};
[[nodiscard]] SpawnTerms terms_of(const SpawnOptions& options);
[[nodiscard]] SpawnTerms terms_of(const ServerOptions& options);
/// Those of the process, without its ties.
[[nodiscard]] SpawnOptions options_of(const SpawnTerms& terms);
[[nodiscard]] ServerOptions server_options_of(const SpawnTerms& terms);
/// Whether some node could have meant them: a peer can send any number.
[[nodiscard]] bool are_valid(const SpawnTerms& terms) noexcept;

/// A declared behaviour, as the runtime sees it.
struct Behaviour {
  std::string_view name;
  const MessageType* order;  // the type of the message that asks for it
  const SpawnTerms& (*terms)(const Message& order);
  /// What is to run; null when it cannot be started so. `asker` is whom it is to answer.
  std::unique_ptr<Body> (*make)(Message order, const From& asker);
};
/// Threads: any. Bounds: lives as long as the program.
bool register_behaviour(const Behaviour& behaviour);
/// Null: messages of that type order nothing.
[[nodiscard]] const Behaviour* find_behaviour(const MessageType* order) noexcept;

}  // namespace grove::detail

GROVE_MESSAGE(grove::detail::SpawnTerms, "grove.spawn_terms", purpose, link, monitor, trap_exit,
              priority, mailbox_messages, mailbox_policy, label, name, hibernate_after)
