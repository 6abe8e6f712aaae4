// SPDX-License-Identifier: Apache-2.0
#include "admin_json.hpp"

#include <chrono>
#include <string_view>
#include <vector>

namespace grove::cli {

using Json = nlohmann::json;

namespace {

std::string_view to_string(Member::State state) {
  switch (state) {
    case Member::State::up: return "up";
    case Member::State::partial: return "partial";
    case Member::State::suspect: return "suspect";
    case Member::State::down: return "down";
    case Member::State::left: return "left";
  }
  return "";
}

std::string_view to_string(Priority priority) {
  switch (priority) {
    case Priority::low: return "low";
    case Priority::normal: return "normal";
    case Priority::high: return "high";
    case Priority::max: return "max";
  }
  return "";
}

std::string_view to_string(Access access) {
  switch (access) {
    case Access::public_: return "public";
    case Access::protected_: return "protected";
    case Access::private_: return "private";
  }
  return "";
}

}  // namespace

Json to_json(const std::optional<Clock::Duration>& duration) {
  if (!duration) return nullptr;
  return std::chrono::duration_cast<std::chrono::milliseconds>(*duration).count();
}

Json to_json(const TableInfo& table) {
  return {{"name", table.name},
          {"id", table.id},
          {"owner", grove::to_string(table.owner)},
          {"kind", table.kind == TableKind::set ? "set" : "ordered_set"},
          {"access", to_string(table.access)},
          {"key_type", table.key_type},
          {"value_type", table.value_type},
          {"size", table.size},
          {"bytes", table.bytes}};
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
          {"ancestors", pids(info.ancestors)},
          {"status", info.status},
          {"priority", to_string(info.priority)},
          {"handling", info.handling},
          {"handling_ms", to_json(info.handling_since)},
          {"mailbox", info.mailbox},
          {"oldest_message_ms", to_json(info.oldest_message_age)},
          {"reductions", info.reductions},
          {"memory_bytes", info.memory_bytes},
          {"trap_exit", info.trap_exit},
          {"links", pids(info.links)},
          {"monitors", pids(info.monitors)},
          {"monitored_by", pids(info.monitored_by)},
          {"tables", info.tables}};
}

Json to_json(const Member& member) {
  return {{"name", member.name},
          {"address", member.address},
          {"life", to_base36(member.life.value)},
          {"state", to_string(member.state)},
          {"self", member.self},
          {"incarnation", member.incarnation},
          {"over", member.over},
          {"trouble", member.trouble},
          {"reached_by", member.reached_by},
          {"accusers", member.accusers},
          {"roles", member.metadata.roles},
          {"metadata",
           member.metadata.values == Value{} ? Json::object() : to_json(member.metadata.values)},
          {"queued_bytes", member.queued_bytes}};
}

Json to_json(const Value& value) {
  const auto text = [](const Value& of) {
    if (const auto* string = of.as_string()) return *string;
    return grove::to_string(of);
  };
  const auto array = [](const Value::Items& items) {
    Json out = Json::array();
    for (const Value& item : items) out.push_back(to_json(item));
    return out;
  };
  switch (value.kind()) {
    case Value::Kind::nil: return nullptr;
    case Value::Kind::boolean: return *value.as_bool();
    case Value::Kind::integer: return *value.as_integer();
    case Value::Kind::real: return *value.as_real();
    case Value::Kind::list: return array(*value.as_list());
    case Value::Kind::tuple: return array(*value.as_tuple());
    case Value::Kind::map: {
      Json out = Json::object();
      for (const auto& [key, item] : *value.as_map()) out[text(key)] = to_json(item);
      return out;
    }
    default: return text(value);
  }
}

Json to_json(const transport::Sessions::SeedView& seed) {
  return {{"address", seed.address}, {"node", seed.answered_by}, {"trouble", seed.trouble}};
}

Json to_json(const transport::Sessions::RefusedView& refused, Clock::TimePoint now) {
  return {{"name", refused.name},
          {"address", refused.address},
          {"by", refused.by_us ? "us" : "them"},
          {"why", refused.why},
          {"times", refused.times},
          {"last_ms", to_json(now - refused.last)}};
}

}  // namespace grove::cli
