// SPDX-License-Identifier: Apache-2.0
//
// Task<T>: a lazy coroutine. It starts when awaited, or when a process is spawned with it; dropping
// it destroys its frame, and that is how a process is killed: RAII runs, `catch` never sees it.
//
// Parameters of coroutines are values, never references (other than Context&).
// A plain function may return an empty one, `return {};`: there is nothing to wait for. Nor is
// there when one is awaited again: it runs once.
#pragma once

#include "grove/core/message.hpp"

#include <coroutine>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace grove {

template <class T = void>
class Task;

namespace detail {

struct PromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::exception_ptr failure;

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) noexcept {
      return done.promise().continuation;
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { failure = std::current_exception(); }

  static void* operator new(std::size_t size) { return allocate(size); }
  static void operator delete(void* memory, std::size_t size) noexcept { deallocate(memory, size); }
};

template <class T>
struct Promise : PromiseBase {
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    result.emplace(std::forward<U>(value));
  }
  T take() {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    if (!result) throw std::logic_error{"a Task has its value once"};
    T value = *std::move(result);
    result.reset();
    return value;
  }
  std::optional<T> result;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() noexcept {}
  void take() {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
  }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  Task() noexcept = default;
  explicit Task(Handle handle) noexcept : handle_{handle} {}
  Task(Task&& other) noexcept : handle_{std::exchange(other.handle_, {})} {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  Task(const Task&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
  [[nodiscard]] Handle handle() const noexcept { return handle_; }
  [[nodiscard]] Handle release() noexcept { return std::exchange(handle_, {}); }

  bool await_ready() const noexcept { return !handle_ || handle_.done(); }
  /// Runs it within this call, so that one that does not wait leaves nothing on the stack: without
  /// optimisation a symmetric transfer is a call, too, and returns only when something waits.
  bool await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.resume();
    if (handle_.done()) return false;
    handle_.promise().continuation = awaiting;
    return true;
  }
  /// Throws std::logic_error, too, when there should be a value and it is empty, or was awaited
  /// before.
  T await_resume() {
    if (handle_) return handle_.promise().take();
    if constexpr (!std::is_void_v<T>) throw std::logic_error{"an empty Task has no value"};
  }

 private:
  Handle handle_;
};

namespace detail {
template <class T>
struct TaskValue;
template <class T>
struct TaskValue<Task<T>> {
  using type = T;
};
/// What the coroutine function F, called with Args, comes to.
template <class F, class... Args>
using TaskResult = typename TaskValue<std::invoke_result_t<F, Args...>>::type;
}  // namespace detail

template <class T>
Task<T> detail::Promise<T>::get_return_object() {
  return Task<T>{std::coroutine_handle<Promise>::from_promise(*this)};
}
inline Task<void> detail::Promise<void>::get_return_object() {
  return Task<void>{std::coroutine_handle<Promise>::from_promise(*this)};
}

}  // namespace grove
