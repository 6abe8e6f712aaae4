// SPDX-License-Identifier: Apache-2.0
#include "grove/node/spawn_terms.hpp"

#include "grove/node/behaviour.hpp"

#include <mutex>
#include <unordered_map>
#include <utility>

namespace grove::detail {
namespace {

struct Behaviours {
  std::mutex mutex;
  std::unordered_map<const MessageType*, const Behaviour*> by_order;
};
/// Filled during static initialisation, and by libraries that are loaded later.
Behaviours& behaviours() {
  static auto& instance = *new Behaviours;
  return instance;
}

Value to_value(const ServerName& name) {
  if (const auto* local = name.local()) return *local;
  if (const auto* global = name.global()) {
    return Value::tuple({Value::symbol("global"), global->name});
  }
  if (const Via* via = name.via()) {
    return Value::tuple({Value::symbol("via"), via->directory, via->key, via->value});
  }
  return {};
}

/// Empty for what to_value() makes of no name.
ServerName server_name(const Value& value) {
  if (const auto* local = value.as_string()) return *local;
  const Value::Items* items = value.as_tuple();
  if (items == nullptr || items->size() < 2) return {};
  const std::string* kind = items->front().as_symbol();
  const std::string* text = (*items)[1].as_string();
  if (kind == nullptr || text == nullptr) return {};
  if (*kind == "global" && items->size() == 2) return Global{*text};
  if (*kind == "via" && items->size() == 4) return Via{*text, (*items)[2], (*items)[3]};
  return {};
}

}  // namespace

bool register_behaviour(const Behaviour& behaviour) {
  const std::lock_guard lock{behaviours().mutex};
  behaviours().by_order[behaviour.order] = &behaviour;
  return true;
}

const Behaviour* find_behaviour(const MessageType* order) noexcept {
  const std::lock_guard lock{behaviours().mutex};
  const auto found = behaviours().by_order.find(order);
  return found == behaviours().by_order.end() ? nullptr : found->second;
}

SpawnTerms terms_of(const SpawnOptions& options) {
  SpawnTerms terms;
  terms.link = options.link;
  terms.monitor = options.monitor;
  terms.trap_exit = options.trap_exit;
  terms.priority = options.priority;
  terms.mailbox_messages = options.mailbox.messages;
  terms.mailbox_policy = options.mailbox.policy;
  terms.label = options.label;
  return terms;
}

SpawnTerms terms_of(const ServerOptions& options) {
  SpawnTerms terms;
  terms.purpose = SpawnTerms::Purpose::server;
  terms.link = options.link;
  terms.trap_exit = options.trap_exit;
  terms.priority = options.priority;
  terms.mailbox_messages = options.mailbox.messages;
  terms.mailbox_policy = options.mailbox.policy;
  terms.label = options.label;
  terms.name = to_value(options.name);
  terms.hibernate_after = options.hibernate_after;
  return terms;
}

SpawnOptions options_of(const SpawnTerms& terms) {
  SpawnOptions options;
  options.trap_exit = terms.trap_exit;
  options.priority = terms.priority;
  options.mailbox = {terms.mailbox_messages, terms.mailbox_policy};
  options.label = terms.label;
  return options;
}

ServerOptions server_options_of(const SpawnTerms& terms) {
  ServerOptions options{server_name(terms.name)};
  options.label = terms.label;
  options.link = terms.link;
  options.trap_exit = terms.trap_exit;
  options.hibernate_after = terms.hibernate_after;
  return options;
}

bool are_valid(const SpawnTerms& terms) noexcept {
  return terms.purpose <= SpawnTerms::Purpose::call && terms.priority <= Priority::max &&
         terms.mailbox_policy <= MailboxPolicy::fail;
}

std::pair<CallEnd, ExitReason> end_of_call(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const ProcessExit& exit) {
    return {CallEnd::exit, exit.reason()};
  } catch (...) {
    return {CallEnd::exception, exit_reason_of(failure)};
  }
}

}  // namespace grove::detail
