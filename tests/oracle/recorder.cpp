// SPDX-License-Identifier: Apache-2.0
#include "recorder.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace grove::oracle {
namespace {

/// The `what` of an exception that ended a process.
const std::string* uncaught(const Value::Items& items) {
  static const std::string k_no_handler = "function_clause";
  const bool is_error = items.size() == 3 && items[0] == Value::symbol("error");
  if (is_error && items[1] == Value{"unhandled"}) return &k_no_handler;
  return is_error ? items[2].as_string() : nullptr;
}

}  // namespace

void Recorder::name(const Pid& pid, const std::string& name) {
  const std::lock_guard lock{mutex_};
  names_.emplace(pid, name);
  pids_.insert_or_assign(name, pid);
}

std::optional<Pid> Recorder::find(const std::string& name) const {
  const std::lock_guard lock{mutex_};
  const auto place = pids_.find(name);
  return place == pids_.end() ? std::nullopt : std::optional{place->second};
}

std::string Recorder::name_of(const Pid& pid) const {
  const std::lock_guard lock{mutex_};
  const auto place = names_.find(pid);
  return place == names_.end() ? std::string{} : place->second;
}

std::vector<std::pair<Pid, std::string>> Recorder::names() const {
  const std::lock_guard lock{mutex_};
  return {names_.begin(), names_.end()};
}

int Recorder::born(const std::string& path, const Pid& pid) {
  const std::lock_guard lock{mutex_};
  const int number = ++births_[path];
  const std::string name = path + '#' + std::to_string(number);
  names_.emplace(pid, name);
  pids_.insert_or_assign(name, pid);
  pids_.insert_or_assign(path, pid);
  supervised_.insert(pid);
  return number;
}

void Recorder::not_started(const std::string& path, const std::string& text) {
  const std::lock_guard lock{mutex_};
  const Pid pid = pids_.at(path);
  not_started_.insert(pid);
  std::erase_if(events_, [&](const Event& event) {
    return event.kind == Event::Kind::down && event.pid == pid;
  });
  events_.push_back({.kind = Event::Kind::life, .pid = pid, .text = text});
}

void Recorder::ended(const Pid& pid) {
  const std::lock_guard lock{mutex_};
  if (not_started_.contains(pid)) return;
  events_.push_back({.kind = Event::Kind::down, .pid = pid});
}

void Recorder::died(const Pid& pid, const ExitReason& reason) {
  const std::string text = text_of(reason);
  const std::lock_guard lock{mutex_};
  if (!supervised_.contains(pid)) {
    events_.push_back({.kind = Event::Kind::died, .pid = pid, .text = "died " + text});
  }
  for (Event& event : events_) {
    if (event.kind == Event::Kind::down && event.pid == pid) event.text = text;
  }
}

bool Recorder::is_supervisor(const std::string& name) const {
  const std::string below = name.substr(0, name.find('#')) + '.';
  const std::lock_guard lock{mutex_};
  const auto next = pids_.lower_bound(below);
  return next != pids_.end() && next->first.starts_with(below);
}

void Recorder::loosen(const std::string& path) {
  const std::lock_guard lock{mutex_};
  loose_.push_back(path + '.');
}

bool Recorder::is_loose(const std::string& name) const {
  const std::lock_guard lock{mutex_};
  return std::any_of(loose_.begin(), loose_.end(),
                     [&](const std::string& path) { return name.starts_with(path); });
}

std::string Recorder::text_of(const Pid& pid) const {
  std::string name = name_of(pid);
  return name.empty() ? "?" : name;
}

std::string Recorder::text_of(const Value& value) const {
  if (const Pid* pid = value.as_pid()) return text_of(*pid);
  if (const std::string* text = value.as_string()) return *text;  // a child's id
  const Value::Items* items = value.as_tuple();
  const bool is_tuple = items != nullptr;
  if (!is_tuple) items = value.as_list();
  if (items == nullptr) return to_string(value);
  if (is_tuple) {
    if (const std::string* what = uncaught(*items)) return "error(" + *what + ")";
  }
  const bool tagged = is_tuple && items->size() > 1 && items->front().as_symbol() != nullptr;
  std::string text;
  for (std::size_t i = tagged ? 1 : 0; i < items->size(); ++i) {
    text += (text.empty() ? "" : ",") + text_of((*items)[i]);
  }
  if (tagged) return *items->front().as_symbol() + "(" + text + ")";
  return is_tuple ? "{" + text + "}" : "[" + text + "]";
}

void Recorder::add(Event event) {
  const std::lock_guard lock{mutex_};
  events_.push_back(std::move(event));
}

std::vector<Event> Recorder::take() {
  const std::lock_guard lock{mutex_};
  return std::exchange(events_, {});
}

}  // namespace grove::oracle
