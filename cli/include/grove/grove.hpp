// SPDX-License-Identifier: Apache-2.0
//
// All of Grove, for programs that use it, but for <grove/asio.hpp> and the testkit. Inside the
// library headers are included one by one.
#pragma once

#include "grove/cluster/cluster.hpp"
#include "grove/node/async.hpp"
#include "grove/node/async_stream.hpp"
#include "grove/node/blocking.hpp"
#include "grove/node/cluster_names.hpp"
#include "grove/node/dynamic_supervisor.hpp"
#include "grove/node/erpc.hpp"
#include "grove/node/gen_server.hpp"
#include "grove/node/inspect.hpp"
#include "grove/node/node.hpp"
#include "grove/node/node_events.hpp"
#include "grove/node/parent.hpp"
#include "grove/node/pg.hpp"
#include "grove/node/pool.hpp"
#include "grove/node/registry.hpp"
#include "grove/node/request_set.hpp"
#include "grove/node/supervisor.hpp"
#include "grove/node/sys.hpp"
#include "grove/node/table.hpp"
#include "grove/node/task_supervisor.hpp"
#include "grove/run.hpp"
#include "grove/version.hpp"
