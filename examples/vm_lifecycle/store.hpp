// SPDX-License-Identifier: Apache-2.0
//
// The store keeps the records of all machines in a file.
//
// One that is killed may be in the midst of a write: its successor begins when that is over.
#pragma once

#include <grove/grove.hpp>

#include "sqlite.hpp"

#include <string>
#include <vector>

namespace vm {

struct Machine {
  std::string id, size;
  std::string state;     // creating, running, destroying, deleted or failed
  std::string goal;      // its state when what is under way is done
  int attempts = 0;      // at what is under way
  std::string steps;     // that are done, as `instance dns `
  std::string failures;  // at what, and why, as `create:killed `

  bool busy() const { return state == "creating" || state == "destroying"; }
};

struct Save {
  Machine machine;
};
struct Load {
  using Reply = std::vector<Machine>;
  std::string id;  // empty: all
};

class Store : public grove::GenServer {
 public:
  using Handles = grove::Handles<Save, Load>;
  explicit Store(const std::string& path) : database_{path} {
    context().trap_exit(true);  // what was asked for before a shutdown is done before it
  }
  grove::Task<> init() {
    co_await database_.claim(
        "create table if not exists machines (id text primary key, size text,"
        " state text, goal text, attempts text, steps text, failures text)");
  }

  grove::Task<> handle_call(Save save) {
    const Machine& m = save.machine;
    const Database::Row row{m.id,    m.size,    m.state, m.goal, std::to_string(m.attempts),
                            m.steps, m.failures};
    co_await database_.run("insert or replace into machines values (?, ?, ?, ?, ?, ?, ?)", row);
  }
  grove::Task<std::vector<Machine>> handle_call(Load load) {
    const Database::Row id{load.id};
    const auto rows = co_await database_.run("select * from machines where ? in ('', id)", id);
    std::vector<Machine> found;
    for (const auto& r : rows) {
      found.push_back({r[0], r[1], r[2], r[3], std::stoi(r[4]), r[5], r[6]});
    }
    co_return found;
  }

 private:
  Database database_;
};

}  // namespace vm
