// SPDX-License-Identifier: Apache-2.0
//
// SQLite for processes: statements run outside the scheduler's workers, by grove::blocking().
#pragma once

#include <grove/grove.hpp>

#include <sqlite3.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace vm {

/// A database file, for one user at a time.
/// Errors of all: std::runtime_error with SQLite's text.
class Database {
 public:
  using Row = std::vector<std::string>;

  explicit Database(const std::string& path) {
    sqlite3* database = nullptr;
    const int status = sqlite3_open(path.c_str(), &database);
    database_.reset(database);  // also after a failure
    check(status == SQLITE_OK);
  }

  /// Waits until nobody else has the file, such as a killed process that was writing. Takes it, and
  /// runs a first statement.
  grove::Task<> claim(std::string first) {
    const std::string sql = "pragma locking_mode = exclusive; begin exclusive; commit; " + first;
    int status = SQLITE_BUSY;
    const auto attempt = [&] {
      status = sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr);
    };
    co_await grove::blocking(attempt);
    while (status == SQLITE_BUSY) {
      co_await grove::Context::current().sleep_for(std::chrono::milliseconds{10});
      co_await grove::blocking(attempt);
    }
    check(status == SQLITE_OK);
  }

  /// Runs a statement with its `?` bound to `values`. Returns: its rows. What it has written is on
  /// the disk then.
  grove::Task<std::vector<Row>> run(std::string sql, Row values) {
    const auto attempt = [&] { return run_now(sql, values); };
    co_return co_await grove::blocking(attempt);
  }

 private:
  std::vector<Row> run_now(const std::string& sql, const Row& values) {
    sqlite3_stmt* statement = nullptr;
    check(sqlite3_prepare_v2(database_.get(), sql.c_str(), -1, &statement, nullptr) == SQLITE_OK);
    const std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> owner{statement,
                                                                           sqlite3_finalize};
    for (std::size_t at = 0; at < values.size(); ++at) {
      check(sqlite3_bind_text(statement, static_cast<int>(at + 1), values[at].data(),
                              static_cast<int>(values[at].size()), SQLITE_STATIC) == SQLITE_OK);
    }
    std::vector<Row> rows;
    int status = sqlite3_step(statement);
    for (; status == SQLITE_ROW; status = sqlite3_step(statement)) {
      Row& row = rows.emplace_back();
      for (int column = 0; column < sqlite3_column_count(statement); ++column) {
        const auto* text = sqlite3_column_text(statement, column);
        row.emplace_back(reinterpret_cast<const char*>(text));
      }
    }
    check(status == SQLITE_DONE);
    return rows;
  }

  void check(bool ok) const {
    if (!ok) throw std::runtime_error{sqlite3_errmsg(database_.get())};
  }

  std::unique_ptr<sqlite3, decltype(&sqlite3_close)> database_{nullptr, sqlite3_close};
};

}  // namespace vm
