// SPDX-License-Identifier: Apache-2.0
//
// Tracing of a process: what it tells its tracer. See sys.hpp.
#include "process.hpp"

#include <utility>

namespace grove::detail {

using sys::TraceEvent;

void Process::on_trace(const Envelope& envelope, const sys::TraceOptions& options) {
  std::unique_ptr<Trace>& trace = extras().trace;
  const bool others = trace != nullptr && trace->tracer != envelope.from;
  Message answer = Message::make<Ok>();
  if (options.limit == 0) {
    if (!others) end_trace();
  } else if (others && node_->is_alive(trace->tracer)) {
    answer = Message::make<CallFailure>(ExitReason::symbol("already_traced"));
  } else {
    trace = std::make_unique<Trace>(Trace{envelope.from, options});
    traced_ = true;
  }
  emit(pid(), envelope.from, SignalKind::reply, envelope.serial, std::move(answer));
}

/// Tells the tracer of one message.
void Process::trace(TraceEvent::Kind kind, const Pid& peer, const Message& message) {
  const sys::TraceOptions& options = extras_->trace->options;
  const bool wanted = kind == TraceEvent::Kind::sent ? options.sent : options.received;
  if (!wanted || message.is<TraceEvent>()) return;
  TraceEvent event{pid(), kind, {}, peer, {}};
  if (message.type() != nullptr) event.type = message.type()->name;
  if (options.text_max > 0) event.text = to_string(message);
  tell_tracer(std::move(event));
}

void Process::trace_exit(const Pid& self, const ExitReason& reason) {
  if (extras_->trace->options.exited) {
    tell_tracer({self, TraceEvent::Kind::exited, {}, {}, to_string(reason)});
  }
  if (traced_) end_trace();
}

void Process::tell_tracer(TraceEvent event) {
  Trace& trace = *extras_->trace;
  if (!node_->is_alive(trace.tracer)) return end_trace();
  if (event.text.size() > trace.options.text_max) event.text.resize(trace.options.text_max);
  const Pid self = event.pid;
  const auto send = [&](TraceEvent&& what) {
    auto envelope = std::make_unique<Envelope>(SignalKind::info, self);
    envelope->message = Message::make<TraceEvent>(std::move(what));
    node_->deliver(trace.tracer, std::move(envelope));
  };
  send(std::move(event));
  if (--trace.options.limit > 0) return;
  send({self, TraceEvent::Kind::limit_reached, {}, {}, {}});
  end_trace();
}

void Process::end_trace() {
  traced_ = false;
  extras_->trace.reset();
}

}  // namespace grove::detail
