// SPDX-License-Identifier: Apache-2.0
#include "grove/core/message.hpp"

#include <cstddef>
#include <new>

#if GROVE_MIMALLOC
#include <mimalloc.h>
#endif

namespace grove::detail {

#if GROVE_MIMALLOC
void* allocate(std::size_t size) { return mi_new(size); }
void deallocate(void* memory, std::size_t size) noexcept { mi_free_size(memory, size); }
#else
void* allocate(std::size_t size) { return ::operator new(size); }
void deallocate(void* memory, std::size_t) noexcept { ::operator delete(memory); }
#endif

}  // namespace grove::detail
