// SPDX-License-Identifier: Apache-2.0
//
// History: what a node's processes did and saw, a line of JSON for each event, for the checkers.
// docs/reliability.md lists the kinds.
//
// A line is written by one write() and nothing is kept back, so that a killed node leaves whole
// lines up to its end.
#pragma once

#include "grove/node/node.hpp"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace chaos {

class History {
 public:
  struct Field {
    std::string_view name;
    std::string value;
  };

  /// Appends to `path`. Throws: std::invalid_argument when it cannot be opened.
  void open(const std::string& path) {
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd_ < 0) {
      throw std::invalid_argument{"--history " + path + ": " +
                                  std::generic_category().message(errno)};
    }
  }

  /// Threads: any. Times are of the machine's monotonic clock, which all its programs share.
  void write(grove::Context& context, std::string_view kind, std::initializer_list<Field> fields) {
    const auto time =
        std::chrono::duration<double>{context.node().clock().now().time_since_epoch()};
    char stamp[32];
    std::snprintf(stamp, sizeof stamp, "%.6f", time.count());
    std::string line = std::string{"{\"t\":"} + stamp;
    const auto add = [&line](std::string_view name, std::string_view value) {
      line += ",\"";
      line += name;
      line += "\":\"";
      for (const char c : value) {
        if (c == '"' || c == '\\') line += '\\';
        line += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
      }
      line += '"';
    };
    add("node", context.node().name());
    add("life", grove::to_base36(context.node().life().value));
    add("kind", kind);
    add("by", to_string(context.self()));
    for (const Field& field : fields) add(field.name, field.value);
    line += "}\n";
    if (::write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
      context.node().log().error("the history cannot be written");
    }
  }

 private:
  int fd_ = -1;
};

/// The program's one history.
inline History& history() {
  static History the_one;
  return the_one;
}

}  // namespace chaos
