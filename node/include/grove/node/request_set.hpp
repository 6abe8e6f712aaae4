// SPDX-License-Identifier: Apache-2.0
//
// RequestSet: calls that are under way at once, whose answers are taken in the order they come.
//
//   grove::RequestSet<int, std::string> open;
//   for (const std::string& shard : shards) open.add(context.send_request<Count>(shard), shard);
//   while (const auto answer = co_await grove::receive_response(context, open, 5s)) {
//     if (answer->outcome.ok()) total += answer->outcome.value();
//   }
//
// Source: OTP gen_server, request_id_collection(); semantics.md GEN-19.
#pragma once

#include "grove/node/async.hpp"
#include "grove/node/context.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace grove {

namespace detail {

template <class Reply, class Label>
class AnyResponse;

template <class Reply>
TaskOutcome<Reply> outcome_of_call(Message& answer) {
  if (const auto* failure = answer.get<CallFailure>()) {
    return TaskOutcome<Reply>::exit(failure->reason);
  }
  if constexpr (std::is_void_v<Reply>) {
    return TaskOutcome<Reply>{std::monostate{}};
  } else {
    Reply* const reply = answer.get<Reply>();
    if (reply == nullptr) return TaskOutcome<Reply>::exit(bad_reply(answer));
    return TaskOutcome<Reply>{std::move(*reply)};
  }
}

}  // namespace detail

/// What became of one of a set's requests: its value, or the reason of its failure.
template <class Reply, class Label>
struct Answer {
  Label label;
  TaskOutcome<Reply> outcome;
};

/// Requests, each with the program's label. Those that are left when it ends are abandoned.
/// Thread-safety: confined to its process; a server may keep one from message to message.
template <class Reply, class Label>
class RequestSet {
 public:
  /// Errors: ProcessExit(badarg) when the request's answer was taken before.
  void add(Request<Reply> request, Label label) {
    const std::uint64_t serial = request.open();
    if (serial == 0) throw ProcessExit{ExitReason::symbol("badarg")};
    open_.try_emplace(serial, std::move(request), std::move(label));
  }
  [[nodiscard]] std::size_t size() const noexcept { return open_.size(); }
  [[nodiscard]] bool empty() const noexcept { return open_.empty(); }
  /// Of those that are still under way, in no order.
  [[nodiscard]] std::vector<Label> labels() const {
    std::vector<Label> labels;
    for (const auto& [serial, entry] : open_) labels.push_back(entry.second);
    return labels;
  }
  /// Abandons all: no answer comes any more.
  void clear() noexcept { open_.clear(); }

 private:
  friend class detail::AnyResponse<Reply, Label>;

  [[nodiscard]] bool contains(std::uint64_t serial) const { return open_.contains(serial); }
  Answer<Reply, Label> take(std::uint64_t serial, Message& answer) {
    auto node = open_.extract(serial);
    auto& [request, label] = node.mapped();
    (void)request.release();
    return {std::move(label), detail::outcome_of_call<Reply>(answer)};
  }

  std::unordered_map<std::uint64_t, std::pair<Request<Reply>, Label>> open_;
};

namespace detail {

/// Awaited where it is made, and once.
template <class Reply, class Label>
class AnyResponse final : public Waiter {
 public:
  enum class Late : bool { kept, abandoned };
  AnyResponse(Context& context, RequestSet<Reply, Label>& set, Timeout timeout, Late late)
      : Waiter{context, timeout}, set_{set}, late_{late} {}
  bool await_ready() const noexcept { return set_.empty(); }
  std::optional<Answer<Reply, Label>> await_resume() {
    if (taken() != nullptr) return set_.take(taken()->serial, taken()->message);
    if (late_ == Late::abandoned) set_.clear();
    return std::nullopt;
  }

 private:
  bool matches(Envelope& envelope) override {
    return envelope.kind() == SignalKind::reply && set_.contains(envelope.serial);
  }

  RequestSet<Reply, Label>& set_;
  const Late late_;
};

}  // namespace detail

/// Waits for the next answer to any of a set's requests, and takes it out of the set. Returns:
/// nothing when the set is empty, or no answer comes within `timeout`, and then all of it is
/// abandoned: who has to know which those were uses wait_response() and labels().
/// Cost: looks at the messages that wait in the mailbox. Source: OTP, receive_response/3.
template <class Reply, class Label>
[[nodiscard]] auto receive_response(Context& context, RequestSet<Reply, Label>& set,
                                    Timeout timeout = k_call_timeout) {
  using Response = detail::AnyResponse<Reply, Label>;
  return Response{context, set, timeout, Response::Late::abandoned};
}

/// The same, but after `timeout` the requests stay under way: zero only looks. Source: OTP,
/// wait_response/3.
template <class Reply, class Label>
[[nodiscard]] auto wait_response(Context& context, RequestSet<Reply, Label>& set, Timeout timeout) {
  using Response = detail::AnyResponse<Reply, Label>;
  return Response{context, set, timeout, Response::Late::kept};
}

}  // namespace grove
