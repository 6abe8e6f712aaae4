// SPDX-License-Identifier: Apache-2.0
#include "admin_client.hpp"

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

namespace grove::cli {
namespace {

using Json = nlohmann::json;
using asio::local::stream_protocol;

constexpr auto k_answer_wait = std::chrono::seconds{10};
constexpr auto k_end_wait = std::chrono::seconds{40};  // more than a node takes to give up

/// One question to a node, and its answer.
class Conversation {
 public:
  explicit Conversation(std::string path) : path_{std::move(path)} {}

  /// Errors: unavailable, timeout (a node that is suspended, or hangs).
  Result<std::string> ask(std::string line) {
    line_ = std::move(line);
    socket_.async_connect(stream_protocol::endpoint{path_}, [this](const std::error_code& error) {
      if (failed(error)) return;
      asio::async_write(socket_, asio::buffer(line_), [this](const auto& unsent, std::size_t) {
        if (failed(unsent)) return;
        asio::async_read_until(socket_, asio::dynamic_buffer(answer_), '\n',
                               [this](const auto& unread, std::size_t) { failed(unread); });
      });
    });
    io_.run_for(k_answer_wait);
    if (!io_.stopped()) {
      return Error{Errc::timeout,
                   "nothing came for 10 seconds; is its process suspended, or the "
                   "machine overloaded?"};
    }
    if (error_) return Error{Errc::unavailable, error_.message()};
    return answer_;
  }

  /// A node that ends keeps the connection up to the last. Returns: false when it takes too long.
  bool wait_for_end() {
    answer_.clear();
    asio::async_read_until(socket_, asio::dynamic_buffer(answer_), '\n',
                           [](const std::error_code&, std::size_t) {});
    io_.restart();
    io_.run_for(k_end_wait);
    return io_.stopped();
  }

 private:
  bool failed(const std::error_code& error) {
    error_ = error;
    return static_cast<bool>(error);
  }

  std::string path_;
  std::string line_;
  std::string answer_;
  std::error_code error_;
  asio::io_context io_;
  stream_protocol::socket socket_{io_};
};

/// The nodes that have a socket here and answer it.
std::vector<std::string> running_nodes(const std::string& run_dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{run_dir, error}) {
    if (entry.path().extension() != ".sock") continue;
    if (entry.path().string().size() > k_socket_path_max) continue;
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
                     (running.empty() ? "no socket answers in " + settings.run_dir
                                      : "there is " + joined(running))};
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
  Json request{{"verb", settings.verb}, {"args", settings.args}};
  if (settings.verb == "health") request["args"] = {settings.live ? "live" : "ready"};
  if (settings.forget) request["args"].push_back("forget");
  std::string line;
  try {
    line = request.dump() + '\n';
  } catch (const Json::type_error&) {
    return Error{Errc::bad_argument, "an argument is not UTF-8 text"};
  }
  if (line.size() > k_request_bytes_max) {
    return Error{Errc::bad_argument, "an argument is too long"};
  }
  Conversation with_node{socket_path(settings.run_dir, *node)};
  const auto said = with_node.ask(std::move(line));
  if (!said) {
    return Error{said.error().code, "node " + *node + " does not answer: " + said.error().detail};
  }
  Json answer = Json::parse(*said, nullptr, false);
  if (!answer.is_object()) return Error{Errc::malformed, "node " + *node + " answers nonsense"};
  const bool ends = settings.verb == "stop" || settings.verb == "leave";
  if (ends && answer.value("ok", false) && !with_node.wait_for_end()) {
    return Error{Errc::timeout, "node " + *node +
                                    " was told to stop and has not ended yet; its "
                                    "log may say what holds it up"};
  }
  return answer;
}

}  // namespace grove::cli
