// SPDX-License-Identifier: Apache-2.0
//
// Transport: the seam for the network. It moves frames and says when links come and go; who is at
// the other end, and what a frame means, is the sessions' business.
//
// A node listens at one address or more (endpoint.hpp). What it dials is a *link*: it sends frames
// there and may hear answers. What arrives at its own address comes from a *route*, which it can
// answer. Real: ZeroMQ, a ROUTER that receives and a DEALER per link. Simulated: MemoryNetwork.
#pragma once

#include "grove/core/clock.hpp"
#include "grove/core/result.hpp"
#include "grove/core/scheduler.hpp"
#include "grove/transport/cookie.hpp"
#include "grove/transport/frame.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace grove::transport {

using LinkId = std::uint64_t;  // chosen by the caller of dial(); never reused
using Route = std::string;     // opaque; differs for each link that somebody dials to us

enum class SendResult : std::uint8_t {
  sent,
  gone,  // the link is down, or about to be
};

class Transport {
 public:
  /// Called one at a time, on the transport's own loop.
  class Events {
   public:
    virtual void on_frame(const Route& from, Frame frame) = 0;
    virtual void on_answer(LinkId link, Frame frame) = 0;
    virtual void on_link_up(LinkId link) = 0;
    /// The link is gone for good; `why` is for people.
    virtual void on_link_down(LinkId link, const std::string& why) = 0;
    /// A connection came to nothing below our frames: a wrong cookie, another protocol, silence.
    /// `address` is where we dialled, or, by us, whence it came (empty: unknown): for people.
    virtual void on_handshake_failed(bool by_us, const std::string& address,
                                     const std::string& why) = 0;
    /// Returns: when to call next. Called at least then, perhaps earlier.
    virtual Clock::TimePoint on_tick() = 0;

   protected:
    ~Events() = default;
  };

  virtual ~Transport() = default;

  /// With a cookie, from now on: encrypts, and lets in only who knows it too. A transport whose
  /// frames never leave the program need not. Errors: unavailable. Before listen().
  virtual Result<void> secure(const Cookie& cookie) = 0;
  /// Binds an address; may be called again for another one. Port 0 takes a free one; a socket file
  /// is made for this user only. Returns: the address bound.
  /// Errors: address_in_use, bad_address. Before start().
  virtual Result<std::string> listen(const std::string& address) = 0;
  /// Begins to call `events`, which outlive stop(); on a thread of `scheduler`, if it needs one.
  /// Throws: std::system_error when there is none.
  virtual void start(Events& events, Scheduler& scheduler) = 0;
  /// Closes everything; no event comes afterwards. Idempotent.
  virtual void stop() = 0;

  // On the loop only:
  /// One attempt to reach `address` (numeric, or a socket). on_link_up or on_link_down follows.
  virtual void dial(LinkId link, const std::string& address) = 0;
  virtual void hang_up(LinkId link) = 0;
  /// From now on send() may be called from any thread.
  virtual void share(LinkId link) = 0;
  virtual void answer(const Route& to, Buffer frame) = 0;
  /// Looks up `address` off the loop, however long it takes, and hands all that it stands for to
  /// `found` on the loop: numeric, each once, in the system's order; empty: it stands for none.
  virtual void resolve(const std::string& address,
                       std::function<void(std::vector<std::string>)> found) = 0;

  // From any thread:
  /// Hands a frame over, in two parts when `tail` is not empty: that one is sent from where it
  /// lies. Keeps what it is given until it has left; who sends must know when to stop. Never
  /// blocks.
  virtual SendResult send(LinkId link, Buffer frame, const Bytes& tail) = 0;
  /// Runs `action` on the loop; drops it when that has ended.
  virtual void post(std::function<void()> action) = 0;
};

}  // namespace grove::transport
