// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "manager.hpp"

namespace vm {

/// One for one: the store, the supervisor of the workers and the manager fail alone.
inline grove::SupervisorSpec application(const std::string& database, const Cloud& cloud) {
  return {.children = {grove::child<Store>("store", database).as("store"),
                       grove::dynamic_supervisor("workers").as("workers"),
                       grove::child<Manager>("manager", cloud).as("manager")}};
}

}  // namespace vm
