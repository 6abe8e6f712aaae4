// SPDX-License-Identifier: Apache-2.0
//
// blocking(): runs a function that blocks, such as a query or a read from a disk, outside the
// workers, and awaits its result.
#pragma once

#include "grove/node/context.hpp"
#include "grove/node/operation.hpp"

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace grove {
namespace detail {

/// A call on a thread of the blocking pool.
class BlockingOperation : public Operation {
 protected:
  using Operation::Operation;
  ~BlockingOperation() = default;

 private:
  void start(Completion completion) override;
  virtual void call() noexcept = 0;
};

template <class F>
class Blocking final : public BlockingOperation {
 public:
  using Result = std::invoke_result_t<F&>;
  static_assert(!std::is_reference_v<Result>, "return a value or a pointer");

  Blocking(Context& context, F function)
      : BlockingOperation{context}, function_{std::move(function)} {}
  Result await_resume() {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
    if constexpr (!std::is_void_v<Result>) return std::move(*result_);
  }

 private:
  void call() noexcept override {
    try {
      if constexpr (std::is_void_v<Result>) {
        function_();
      } else {
        result_.emplace(function_());
      }
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  struct Nothing {};
  F function_;
  [[no_unique_address]] std::conditional_t<std::is_void_v<Result>, Nothing, std::optional<Result>>
      result_;
  std::exception_ptr failure_;
};

}  // namespace detail

/// Runs `function` where it may block, and resumes the process with its result or its exception:
///
///   const std::string text = co_await grove::blocking([&] { return read_file(path); });
///
/// It may refer to the coroutine's variables: a killed process is dead to the others at once, but
/// its frames stay until the function returns. Nothing interrupts it. Inside it there is no
/// Context. Only inside a process.
/// Threads: `function` is called on one of the scheduler's blocking pool, and destroyed in its
/// process. Cost: two hand-overs between threads.
template <class F>
[[nodiscard]] detail::Blocking<F> blocking(F function) {
  return detail::Blocking<F>{Context::current(), std::move(function)};
}

}  // namespace grove
