// SPDX-License-Identifier: Apache-2.0
#include "admin_client.hpp"

#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace grove::cli {
namespace {

using asio::local::stream_protocol;

/// The nodes that have a socket here and answer it.
std::vector<std::string> running_nodes(const std::string& run_dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{run_dir, error}) {
    if (entry.path().extension() != ".sock") continue;
    asio::io_context io;
    stream_protocol::socket probe{io};
    std::error_code refused;
    probe.connect(stream_protocol::endpoint{entry.path().string()}, refused);
    if (!refused) names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

Result<std::string> choose_node(const Settings& settings) {
  const std::vector<std::string> running = running_nodes(settings.run_dir);
  if (!settings.node.empty()) {
    if (std::find(running.begin(), running.end(), settings.node) != running.end()) {
      return settings.node;
    }
    return Error{Errc::unavailable,
                 "no node named " + settings.node + " runs here; " +
                     (running.empty() ? "none does" : "there is " + joined(running))};
  }
  if (running.size() == 1) return running.front();
  if (running.empty()) {
    return Error{Errc::unavailable, "no node runs here (no socket answers in " + settings.run_dir +
                                        "); start one with: grove run --name a"};
  }
  return Error{Errc::bad_argument,
               "several nodes run here: " + joined(running) + "; choose one with --node NAME"};
}

}  // namespace

Result<nlohmann::json> ask(const Settings& settings) {
  auto node = choose_node(settings);
  if (!node) return node.error();
  nlohmann::json request{{"verb", settings.verb}, {"args", settings.args}};
  if (settings.verb == "health") request["args"] = {settings.live ? "live" : "ready"};
  asio::io_context io;
  stream_protocol::socket socket{io};
  try {
    socket.connect(stream_protocol::endpoint{socket_path(settings.run_dir, *node)});
    asio::write(socket, asio::buffer(request.dump() + '\n'));
    std::string line;
    asio::read_until(socket, asio::dynamic_buffer(line), '\n');
    auto answer = nlohmann::json::parse(line, nullptr, false);
    if (!answer.is_object()) return Error{Errc::malformed, "node " + *node + " answers nonsense"};
    return answer;
  } catch (const std::system_error& error) {
    return Error{Errc::unavailable, "node " + *node + " does not answer: " + error.what()};
  }
}

}  // namespace grove::cli
