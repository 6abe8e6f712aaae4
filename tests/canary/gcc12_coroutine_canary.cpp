// SPDX-License-Identifier: Apache-2.0
//
// Which expressions next to `co_await` survive on this compiler?
//
// g++ 12 destroys some temporaries inside a `co_await` expression twice. Every case below is one
// way to write such an expression; a miscompiled one dies under AddressSanitizer, so run_canary.sh
// runs each in a process of its own and compares the outcome with what is recorded there.
//
// Usage: canary --list | canary CASE

#include <array>
#include <chrono>
#include <coroutine>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

namespace {

// Longer than any small-string buffer, so that a double destruction is a double free.
constexpr const char* k_text = "a fairly long string that will not fit SSO";
constexpr int k_text_size = 42;

/// Counts its living instances; a case that leaves one behind has failed.
struct Counted {
  Counted() { ++live; }
  Counted(Counted&& other) noexcept : owned{std::move(other.owned)} { ++live; }
  Counted& operator=(Counted&&) noexcept = default;
  ~Counted() { --live; }

  static inline int live = 0;
  std::unique_ptr<int> owned = std::make_unique<int>(1);
};

/// A lazy task with symmetric transfer, the least that shows the fault.
template <class T>
struct Task {
  struct promise_type;
  using Handle = std::coroutine_handle<promise_type>;

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(Handle finished) noexcept {
      return finished.promise().continuation;
    }
    void await_resume() noexcept {}
  };

  struct promise_type {
    Task get_return_object() { return Task{Handle::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    FinalAwaiter final_suspend() noexcept { return {}; }
    void return_value(T result) { value = std::move(result); }
    void unhandled_exception() { std::terminate(); }

    T value{};
    std::coroutine_handle<> continuation{std::noop_coroutine()};
  };

  explicit Task(Handle started) : handle{started} {}
  Task(Task&& other) noexcept : handle{std::exchange(other.handle, {})} {}
  ~Task() {
    if (handle) handle.destroy();
  }

  bool await_ready() { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) {
    handle.promise().continuation = awaiting;
    return handle;
  }
  T await_resume() { return std::move(handle.promise().value); }

  Handle handle;
};

// ---- what is passed around --------------------------------------------------------------------

struct Aggregate {
  std::string text;
  Counted counted;
};

struct WithConstructor {
  explicit WithConstructor(std::string initial) : text{std::move(initial)} {}

  std::string text;
  Counted counted;
};

struct WithDeclaredConstructors {
  WithDeclaredConstructors() = default;
  WithDeclaredConstructors(WithDeclaredConstructors&&) = default;
  explicit WithDeclaredConstructors(const char* initial) : text{initial} {}

  std::string text;
  Counted counted;
};

struct TextAndNumber {
  std::string text;
  int number;
};

struct TextCountedNumber {
  std::string text;
  Counted counted;
  int number;
};

struct TrivialOptions {
  std::chrono::milliseconds timeout{5};
  int number = 0;
};

/// Owns a message behind a pointer, as an envelope does.
struct Erased {
  explicit Erased(Aggregate content) : message{std::make_unique<Aggregate>(std::move(content))} {}
  Erased(Erased&&) = default;

  std::unique_ptr<Aggregate> message;
};

/// Gives the length of the message's text, at once.
struct LengthAwaiter {
  explicit LengthAwaiter(Erased consumed) : erased{std::move(consumed)} {}
  LengthAwaiter(LengthAwaiter&&) = default;

  bool await_ready() { return false; }
  bool await_suspend(std::coroutine_handle<>) { return false; }
  int await_resume() { return static_cast<int>(erased.message->text.size()); }

  Erased erased;
};

struct AggregateAwaiter {
  bool await_ready() { return true; }
  void await_suspend(std::coroutine_handle<>) {}
  Aggregate await_resume() { return Aggregate{k_text, {}}; }
};

// ---- what is awaited --------------------------------------------------------------------------

LengthAwaiter by_value(Aggregate message) { return LengthAwaiter{Erased{std::move(message)}}; }

LengthAwaiter by_rvalue(Aggregate&& message) { return LengthAwaiter{Erased{std::move(message)}}; }

template <class M>
LengthAwaiter by_forwarding(M&& message) {
  return LengthAwaiter{Erased{std::forward<M>(message)}};
}

template <class M, class... Args>
LengthAwaiter emplace(Args&&... args) {
  return LengthAwaiter{Erased{M{std::forward<Args>(args)...}}};
}

LengthAwaiter with_options(Aggregate message, TrivialOptions) {
  return by_value(std::move(message));
}

LengthAwaiter take_array(std::array<std::string, 2> texts) {
  return by_value(Aggregate{texts[0], {}});
}

LengthAwaiter take_tuple(std::tuple<std::string, Counted> pair) {
  return by_value(Aggregate{std::get<0>(pair), {}});
}

LengthAwaiter take_declared(WithDeclaredConstructors message) {
  return by_value(Aggregate{message.text, {}});
}

template <class F>
LengthAwaiter take_function(F function) {
  return by_value(Aggregate{std::string(static_cast<std::size_t>(function()), 'x'), {}});
}

Task<int> erased_coroutine(Erased erased) {
  co_return static_cast<int>(erased.message->text.size());
}

template <class M>
Task<int> wrapped_coroutine(M&& message) {
  return erased_coroutine(Erased{std::forward<M>(message)});
}

template <class F>
Task<int> function_coroutine(F function) {
  const int length = function();
  return erased_coroutine(
      Erased{Aggregate{std::string(static_cast<std::size_t>(length), 'x'), {}}});
}

Task<int> constructor_coroutine(WithConstructor message) {
  co_return static_cast<int>(message.text.size());
}

Task<int> aggregate_coroutine(Aggregate message) {
  co_return static_cast<int>(message.text.size());
}

Task<int> options_coroutine(TrivialOptions options) { co_return options.number; }

Task<Aggregate> aggregate_task() { co_return Aggregate{k_text, {}}; }

Aggregate make_aggregate() { return Aggregate{k_text, {}}; }

int second_argument(Aggregate, int number) { return number; }

// ---- the cases --------------------------------------------------------------------------------

Task<int> aggregate_by_value() { co_return co_await by_value(Aggregate{k_text, {}}); }

Task<int> aggregate_by_rvalue() { co_return co_await by_rvalue(Aggregate{k_text, {}}); }

Task<int> aggregate_by_forwarding() { co_return co_await by_forwarding(Aggregate{k_text, {}}); }

Task<int> aggregate_into_wrapper() { co_return co_await wrapped_coroutine(Aggregate{k_text, {}}); }

Task<int> aggregate_designated() {
  co_return co_await by_value(Aggregate{.text = k_text, .counted = {}});
}

Task<int> aggregate_untyped_braces() {
  co_return co_await with_options({k_text, {}}, {.number = 3});
}

Task<int> aggregate_named() {
  Aggregate message{k_text, {}};
  co_return co_await aggregate_coroutine(std::move(message));
}

Task<int> aggregate_from_call() { co_return co_await by_value(make_aggregate()); }

Task<int> aggregate_emplaced() { co_return co_await emplace<Aggregate>(k_text, Counted{}); }

Task<int> aggregate_emplaced_in_if() {
  if (const int length = co_await emplace<Aggregate>(k_text, Counted{}); length > 0) {
    co_return length;
  }
  co_return 0;
}

Task<int> awaiter_named() {
  auto awaiter = by_value(Aggregate{k_text, {}});
  co_return co_await awaiter;
}

Task<int> task_named() {
  auto task = aggregate_coroutine(Aggregate{k_text, {}});
  co_return co_await std::move(task);
}

Task<int> constructor_prvalue() {
  co_return co_await constructor_coroutine(WithConstructor{k_text});
}

Task<int> declared_constructors_prvalue() {
  co_return co_await take_declared(WithDeclaredConstructors{k_text});
}

Task<int> trivial_options() { co_return co_await options_coroutine({.number = 7}); }

Task<int> array_from_braces() {
  co_return co_await take_array({std::string{k_text}, std::string{k_text}});
}

Task<int> tuple_from_braces() { co_return co_await take_tuple({std::string{k_text}, Counted{}}); }

Task<int> lambda_capturing_object() {
  Counted counted;
  co_return co_await function_coroutine([counted = std::move(counted)] { return 3; });
}

Task<int> lambda_capturing_string() {
  std::string text{k_text};
  co_return co_await take_function([text] { return static_cast<int>(text.size()); });
}

Task<int> lambda_capturing_object_named() {
  Counted counted;
  auto function = [counted = std::move(counted)] { return 3; };
  co_return co_await function_coroutine(std::move(function));
}

Task<int> lambda_capturing_int() {
  int number = 5;
  co_return co_await take_function([number] { return number; });
}

Task<int> lambda_capturing_reference() {
  int number = 5;
  co_return co_await take_function([&number] { return number; });
}

Task<int> lambda_alive_across_await() {
  auto function = [counted = Counted{}] { return counted.owned ? 1 : 0; };
  const int length = co_await emplace<Aggregate>(k_text, Counted{});
  co_return length + function() - 1;
}

Task<int> result_is_aggregate() {
  Aggregate message = co_await AggregateAwaiter{};
  co_return static_cast<int>(message.text.size());
}

Task<int> task_of_aggregate() {
  Aggregate message = co_await aggregate_task();
  co_return static_cast<int>(message.text.size());
}

Task<TextAndNumber> return_aggregate_around_await_inner() {
  co_return TextAndNumber{k_text, co_await emplace<Aggregate>(k_text, Counted{})};
}

Task<int> return_aggregate_around_await() {
  auto result = co_await return_aggregate_around_await_inner();
  co_return static_cast<int>(result.text.size());
}

Task<int> argument_beside_await() {
  co_return second_argument(Aggregate{k_text, {}}, co_await emplace<Aggregate>(k_text, Counted{}));
}

Task<int> named_aggregate_around_await() {
  TextCountedNumber named{k_text, {}, co_await emplace<Aggregate>(k_text, Counted{})};
  co_return named.number;
}

// ---- running one ------------------------------------------------------------------------------

struct Case {
  const char* name;
  Task<int> (*start)();
  int expected;
};

constexpr Case k_cases[] = {
    {"aggregate_by_value", aggregate_by_value, k_text_size},
    {"aggregate_by_rvalue", aggregate_by_rvalue, k_text_size},
    {"aggregate_by_forwarding", aggregate_by_forwarding, k_text_size},
    {"aggregate_into_wrapper", aggregate_into_wrapper, k_text_size},
    {"aggregate_designated", aggregate_designated, k_text_size},
    {"aggregate_untyped_braces", aggregate_untyped_braces, k_text_size},
    {"aggregate_named", aggregate_named, k_text_size},
    {"aggregate_from_call", aggregate_from_call, k_text_size},
    {"aggregate_emplaced", aggregate_emplaced, k_text_size},
    {"aggregate_emplaced_in_if", aggregate_emplaced_in_if, k_text_size},
    {"awaiter_named", awaiter_named, k_text_size},
    {"task_named", task_named, k_text_size},
    {"constructor_prvalue", constructor_prvalue, k_text_size},
    {"declared_constructors_prvalue", declared_constructors_prvalue, k_text_size},
    {"trivial_options", trivial_options, 7},
    {"array_from_braces", array_from_braces, k_text_size},
    {"tuple_from_braces", tuple_from_braces, k_text_size},
    {"lambda_capturing_object", lambda_capturing_object, 3},
    {"lambda_capturing_string", lambda_capturing_string, k_text_size},
    {"lambda_capturing_object_named", lambda_capturing_object_named, 3},
    {"lambda_capturing_int", lambda_capturing_int, 5},
    {"lambda_capturing_reference", lambda_capturing_reference, 5},
    {"lambda_alive_across_await", lambda_alive_across_await, k_text_size},
    {"result_is_aggregate", result_is_aggregate, k_text_size},
    {"task_of_aggregate", task_of_aggregate, k_text_size},
    {"return_aggregate_around_await", return_aggregate_around_await, k_text_size},
    {"argument_beside_await", argument_beside_await, k_text_size},
    {"named_aggregate_around_await", named_aggregate_around_await, k_text_size},
};

/// Returns: 0 when the case gave its value and left nothing alive.
int run(const Case& chosen) {
  int value = 0;
  {
    auto task = chosen.start();
    task.handle.resume();
    value = task.handle.promise().value;
  }
  return value == chosen.expected && Counted::live == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const bool list = std::strcmp(argv[1], "--list") == 0;
  for (const Case& candidate : k_cases) {
    if (list) {
      std::puts(candidate.name);
    } else if (std::strcmp(argv[1], candidate.name) == 0) {
      return run(candidate);
    }
  }
  return list ? 0 : 2;
}
