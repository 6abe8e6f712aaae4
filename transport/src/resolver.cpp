// SPDX-License-Identifier: Apache-2.0
#include "resolver.hpp"

#include "grove/transport/endpoint.hpp"

#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include <algorithm>
#include <system_error>
#include <utility>

namespace grove::transport {
namespace {

constexpr std::size_t k_threads = 4;  // fewer slow names than that hold up nobody else

std::vector<std::string> addresses_of(const std::string& address) {
  auto endpoint = parse_endpoint(address, AddressUse::dial);
  if (!endpoint) return {};
  endpoint->node.clear();
  if (!endpoint->is_name()) return {to_string(*endpoint)};
  std::vector<std::string> found;
  try {
    asio::io_context io;
    asio::ip::tcp::resolver resolver{io};
    std::error_code error;
    for (const auto& entry : resolver.resolve(endpoint->host, "", error)) {
      Endpoint one = *endpoint;
      one.host = entry.endpoint().address().to_string();
      std::string text = to_string(one);
      if (std::find(found.begin(), found.end(), text) == found.end()) {
        found.push_back(std::move(text));
      }
    }
  } catch (const std::system_error&) {
    // Not even the question could be asked: no file descriptors left.
  }
  return found;
}

}  // namespace

Resolver::Resolver() : threads_{std::make_unique<asio::thread_pool>(k_threads)} {}
Resolver::~Resolver() = default;

void Resolver::look_up(const std::string& address,
                       std::function<void(std::vector<std::string>)> found) {
  asio::post(*threads_, [address, found = std::move(found)] { found(addresses_of(address)); });
}

void Resolver::stop() {
  threads_->stop();
  threads_->join();
}

}  // namespace grove::transport
