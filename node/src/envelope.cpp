// SPDX-License-Identifier: Apache-2.0
#include "grove/node/envelope.hpp"

namespace grove::detail {
namespace {

struct GiveBack {
  GiveBack() { t_envelopes.size = 0; }
  ~GiveBack() {
    EnvelopeStock& stock = t_envelopes;
    while (stock.first != nullptr) {
      deallocate(std::exchange(stock.first, stock.first->next), sizeof(Envelope));
    }
    stock.size = EnvelopeStock::k_max;
  }
};

}  // namespace

void* allocate_envelope(std::size_t size) {
  static thread_local const GiveBack k_at_thread_end;
  static_cast<void>(&k_at_thread_end);  // its first use registers its destructor
  return allocate(size);
}

}  // namespace grove::detail
