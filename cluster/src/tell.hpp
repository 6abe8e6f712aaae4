// SPDX-License-Identifier: Apache-2.0
//
// tell(): what the runtime itself says to a process of this node, whatever room its mailbox has.
#pragma once

#include "grove/node/node.hpp"

#include <memory>
#include <utility>

namespace grove::cluster {

template <class T>
void tell(Node& node, const Pid& to, T message) {
  auto envelope = std::make_unique<Envelope>(SignalKind::told, Pid{node.id(), 0, 0});
  envelope->message = Message::make<T>(std::move(message));
  node.deliver(to, std::move(envelope));
}

}  // namespace grove::cluster
