// SPDX-License-Identifier: Apache-2.0
#include "grove/core/message.hpp"

#include <cstddef>
#include <new>

#if GROVE_MIMALLOC
#include <mimalloc.h>
#else
#include <malloc.h>
#endif

namespace grove::detail {

#if GROVE_MIMALLOC
void* allocate(std::size_t size) { return mi_new(size); }
void deallocate(void* memory, std::size_t size) noexcept { mi_free_size(memory, size); }
std::size_t allocated_size(const void* memory) noexcept { return mi_usable_size(memory); }
#else
void* allocate(std::size_t size) { return ::operator new(size); }
void deallocate(void* memory, std::size_t) noexcept { ::operator delete(memory); }
std::size_t allocated_size(const void* memory) noexcept {
  return malloc_usable_size(const_cast<void*>(memory));
}
#endif

}  // namespace grove::detail
