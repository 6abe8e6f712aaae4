// SPDX-License-Identifier: Apache-2.0
//
// Code: what a process runs, in one word: a body, or a coroutine that has none.
#pragma once

#include "grove/node/body.hpp"

#include <cstdint>
#include <memory>
#include <utility>

namespace grove::detail {

class Code {
 public:
  using Handle = Task<>::Handle;

  Code() = default;
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  ~Code() { clear(); }

  /// Bounds: empty.
  void set(std::unique_ptr<Body> body) noexcept {
    word_ = reinterpret_cast<std::uintptr_t>(body.release());
  }
  void set(Task<> task) noexcept {
    word_ = reinterpret_cast<std::uintptr_t>(task.release().address()) | k_bare;
  }
  /// Null when it is a coroutine alone.
  [[nodiscard]] Body* body() const noexcept {
    return (word_ & k_bare) != 0 ? nullptr : reinterpret_cast<Body*>(word_);
  }
  /// The root of the coroutine that runs; null when none does.
  [[nodiscard]] Handle coroutine() const noexcept {
    if ((word_ & k_bare) != 0) {
      return Handle::from_address(reinterpret_cast<void*>(word_ & ~k_bare));
    }
    return word_ == 0 ? Handle{} : body()->running.handle();
  }
  /// A coroutine of the body's begins.
  void run(Task<> task) noexcept { body()->running = std::move(task); }
  /// The coroutine that runs, to be destroyed; null when none does.
  [[nodiscard]] Handle release_coroutine() noexcept {
    const Handle handle = coroutine();
    if ((word_ & k_bare) != 0) {
      word_ = 0;
    } else if (word_ != 0) {
      (void)body()->running.release();
    }
    return handle;
  }
  /// Destroys all of it.
  void clear() {
    if (const Handle handle = release_coroutine()) handle.destroy();
    delete reinterpret_cast<Body*>(std::exchange(word_, 0));
  }

 private:
  static constexpr std::uintptr_t k_bare = 1;
  std::uintptr_t word_ = 0;  // a Body, or the address of a coroutine's frame and k_bare
};

}  // namespace grove::detail
