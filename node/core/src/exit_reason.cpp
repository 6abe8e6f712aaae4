// SPDX-License-Identifier: Apache-2.0
#include "grove/core/exit_reason.hpp"

#include <array>

namespace grove {

struct ExitReason::Rep {
  explicit Rep(Value value, bool is_immortal = false)
      : term{std::move(value)}, immortal{is_immortal} {}
  Value term;
  const bool immortal;
  std::atomic<std::uint32_t> references{1};
};

struct ExitReason::Common {
  Rep normal{Value::symbol("normal"), true};
  Rep shutdown{Value::symbol("shutdown"), true};
  Rep kill{Value::symbol("kill"), true};
  Rep killed{Value::symbol("killed"), true};
  Rep noproc{Value::symbol("noproc"), true};
  Rep noconnection{Value::symbol("noconnection"), true};

  Rep* find(const Value& term) const {
    for (const Rep* rep : {&normal, &shutdown, &kill, &killed, &noproc, &noconnection}) {
      if (rep->term == term) return const_cast<Rep*>(rep);
    }
    return nullptr;
  }
};

const ExitReason::Common& ExitReason::common() {
  static const Common& instance = *new Common;  // never destroyed: reasons outlive static objects
  return instance;
}

ExitReason::Rep* ExitReason::normal_rep() noexcept { return const_cast<Rep*>(&common().normal); }
ExitReason::ExitReason() noexcept : rep_{normal_rep()} {}
ExitReason::ExitReason(Value term) : rep_{common().find(term)} {
  if (rep_ == nullptr) rep_ = new Rep{std::move(term)};
}

ExitReason ExitReason::normal() { return ExitReason{}; }
ExitReason ExitReason::shutdown() { return ExitReason{const_cast<Rep*>(&common().shutdown)}; }
ExitReason ExitReason::kill() { return ExitReason{const_cast<Rep*>(&common().kill)}; }
ExitReason ExitReason::killed() { return ExitReason{const_cast<Rep*>(&common().killed)}; }
ExitReason ExitReason::noproc() { return ExitReason{const_cast<Rep*>(&common().noproc)}; }
ExitReason ExitReason::noconnection() {
  return ExitReason{const_cast<Rep*>(&common().noconnection)};
}
ExitReason ExitReason::symbol(std::string_view text) { return ExitReason{Value::symbol(text)}; }
ExitReason ExitReason::shutdown(Value term) {
  return ExitReason{Value::tuple({Value::symbol("shutdown"), std::move(term)})};
}
ExitReason ExitReason::error(std::string_view type, std::string_view what) {
  return ExitReason{Value::tuple({Value::symbol("error"), Value{type}, Value{what}})};
}

const Value& ExitReason::term() const noexcept { return rep_->term; }
bool ExitReason::is_normal() const noexcept { return rep_ == &common().normal; }
bool ExitReason::is_kill() const noexcept { return rep_ == &common().kill; }

bool ExitReason::is_clean() const {
  if (rep_ == &common().normal || rep_ == &common().shutdown) return true;
  const Value::Items* items = rep_->term.as_tuple();
  return items != nullptr && items->size() == 2 && items->front() == common().shutdown.term;
}

bool operator==(const ExitReason& a, const ExitReason& b) {
  return a.rep_ == b.rep_ || a.rep_->term == b.rep_->term;
}

void ExitReason::retain() const noexcept {
  if (!rep_->immortal) rep_->references.fetch_add(1, std::memory_order_relaxed);
}
void ExitReason::release() noexcept {
  if (rep_->immortal) return;
  if (rep_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete rep_;
}

std::string to_string(const ExitReason& reason) { return to_string(reason.term()); }

}  // namespace grove
