// SPDX-License-Identifier: Apache-2.0
#include "resolver.hpp"

#include "grove/transport/endpoint.hpp"

#include <algorithm>
#include <deque>
#include <mutex>
#include <netdb.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <utility>

namespace grove::transport {

struct Resolver::Shared {
  struct Request {
    Endpoint endpoint;
    Found found;
  };
  explicit Shared(LookUp function) : look_up{std::move(function)} {}

  const LookUp look_up;
  std::mutex mutex;  // guards the rest, and is held while a `found` runs
  std::deque<Request> waiting;
  std::size_t threads = 0;
  bool stopped = false;
};

Resolver::Resolver(LookUp look_up) : shared_{std::make_shared<Shared>(std::move(look_up))} {}
Resolver::~Resolver() { stop(); }

void Resolver::look_up(const std::string& address, Found found) {
  auto endpoint = parse_endpoint(address, AddressUse::dial);
  if (endpoint) endpoint->node.clear();
  const std::lock_guard lock{shared_->mutex};
  if (shared_->stopped) return;
  if (!endpoint) return found({});
  if (!endpoint->is_name()) return found({to_string(*endpoint)});
  shared_->waiting.push_back({*std::move(endpoint), std::move(found)});
  if (shared_->threads == k_threads_max) return;
  try {
    std::thread{[shared = shared_] { work(*shared); }}.detach();
    ++shared_->threads;
  } catch (const std::system_error&) {  // no more threads for this program
    if (shared_->threads > 0) return;   // one of ours takes it later
    const Found nobody_looks = std::move(shared_->waiting.back().found);
    shared_->waiting.pop_back();
    nobody_looks({});
  }
}

/// A thread: until nothing waits.
void Resolver::work(Shared& shared) {
  std::unique_lock lock{shared.mutex};
  while (!shared.waiting.empty()) {
    const Shared::Request request = std::move(shared.waiting.front());
    shared.waiting.pop_front();
    lock.unlock();
    std::vector<std::string> found;
    for (std::string& host : shared.look_up(request.endpoint.host)) {
      Endpoint one = request.endpoint;
      one.host = std::move(host);
      std::string text = to_string(one);
      if (std::find(found.begin(), found.end(), text) == found.end()) {
        found.push_back(std::move(text));
      }
    }
    lock.lock();
    if (!shared.stopped) request.found(std::move(found));
  }
  --shared.threads;
}

void Resolver::stop() {
  const std::lock_guard lock{shared_->mutex};
  shared_->stopped = true;
  shared_->waiting.clear();
}

std::vector<std::string> Resolver::ask_the_system(const std::string& host) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;  // else each address comes once for each type
  addrinfo* first = nullptr;
  // It fails, too, when not even the question can be asked: no file descriptors left.
  if (getaddrinfo(host.c_str(), nullptr, &wanted, &first) != 0) return {};
  std::vector<std::string> hosts;
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    char text[NI_MAXHOST] = {};
    if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) ==
        0) {
      hosts.emplace_back(text);
    }
  }
  freeaddrinfo(first);
  return hosts;
}

}  // namespace grove::transport
