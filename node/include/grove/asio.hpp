// SPDX-License-Identifier: Apache-2.0
//
// Asio in processes: a process awaits any Asio operation by the completion token use_process.
//
//   std::size_t n = co_await socket.async_read_some(asio::buffer(bytes), grove::use_process);
//
// The only header of Grove that includes Asio. I/O objects are made on an executor of the
// program's, for example an IoContext's, which outlives them and its node's processes.
//
// A killed process is dead to the others at once. Its operation is cancelled, and when that has
// completed its frames go, and with them its sockets. Source: ADR 0008.
#pragma once

#include "grove/node/context.hpp"
#include "grove/node/operation.hpp"

#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/error.hpp>
#include <asio/execution.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/prefer.hpp>
#include <asio/query.hpp>
#include <asio/require.hpp>
#include <asio/version.hpp>

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>

namespace grove {

/// The completion token of processes. Awaited where it is made, in a coroutine of a process.
/// Returns: what the handler gets but its error: nothing, a value, or a tuple.
/// Errors: an std::error_code is thrown as std::system_error, with Asio's as_tuple it is the first
/// of the tuple; an std::exception_ptr is thrown. operation_aborted when Asio drops the handler.
/// Bounds: not under bind_executor, whose executor would not take the operation's lock.
struct UseProcess {};
inline constexpr UseProcess use_process{};

/// An io_context and the thread that runs it.
class IoContext {
 public:
  using Executor = asio::io_context::executor_type;

  IoContext() : work_{io_.get_executor()}, thread_{[this] { io_.run(); }} {}
  /// The I/O objects made on it are gone by now. Handlers that still wait are dropped.
  ~IoContext() {
    io_.stop();
    thread_.join();
  }
  IoContext(const IoContext&) = delete;
  IoContext& operator=(const IoContext&) = delete;

  /// For the constructors of sockets, timers and the like. Threads: any.
  [[nodiscard]] Executor get_executor() noexcept { return io_.get_executor(); }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<Executor> work_;
  std::thread thread_;  // last: it uses the above
};

namespace detail {

/// What an operation shares with its handler. Its steps and its cancellation exclude each other.
class AsioState {
 public:
  AsioState() = default;
  AsioState(const AsioState&) = delete;
  AsioState& operator=(const AsioState&) = delete;
  void begin(Completion completion) noexcept { completion_ = std::move(completion); }
  void finish() noexcept {
    {
      const std::lock_guard lock{mutex_};
      done_ = true;
    }
    completion_.complete();
  }
  void cancel() noexcept {
    const std::lock_guard lock{mutex_};
    if (!done_) signal_.emit(asio::cancellation_type::all);
  }
  [[nodiscard]] asio::cancellation_slot slot() noexcept { return signal_.slot(); }
  [[nodiscard]] std::recursive_mutex& mutex() noexcept { return mutex_; }

 protected:
  ~AsioState() = default;

 private:
  std::recursive_mutex mutex_;  // a cancellation may run a step in its place
  asio::cancellation_signal signal_;
  bool done_ = false;
  Completion completion_;
};

/// The I/O object's executor, and the operation's lock around each step that it runs.
template <class Inner>
class LockingExecutor {
 public:
  LockingExecutor(Inner inner, std::shared_ptr<AsioState> state) noexcept
      : inner_{std::move(inner)}, state_{std::move(state)} {}

  template <class F>
  void execute(F&& function) const {
    auto locked = [state = state_, step = std::forward<F>(function)]() mutable {
      const std::lock_guard lock{state->mutex()};
      std::move(step)();
    };
#if ASIO_VERSION < 102400  // the member is private
    asio::execution::execute(inner_, std::move(locked));
#else
    inner_.execute(std::move(locked));
#endif
  }
  template <class Property>
  requires asio::can_query<const Inner&, Property>::value auto query(
      const Property& property) const {
    return asio::query(inner_, property);
  }
  template <class Property>
  requires asio::can_require<const Inner&, Property>::value auto require(
      const Property& property) const {
    return with(asio::require(inner_, property));
  }
  template <class Property>
  requires asio::can_prefer<const Inner&, Property>::value auto prefer(
      const Property& property) const {
    return with(asio::prefer(inner_, property));
  }
  friend bool operator==(const LockingExecutor& a, const LockingExecutor& b) noexcept {
    return a.state_ == b.state_ && a.inner_ == b.inner_;
  }
  friend bool operator!=(const LockingExecutor& a, const LockingExecutor& b) noexcept {
    return !(a == b);
  }

 private:
  template <class Other>
  [[nodiscard]] LockingExecutor<Other> with(Other other) const {
    return {std::move(other), state_};
  }

  Inner inner_;
  std::shared_ptr<AsioState> state_;
};

template <class T>
inline constexpr bool k_is_error =
    std::is_same_v<T, std::error_code> || std::is_same_v<T, std::exception_ptr>;

inline void throw_if(const std::error_code& error) {
  if (error) throw std::system_error{error};
}
inline void throw_if(const std::exception_ptr& error) {
  if (error) std::rethrow_exception(error);
}

/// What the process gets of what the handler got.
inline void outcome() {}
template <class T, class... Rest>
auto outcome(T first, Rest... rest) {
  if constexpr (k_is_error<T>) {
    throw_if(first);
    return outcome(std::move(rest)...);
  } else if constexpr (sizeof...(Rest) == 0) {
    return first;
  } else {
    return std::tuple<T, Rest...>{std::move(first), std::move(rest)...};
  }
}

template <class... Args>
using AsioResult = std::optional<std::tuple<Args...>>;

/// Finishes its operation when it is called, or dropped.
template <class... Args>
class AsioHandler {
 public:
  AsioHandler(AsioResult<Args...>& result, std::shared_ptr<AsioState> state)
      : result_{&result}, state_{std::move(state)} {}
  AsioHandler(AsioHandler&&) noexcept = default;
  AsioHandler& operator=(AsioHandler&&) = delete;
  ~AsioHandler() {
    if (state_ != nullptr) state_->finish();
  }
  template <class... Values>
  void operator()(Values&&... values) {
    result_->emplace(std::forward<Values>(values)...);
    std::exchange(state_, nullptr)->finish();
  }

  using cancellation_slot_type = asio::cancellation_slot;
  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept {
    return state_->slot();
  }
  [[nodiscard]] const std::shared_ptr<AsioState>& state() const noexcept { return state_; }

 private:
  AsioResult<Args...>* result_;  // in the frame
  std::shared_ptr<AsioState> state_;
};

/// How an operation starts. With its state, so that they are one allocation.
template <class... Args>
class AsioStarter : public AsioState {
 public:
  virtual void start(AsioHandler<Args...> handler) = 0;

 protected:
  ~AsioStarter() = default;
};

template <class Initiation, class Arguments, class... Args>
class AsioStart final : public AsioStarter<Args...> {
 public:
  template <class I, class... As>
  explicit AsioStart(I&& initiation, As&&... arguments)
      : initiation_{std::forward<I>(initiation)}, arguments_{std::forward<As>(arguments)...} {}
  void start(AsioHandler<Args...> handler) override {
    std::apply(
        [&](auto&... arguments) {
          std::move(initiation_)(std::move(handler), std::move(arguments)...);
        },
        arguments_);
  }

 private:
  Initiation initiation_;
  Arguments arguments_;
};

/// Its type tells nothing of what it starts: Asio's adaptors want to name it.
template <class... Args>
class AsioOperation final : public Operation {
 public:
  AsioOperation(Context& context, std::shared_ptr<AsioStarter<Args...>> state)
      : Operation{context}, state_{std::move(state)} {}
  auto await_resume() {
    if (!result_) throw std::system_error{asio::error::operation_aborted};
    return std::apply([](Args&... args) { return outcome(std::move(args)...); }, *result_);
  }

 private:
  void start(Completion completion) override {
    state_->begin(std::move(completion));
    state_->start(AsioHandler<Args...>{result_, state_});
  }
  void cancel() noexcept override { state_->cancel(); }

  std::shared_ptr<AsioStarter<Args...>> state_;
  AsioResult<Args...> result_;
};

}  // namespace detail
}  // namespace grove

template <class R, class... Args>
class asio::async_result<grove::UseProcess, R(Args...)> {
 public:
  using return_type = grove::detail::AsioOperation<std::decay_t<Args>...>;

  template <class Initiation, class... Arguments>
  static return_type initiate(Initiation&& initiation, grove::UseProcess,
                              Arguments&&... arguments) {
    using Start =
        grove::detail::AsioStart<std::decay_t<Initiation>, std::tuple<std::decay_t<Arguments>...>,
                                 std::decay_t<Args>...>;
    return return_type{grove::Context::current(),
                       std::make_shared<Start>(std::forward<Initiation>(initiation),
                                               std::forward<Arguments>(arguments)...)};
  }
};

template <class... Args, class Candidate>
struct asio::associated_executor<grove::detail::AsioHandler<Args...>, Candidate> {
  using type = grove::detail::LockingExecutor<Candidate>;
  static type get(const grove::detail::AsioHandler<Args...>& handler,
                  const Candidate& candidate = Candidate()) noexcept {
    return {candidate, handler.state()};
  }
};
