// SPDX-License-Identifier: Apache-2.0
#include "recorder.hpp"

#include <cstddef>
#include <utility>

namespace grove::oracle {
namespace {

/// The `what` of an exception that ended a process; scripts themselves have no strings.
const std::string* uncaught(const Value::Items& items) {
  const bool is_error = items.size() == 3 && items[0] == Value::symbol("error");
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

std::string Recorder::text_of(const Pid& pid) const {
  std::string name = name_of(pid);
  return name.empty() ? "?" : name;
}

std::string Recorder::text_of(const Value& value) const {
  if (const Pid* pid = value.as_pid()) return text_of(*pid);
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
