// SPDX-License-Identifier: Apache-2.0
//
// Past the sockets: transports of one program that dial each other hand their frames over in
// memory, moved and not copied. Everything else goes to the transport inside, and all that comes
// is called on its loop, so the promises of the seam are kept by the same means.
//
// Thread-safety: that of Transport.
#pragma once

#include "grove/transport/transport.hpp"

#include <memory>

namespace grove::transport {

/// `sockets`, and the way past them to whichever other one of this program was made so.
[[nodiscard]] std::unique_ptr<Transport> past_sockets(std::unique_ptr<Transport> sockets);

}  // namespace grove::transport
