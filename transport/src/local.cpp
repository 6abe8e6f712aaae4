// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/local.hpp"

#include "grove/transport/endpoint.hpp"

#include <sodium.h>

#include <array>
#include <fstream>

namespace grove::transport {

std::string this_machine() {
  std::ifstream in{"/proc/sys/kernel/random/boot_id"};
  std::string boot;
  if (!std::getline(in, boot) || boot.empty()) return {};
  // Told to whoever we dial: enough of it to compare, not what else is derived from it elsewhere.
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  boot = "grove " + boot;
  crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(boot.data()), boot.size());
  std::array<char, 17> text{};
  sodium_bin2hex(text.data(), text.size(), hash.data(), 8);
  return text.data();
}

std::string local_text(const std::string& machine, const std::string& path) {
  return machine.empty() || path.empty() ? std::string{} : machine + ':' + path;
}

std::optional<std::string> local_address(const std::string& local, const std::string& machine) {
  if (machine.empty() || !local.starts_with(machine + ':')) return std::nullopt;
  const std::string address = "ipc://" + local.substr(machine.size() + 1);
  if (!parse_endpoint(address, AddressUse::dial)) return std::nullopt;
  return address;
}

}  // namespace grove::transport
