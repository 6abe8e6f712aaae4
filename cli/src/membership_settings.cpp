// SPDX-License-Identifier: Apache-2.0
#include "membership_settings.hpp"

#include "addresses.hpp"

#include <algorithm>
#include <chrono>
#include <string>

namespace grove::cli {
namespace {

Result<Value> metadata(const std::vector<std::string>& texts) {
  Value::Entries entries;
  for (const std::string& text : texts) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Error{Errc::bad_argument, "--meta: \"" + text + "\" is not KEY=VALUE"};
    }
    const Value key{text.substr(0, equals)};
    if (std::any_of(entries.begin(), entries.end(),
                    [&](const auto& entry) { return entry.first == key; })) {
      return Error{Errc::bad_argument, "--meta: " + *key.as_string() + " is given twice"};
    }
    entries.emplace_back(key, Value{text.substr(equals + 1)});
  }
  return entries.empty() ? Value{} : Value::map(std::move(entries));
}

}  // namespace

Result<void> set_membership(const Settings& settings, ClusterConfig& config) {
  if (settings.partition != "continue" && settings.partition != "keep_majority") {
    return Error{Errc::bad_argument, '"' + settings.partition +
                                         "\" is no partition policy; use --partition continue or "
                                         "keep_majority"};
  }
  if (settings.minority != "stay" && settings.minority != "stop") {
    return Error{Errc::bad_argument,
                 "in a minority a node can --minority stay or stop, not " + settings.minority};
  }
  if (settings.minority == "stop" && settings.partition == "continue") {
    return Error{Errc::bad_argument,
                 "--minority stop means nothing without --partition keep_majority"};
  }
  const auto port = default_port();
  if (!port) return port.error();
  auto values = metadata(settings.meta);
  if (!values) return values.error();
  config.seeds_file = settings.seeds_file;
  config.port = *port;
  config.metadata = {settings.roles, *std::move(values)};
  config.partition.stable_after = std::chrono::seconds{settings.stable_after};
  if (settings.partition == "keep_majority") config.partition.policy = keep_majority();
  return {};
}

}  // namespace grove::cli
