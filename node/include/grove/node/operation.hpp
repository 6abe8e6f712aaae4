// SPDX-License-Identifier: Apache-2.0
//
// Operation: something outside the runtime that a coroutine of a process waits for, such as an Asio
// operation or a function that blocks.
//
// Its process may be killed meanwhile. It is then dead to everybody at once; but whatever is
// outside may still point into the coroutine's frame, so the frame goes only once the operation has
// completed. Source: ADR 0008.
#pragma once

#include "grove/core/ids.hpp"

#include <coroutine>
#include <cstdint>
#include <utility>

namespace grove {

class Context;
class Node;

namespace detail {

class Process;

/// What says that an operation has completed: complete(), or the end of this object.
/// Outlived by its node: a node ends only after all operations of its processes.
class Completion {
 public:
  Completion() = default;
  Completion(Node& node, Pid pid, std::uint64_t serial)
      : node_{&node}, pid_{pid}, serial_{serial} {}
  Completion(Completion&& other) noexcept
      : node_{std::exchange(other.node_, nullptr)}, pid_{other.pid_}, serial_{other.serial_} {}
  Completion& operator=(Completion&& other) noexcept {
    std::swap(node_, other.node_);
    std::swap(pid_, other.pid_);
    std::swap(serial_, other.serial_);
    return *this;
  }
  ~Completion() { complete(); }
  /// Lets the coroutine go on; then, or as soon as its process has ended, the Operation and
  /// whatever else is in the frame may be gone. Only the first time. Threads: any, one at a time.
  void complete() noexcept;

 private:
  Node* node_ = nullptr;  // null: it has completed
  Pid pid_;
  std::uint64_t serial_ = 0;
};

/// An awaitable whose coroutine goes on once its Completion was called.
class Operation {
 public:
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle);

 protected:
  explicit Operation(Context& context) : context_{context} {}
  ~Operation() = default;
  /// Begins what is waited for. `completion` may complete before this returns. If this throws, the
  /// coroutine gets the exception and nothing was begun.
  virtual void start(Completion completion) = 0;
  /// Its process has ended: complete soon. At most once, after start(); perhaps after completion.
  /// Threads: the worker's.
  virtual void cancel() noexcept {}
  [[nodiscard]] Context& context() const noexcept { return context_; }

 private:
  friend class Process;
  Context& context_;
  std::coroutine_handle<> handle_;
};

}  // namespace detail
}  // namespace grove
