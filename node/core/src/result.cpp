// SPDX-License-Identifier: Apache-2.0
#include "grove/core/result.hpp"

namespace grove {

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::timeout: return "timeout";
    case Errc::noproc: return "noproc";
    case Errc::noconnection: return "noconnection";
    case Errc::name_taken: return "name_taken";
    case Errc::bad_argument: return "bad_argument";
    case Errc::already_started: return "already_started";
    case Errc::ignored: return "ignored";
    case Errc::start_failed: return "start_failed";
    case Errc::address_in_use: return "address_in_use";
    case Errc::bad_address: return "bad_address";
    case Errc::refused: return "refused";
    case Errc::not_found: return "not_found";
    case Errc::malformed: return "malformed";
    case Errc::too_large: return "too_large";
    case Errc::io: return "io";
    case Errc::unavailable: return "unavailable";
    case Errc::noaccess: return "noaccess";
    case Errc::key_taken: return "key_taken";
  }
  return "unknown";
}

}  // namespace grove
