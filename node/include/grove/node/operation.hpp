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

namespace grove {

class Context;
class Node;

namespace detail {

class Process;

/// What says that an operation has completed. Outlived by its node: a node ends only after all
/// operations of its processes.
class Completion {
 public:
  Completion() = default;
  Completion(Node& node, Pid pid, std::uint64_t serial)
      : node_{&node}, pid_{pid}, serial_{serial} {}
  /// Lets the coroutine go on. Exactly once. Threads: any.
  void complete() const;

 private:
  Node* node_ = nullptr;
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
  /// Begins what is waited for. `completion` must be called, whatever happens; it may be before
  /// this returns. If this throws, the coroutine gets the exception and nothing was begun.
  virtual void start(Completion completion) = 0;
  /// Its process has ended: complete soon. Threads: the worker's.
  virtual void cancel() noexcept {}

 private:
  friend class Process;
  Context& context_;
  std::coroutine_handle<> handle_;
};

}  // namespace detail
}  // namespace grove
