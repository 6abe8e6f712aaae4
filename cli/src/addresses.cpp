// SPDX-License-Identifier: Apache-2.0
#include "addresses.hpp"

#include "grove/transport/endpoint.hpp"

#include "own_host.hpp"

#include <charconv>
#include <cstdlib>

namespace grove::cli {
namespace {

using transport::AddressUse;
using transport::Endpoint;
using transport::parse_endpoint;

Error of_flag(const char* flag, const Error& error) {
  return Error{Errc::bad_address, std::string{flag} + ": " + error.detail};
}

/// Where others dial us when nobody says: where we listen. Of a node that listens on every address
/// of its machine the host of its name, if that was given, as with Erlang's nodes.
Result<std::string> default_advertise(const Settings& settings, Endpoint listen) {
  if (!listen.is_wildcard()) return to_string(listen);
  const auto at = settings.name.find('@');
  if (!settings.name_is_given || at == std::string::npos) {
    listen.host = own_host(listen.host == "0.0.0.0");
    return to_string(listen);
  }
  const auto named =
      parse_endpoint(settings.name.substr(at + 1), AddressUse::advertise, listen.port);
  if (!named) return of_flag("--name", named.error());
  return to_string(*named);
}

}  // namespace

Result<std::uint16_t> default_port() {
  const char* text = std::getenv("GROVE_PORT");
  if (text == nullptr || *text == '\0') return transport::k_default_port;
  const std::string_view digits{text};
  std::uint16_t port = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size() || port == 0) {
    return Error{Errc::bad_address, "GROVE_PORT is no port from 1 to 65535"};
  }
  return port;
}

Result<std::string> dialled(std::string_view text, std::uint16_t port) {
  const auto endpoint = parse_endpoint(text, AddressUse::dial, port);
  if (!endpoint) return endpoint.error();
  return to_string(*endpoint);
}

Result<Addresses> find_addresses(const Settings& settings) {
  const auto port = default_port();
  if (!port) return port.error();
  const auto listen = parse_endpoint(settings.listen, AddressUse::listen, *port);
  if (!listen) return of_flag("--listen", listen.error());
  Addresses found{to_string(*listen), {}, {}, {}};
  for (const std::string& address : settings.join) {
    auto valid = dialled(address, *port);
    if (!valid) return of_flag("--join", valid.error());
    found.join.push_back(*std::move(valid));
  }
  if (settings.advertise.empty()) {
    auto advertise = default_advertise(settings, *listen);
    if (!advertise) return advertise.error();
    found.advertise = *std::move(advertise);
  } else {
    // Without a port: the one that is bound.
    const auto advertise = parse_endpoint(settings.advertise, AddressUse::advertise, 0);
    if (!advertise) return of_flag("--advertise", advertise.error());
    found.advertise = to_string(*advertise);
  }
  const std::string local = settings.run_dir + '/' + settings.name + ".ipc";
  const bool fits = settings.run_dir.starts_with('/') && local.size() <= k_socket_path_max;
  if (fits && listen->kind == Endpoint::Kind::tcp) found.local_path = local;
  return found;
}

}  // namespace grove::cli
