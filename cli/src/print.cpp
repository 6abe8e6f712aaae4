// SPDX-License-Identifier: Apache-2.0
//
// Answers for people: tables, trees, sentences.
#include "grove/core/printable.hpp"

#include "admin_client.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <poll.h>
#include <unistd.h>

namespace grove::cli {
namespace {

using Json = nlohmann::json;
using Row = std::vector<std::string>;

constexpr int k_patience_ms = 100;  // with whoever reads stderr, as of a node's log

std::string text(const Json& object, const char* key) {
  const auto value = object.find(key);
  if (value == object.end() || value->is_null()) return "";
  return printable(value->is_string() ? value->get<std::string>() : value->dump());
}

void table(const Row& head, std::vector<Row> rows) {
  for (Row& row : rows) {
    for (std::string& cell : row) cell = printable(cell);
  }
  std::vector<std::size_t> widths(head.size());
  for (std::size_t i = 0; i < head.size(); ++i) widths[i] = head[i].size();
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const auto line = [&widths](const Row& row) {
    std::string out;
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    std::cout << out << '\n';
  };
  line(head);
  for (const Row& row : rows) line(row);
}

/// "role web, db; zone=west"
template <class Add>
void add_metadata(const Json& member, const Add& add) {
  std::string roles;
  for (const Json& role : member["roles"]) {
    roles += (roles.empty() ? "role " : ", ") + role.get<std::string>();
  }
  if (!roles.empty()) add(roles);
  for (const auto& [key, value] : member["metadata"].items()) {
    add(key + '=' + text(member["metadata"], key.c_str()));
  }
}

/// What a member's state does not say by itself.
std::string note_on(const Json& member) {
  const bool self = member["self"].get<bool>();
  const bool left = text(member, "state") == "left";  // then it is in no trouble
  std::string note = self ? "this node" : left ? "" : text(member, "trouble");
  const auto add = [&note](const std::string& more) {
    if (!note.empty()) note += "; ";
    note += more;
  };
  if (const std::string by = text(member, "reached_by"); !by.empty()) add("reached by " + by);
  std::string accusers;
  for (const Json& accuser : member["accusers"]) accusers += " " + accuser.get<std::string>();
  if (!accusers.empty()) add("out of reach of" + accusers);
  add_metadata(member, add);
  if (const std::string over = text(member, "over"); over.starts_with("ipc://"))
    add("over " + over);
  return note;
}

void print_members(const Json& result) {
  std::vector<Row> rows;
  for (const Json& member : result["members"]) {
    std::string note = note_on(member);
    rows.push_back({text(member, "state"), text(member, "name"), text(member, "address"),
                    text(member, "life"), std::move(note)});
  }
  for (const Json& seed : result.value("seeds", Json::array())) {
    if (!text(seed, "node").empty()) continue;
    const std::string trouble = text(seed, "trouble");
    rows.push_back(
        {"joining", "?", text(seed, "address"), "", trouble.empty() ? "no answer yet" : trouble});
  }
  for (const Json& refused : result.value("refused", Json::array())) {
    const std::string name = text(refused, "name");
    rows.push_back({"refused", name.empty() ? "?" : name, text(refused, "address"), "",
                    (text(refused, "by") == "us" ? "by this node: " : "refused this node: ") +
                        text(refused, "why") + ", " + text(refused, "times") + " times"});
  }
  table({"STATE", "NAME", "ADDRESS", "LIFE", ""}, rows);
  if (text(result, "side") == "minority") {
    std::cout << "this node is in the minority of a partition\n";
  }
}

std::string title(const Json& process) {
  const std::string label = text(process, "label");
  const std::string name = text(process, "name");
  if (label.empty()) return name.empty() ? "process" : name;
  return name.empty() || name == label ? label : label + " (" + name + ")";
}

void print_ps(const Json& result) {
  std::vector<Row> rows;
  for (const Json& process : result["processes"]) {
    rows.push_back({text(process, "pid"), title(process), text(process, "status"),
                    text(process, "mailbox"), text(process, "oldest_message_ms"),
                    text(process, "reductions"), text(process, "memory_bytes"),
                    text(process, "handling")});
  }
  table({"PID", "WHAT", "STATUS", "MAILBOX", "OLDEST_MS", "REDUCTIONS", "MEMORY", "HANDLING"},
        rows);
}

void print_tree(const Json& result) {
  std::multimap<std::string, const Json*> children;
  std::map<std::string, const Json*> known;
  for (const Json& process : result["processes"]) {
    known.emplace(text(process, "pid"), &process);
    children.emplace(text(process, "parent"), &process);
  }
  const std::function<void(const Json&, const std::string&, const std::string&)> show =
      [&](const Json& process, const std::string& lead, const std::string& branch) {
        std::cout << lead << branch << printable(title(process)) << "  " << text(process, "pid")
                  << '\n';
        const auto [first, last] = children.equal_range(text(process, "pid"));
        const std::string deeper = lead + (branch.empty() ? "" : branch == "└─ " ? "   " : "│  ");
        for (auto child = first; child != last; ++child) {
          show(*child->second, deeper, std::next(child) == last ? "└─ " : "├─ ");
        }
      };
  for (const Json& process : result["processes"]) {
    if (!known.contains(text(process, "parent"))) show(process, "", "");
  }
}

void print_names(const Json& result) {
  std::vector<Row> rows;
  for (const Json& name : result["names"]) {
    rows.push_back({text(name, "name"), text(name, "node"), text(name, "pid")});
  }
  table({"NAME", "NODE", "PID"}, rows);
}

void print_groups(const Json& result) {
  std::vector<Row> rows;
  for (const Json& group : result["groups"]) {
    for (const Json& member : group["members"]) {
      rows.push_back({text(group, "scope"), text(group, "group"), member.get<std::string>()});
    }
  }
  table({"SCOPE", "GROUP", "MEMBER"}, rows);
}

void print_tables(const Json& result) {
  std::vector<Row> rows;
  for (const Json& row : result["tables"]) {
    rows.push_back({text(row, "id"), text(row, "name"), text(row, "kind"), text(row, "access"),
                    text(row, "size"), text(row, "bytes"), text(row, "owner")});
  }
  table({"ID", "NAME", "KIND", "ACCESS", "SIZE", "BYTES", "OWNER"}, rows);
}

void print_fields(const Json& result) {
  for (const auto& [key, value] : result.items()) {
    if (key == "schema_version") continue;
    if (value.is_array()) {
      std::string list;
      for (const Json& item : value) {
        list += (list.empty() ? "" : " ") +
                (item.is_string() ? printable(item.get<std::string>()) : "");
      }
      std::cout << fmt::format("{:<17} {}\n", key, list);
    } else {
      std::cout << fmt::format("{:<17} {}\n", key, text(result, key.c_str()));
    }
  }
}

void print_metrics(const Json& result) {
  for (const auto& [name, value] : result["metrics"].items()) {
    std::cout << name << ' ' << value << '\n';
  }
}

void print_result(const std::string& verb, const Json& result) {
  if (verb == "members") print_members(result);
  if (verb == "ps") print_ps(result);
  if (verb == "tree") print_tree(result);
  if (verb == "names") print_names(result);
  if (verb == "groups") print_groups(result);
  if (verb == "tables") print_tables(result);
  if (verb == "info") print_fields(result);
  if (verb == "metrics") print_metrics(result);
  if (verb == "whereis") std::cout << text(result, "pid") << '\n';
  if (verb == "health") std::cout << text(result, "why") << '\n';
  if (verb == "join" && result.contains("forgotten")) {
    std::cout << "does not look for " << text(result, "forgotten") << " any more\n";
  } else if (verb == "join") {
    std::cout << "joined " << text(result, "joined") << " at " << text(result, "address") << '\n';
  }
  if (verb == "leave") std::cout << text(result, "leaving") << " has left and stopped\n";
  if (verb == "stop") std::cout << text(result, "stopping") << " has stopped\n";
  if (verb == "kill") {
    std::cout << "sent exit signal " << text(result, "reason") << " to " << text(result, "pid")
              << '\n';
  }
}

}  // namespace

int complain(bool json, int code, const std::string& why) {
  if (json) {
    const Json error{{"schema_version", 1}, {"error", why}, {"code", code}};
    std::cout << error.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  }
  // A node does not wait for somebody to read why it ends.
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  if (poll(&out, 1, k_patience_ms) != 0) std::cerr << "grove: " << why << '\n';
  return code;
}

int print(const Settings& settings, const Json& answer) {
  if (!answer.value("ok", false)) {
    return complain(settings.json, answer.value("code", static_cast<int>(k_internal)),
                    answer.value("error", std::string{"the node gave no reason"}));
  }
  const Json& result = answer["result"];
  if (settings.json) {
    std::cout << result.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  } else {
    print_result(settings.verb, result);
  }
  if (settings.verb == "health" && !result.value("healthy", false)) return k_no;
  return k_ok;
}

}  // namespace grove::cli
