// SPDX-License-Identifier: Apache-2.0
//
// RecordingProxy: somebody on the way between two nodes who writes down every byte, both ways.
#pragma once

#include "integration/raw_socket.hpp"

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace grove::testkit {

class RecordingProxy {
 public:
  RecordingProxy() : address_{door_.listen()}, acceptor_{[this] { accept(); }} {}
  ~RecordingProxy() {
    door_.shut_down();
    acceptor_.join();
    for (auto& connection : connections_) {
      connection->from.shut_down();
      connection->to.shut_down();
      connection->there.join();
      connection->back.join();
    }
  }
  RecordingProxy(const RecordingProxy&) = delete;
  RecordingProxy& operator=(const RecordingProxy&) = delete;

  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  /// Where connections lead; until then they wait.
  void lead_to(const std::string& address) { target_.set_value(address); }

  /// All bytes so far, connection after connection, one way after the other.
  [[nodiscard]] std::string recorded() {
    const std::lock_guard lock{mutex_};
    std::string all;
    for (const auto& connection : connections_) all += connection->said + connection->answered;
    return all;
  }
  /// What each connection's dialler said.
  [[nodiscard]] std::vector<std::string> said() {
    const std::lock_guard lock{mutex_};
    std::vector<std::string> all;
    for (const auto& connection : connections_) all.push_back(connection->said);
    return all;
  }

 private:
  struct Connection {
    RawSocket from;
    RawSocket to;
    std::string said = {};
    std::string answered = {};
    std::thread there = {};
    std::thread back = {};
  };

  void accept() {
    const std::string target = target_.get_future().get();
    for (;;) {
      RawSocket from = door_.accept();
      if (from.fd() < 0) return;
      RawSocket to;
      if (!to.connect(target)) continue;
      auto owned = std::make_unique<Connection>(Connection{std::move(from), std::move(to)});
      Connection& one = *owned;
      {
        const std::lock_guard lock{mutex_};
        connections_.push_back(std::move(owned));
      }
      one.there = std::thread{[&] { pass(one.from, one.to, one.said); }};
      one.back = std::thread{[&] { pass(one.to, one.from, one.answered); }};
    }
  }
  void pass(const RawSocket& from, const RawSocket& to, std::string& record) {
    for (;;) {
      const std::string bytes = from.read();
      {
        const std::lock_guard lock{mutex_};
        record += bytes;
      }
      if (bytes.empty() || !to.write(bytes)) break;
    }
    from.shut_down();
    to.shut_down();
  }

  std::mutex mutex_;  // guards connections_ and their records
  std::vector<std::unique_ptr<Connection>> connections_;
  std::promise<std::string> target_;
  RawSocket door_;
  std::string address_;
  std::thread acceptor_;
};

}  // namespace grove::testkit
