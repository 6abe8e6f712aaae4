// SPDX-License-Identifier: Apache-2.0
//
// Behaviours: what other nodes may have this one run. Nothing else can be started from outside.
//
//   Task<> track(Context& context, std::string id, int tries);
//   GROVE_REMOTE(track, "tracker.track")
//
//   class Counter : public GenServer { public: explicit Counter(int start); ... };
//   GROVE_REMOTE_CLASS(Counter, "app.counter", int)
//
// Both stand at global scope, after what they declare. A function, plain or a coroutine, with or
// without a Context& first, can then be called (erpc.hpp), and spawned when it is a process as
// above (remote.hpp); a class, a GenServer or a Handler, is started with these arguments of its
// constructor. The literal is the wire name, one of a kind among those of messages, too. Arguments
// travel as a message's fields do, and results.
//
// The programs of both nodes must contain the declaration; of a static library a linker takes only
// the files that somebody uses.
#pragma once

#include "grove/node/server_body.hpp"
#include "grove/node/spawn_terms.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace grove {
namespace detail {

// -- what may travel --------------------------------------------------------------------------

template <class T>
concept Field = requires(Writer& out, Reader& in, T& value) {
  wire::write(out, std::as_const(value));
  wire::read(in, value);
};
template <class T>
struct Carried : std::bool_constant<std::is_default_constructible_v<T> && Field<T>> {};
template <class T>
struct Carried<std::vector<T>> : Carried<T> {};
template <>
struct Carried<std::vector<std::byte>> : std::true_type {};
template <class T>
struct Carried<std::optional<T>> : Carried<T> {};
template <class T>
struct Carried<std::map<std::string, T>> : Carried<T> {};

template <class Tuple>
inline constexpr bool k_all_carried = false;
template <class... Args>
inline constexpr bool k_all_carried<std::tuple<Args...>> = (Carried<Args>::value && ...);

// -- declarations -----------------------------------------------------------------------------

/// Specialised by GROVE_REMOTE: k_declared, k_name, k_answer_name.
template <auto function>
struct RemoteFunction {
  static constexpr bool k_declared = false;
};
/// Specialised by GROVE_REMOTE_CLASS: k_declared, k_name, ArgTuple.
template <class T>
struct RemoteClass {
  static constexpr bool k_declared = false;
};

template <class Function>
struct Signature;
template <class R, class... Params>
struct Signature<R (*)(Params...)> {
  using Returned = R;
  using Args = std::tuple<std::decay_t<Params>...>;
  static constexpr bool k_takes_context = false;
};
template <class R, class... Params>
struct Signature<R (*)(Context&, Params...)> {
  using Returned = R;
  using Args = std::tuple<std::decay_t<Params>...>;
  static constexpr bool k_takes_context = true;
};
template <auto function>
using ArgsOf = typename Signature<decltype(function)>::Args;
template <auto function>
using ReturnedBy = typename Signature<decltype(function)>::Returned;

template <class R>
struct ValueOf {
  using type = R;
};
template <class R>
struct ValueOf<Task<R>> {
  using type = R;
};
/// What a call of the function comes to.
template <auto function>
using CallResult = typename ValueOf<ReturnedBy<function>>::type;

template <auto function>
inline constexpr bool k_is_process =
    Signature<decltype(function)>::k_takes_context&& std::is_same_v<ReturnedBy<function>, Task<>>;

// -- messages ---------------------------------------------------------------------------------

/// Asks for a behaviour; its fields are the terms and the arguments.
template <auto function>
struct FunctionOrder {
  using Declaration = RemoteFunction<function>;
  SpawnTerms terms;
  ArgsOf<function> args;
};
template <class T>
struct ClassOrder {
  using Declaration = RemoteClass<T>;
  SpawnTerms terms;
  typename RemoteClass<T>::ArgTuple args;
};
template <class Order>
const SpawnTerms& terms_in(const Message& order) {
  return order.get<Order>()->terms;
}
template <class Order>
struct OrderTraits {
  static constexpr bool k_declared = true;
  static constexpr std::string_view k_name = Order::Declaration::k_name;
  template <class Object, class Visitor>
  static void fields(Object& object, Visitor&& visitor) {
    std::apply([&](auto&... args) { visitor(object.terms, args...); }, object.args);
  }
};

/// How a call of a function ended, where it ran.
enum class CallEnd : std::uint8_t { value, exception, exit };
struct NoValue {};
/// What the caller is sent.
template <auto function>
struct CallAnswer {
  static constexpr bool k_has_value = !std::is_void_v<CallResult<function>>;
  CallEnd end = CallEnd::value;
  ExitReason reason = {};
  std::conditional_t<k_has_value, CallResult<function>, NoValue> value = {};
};

}  // namespace detail

template <auto function>
struct MessageTraits<detail::FunctionOrder<function>>
    : detail::OrderTraits<detail::FunctionOrder<function>> {};
template <class T>
struct MessageTraits<detail::ClassOrder<T>> : detail::OrderTraits<detail::ClassOrder<T>> {};
template <auto function>
struct MessageTraits<detail::CallAnswer<function>> {
  static constexpr bool k_declared = true;
  static constexpr std::string_view k_name = detail::RemoteFunction<function>::k_answer_name;
  template <class Object, class Visitor>
  static void fields(Object& object, Visitor&& visitor) {
    if constexpr (detail::CallAnswer<function>::k_has_value) {
      visitor(object.end, object.reason, object.value);
    } else {
      visitor(object.end, object.reason);
    }
  }
};

namespace detail {

// -- what runs --------------------------------------------------------------------------------

template <auto function>
ReturnedBy<function> invoke_remote(Context& context, ArgsOf<function> args) {
  return std::apply(
      [&](auto&... each) {
        if constexpr (Signature<decltype(function)>::k_takes_context) {
          return function(context, std::move(each)...);
        } else {
          return function(std::move(each)...);
        }
      },
      args);
}

/// Tells how a call ended that threw.
[[nodiscard]] std::pair<CallEnd, ExitReason> end_of_call(const std::exception_ptr& failure);

/// Runs the function and answers whoever has called.
template <auto function>
Task<> run_call(Context& context, From caller, ArgsOf<function> args) {
  CallAnswer<function> answer;
  try {
    if constexpr (k_is_task<ReturnedBy<function>>) {
      ReturnedBy<function> running = invoke_remote<function>(context, std::move(args));
      if constexpr (CallAnswer<function>::k_has_value) {
        answer.value = co_await running;
      } else {
        co_await running;
      }
    } else if constexpr (CallAnswer<function>::k_has_value) {
      answer.value = invoke_remote<function>(context, std::move(args));
    } else {
      invoke_remote<function>(context, std::move(args));
    }
  } catch (...) {
    std::tie(answer.end, answer.reason) = end_of_call(std::current_exception());
  }
  // Who has been ended, by itself even, has nothing to say: its caller hears of the signal.
  if (caller.serial != 0 && !context.doomed()) context.reply(caller, std::move(answer));
  co_return;
}

template <auto function>
std::unique_ptr<Body> make_function_body(Message message, const From& asker) {
  auto& order = *message.get<FunctionOrder<function>>();
  if (order.terms.purpose == SpawnTerms::Purpose::call) {
    return make_coroutine_body(run_call<function>, asker, std::move(order.args));
  }
  if constexpr (k_is_process<function>) {
    return std::apply(
        [](auto&... args) { return make_coroutine_body(function, std::move(args)...); },
        order.args);
  }
  return nullptr;
}

template <class T>
std::unique_ptr<Body> make_class_body(Message message, const From& asker) {
  auto& order = *message.get<ClassOrder<T>>();
  const bool as_server = order.terms.purpose == SpawnTerms::Purpose::server;
  if (as_server != std::derived_from<T, GenServer>) return nullptr;
  return std::apply(
      [&]<class... Args>(Args&... args) -> std::unique_ptr<Body> {
        if constexpr (std::derived_from<T, GenServer>) {
          auto body = std::make_unique<ServerBody<T, Args...>>(server_options_of(order.terms),
                                                               std::move(args)...);
          body->set_starter(asker);
          return body;
        } else {
          return make_handler_body<T>(std::move(args)...);
        }
      },
      order.args);
}

template <auto function>
inline constexpr Behaviour k_function_behaviour{
    RemoteFunction<function>::k_name, &k_message_type<FunctionOrder<function>>,
    terms_in<FunctionOrder<function>>, make_function_body<function>};
template <class T>
inline constexpr Behaviour k_class_behaviour{RemoteClass<T>::k_name, &k_message_type<ClassOrder<T>>,
                                             terms_in<ClassOrder<T>>, make_class_body<T>};

template <class Declaration>
inline const bool k_remote_registered = false;  // specialised by the macros

/// What travels when it is called or spawned, whoever runs it.
template <auto function>
bool register_types_of_function() {
  static_assert(k_all_carried<ArgsOf<function>>,
                "an argument of this function cannot travel: it needs a GROVE_MESSAGE line, or is "
                "of a kind that has no wire form");
  using R = CallResult<function>;
  static_assert(std::is_void_v<R> || Carried<R>::value,
                "what this function returns cannot travel: it needs a GROVE_MESSAGE line, or is of "
                "a kind that has no wire form");
  return register_message_type(k_message_type<CallAnswer<function>>) &&
         register_message_type(k_message_type<FunctionOrder<function>>);
}
template <class T>
bool register_types_of_class() {
  static_assert(std::derived_from<T, GenServer> || std::derived_from<T, Handler>,
                "what other nodes may start is a GenServer or a Handler");
  static_assert(k_all_carried<typename RemoteClass<T>::ArgTuple>,
                "an argument of this class cannot travel: it needs a GROVE_MESSAGE line, or is of "
                "a kind that has no wire form");
  return register_message_type(k_message_type<ClassOrder<T>>);
}

template <auto function>
bool register_function() {
  return register_types_of_function<function>() &&
         register_behaviour(k_function_behaviour<function>);
}
template <class T>
bool register_class() {
  return register_types_of_class<T>() && register_behaviour(k_class_behaviour<T>);
}

}  // namespace detail
}  // namespace grove

#define GROVE_DETAIL_REMOTE(function, wire_name, registers)                                       \
  template <>                                                                                     \
  struct grove::detail::RemoteFunction<function> {                                                \
    static constexpr bool k_declared = true;                                                      \
    static constexpr std::string_view k_name = wire_name;                                         \
    static constexpr std::string_view k_answer_name = wire_name "/answer";                        \
  };                                                                                              \
  template <>                                                                                     \
  inline const bool grove::detail::k_remote_registered<grove::detail::RemoteFunction<function>> = \
      ::grove::detail::registers<function>();
#define GROVE_DETAIL_REMOTE_CLASS(Class, wire_name, registers, ...)                         \
  template <>                                                                               \
  struct grove::detail::RemoteClass<Class> {                                                \
    static constexpr bool k_declared = true;                                                \
    static constexpr std::string_view k_name = wire_name;                                   \
    using ArgTuple = std::tuple<__VA_ARGS__>;                                               \
  };                                                                                        \
  template <>                                                                               \
  inline const bool grove::detail::k_remote_registered<grove::detail::RemoteClass<Class>> = \
      ::grove::detail::registers<Class>();

/// Declares a function that other nodes may call, and spawn when it is a process.
#define GROVE_REMOTE(function, wire_name) \
  GROVE_DETAIL_REMOTE(function, wire_name, register_function)

/// Declares a GenServer or a Handler that other nodes may start, and what it is made from.
#define GROVE_REMOTE_CLASS(Class, wire_name, ...) \
  GROVE_DETAIL_REMOTE_CLASS(Class, wire_name, register_class, __VA_ARGS__)
