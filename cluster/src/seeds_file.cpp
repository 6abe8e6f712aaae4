// SPDX-License-Identifier: Apache-2.0
#include "seeds_file.hpp"

#include "grove/transport/endpoint.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace grove::cluster {
namespace {

constexpr std::string_view k_blank = " \t\r";

/// Errors: io. Never waits, as it might for the writer of a pipe.
Result<std::string> contents(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return Error{Errc::io, std::strerror(errno)};
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{fdopen(descriptor, "r"), &std::fclose};
  struct stat status {};
  if (!file || fstat(descriptor, &status) != 0) return Error{Errc::io, std::strerror(errno)};
  if (!S_ISREG(status.st_mode)) return Error{Errc::io, "it is no regular file"};
  std::string text(SeedsFile::k_bytes_max + 1, '\0');
  const std::size_t size = std::fread(text.data(), 1, text.size(), file.get());
  if (std::ferror(file.get()) != 0) return Error{Errc::io, std::strerror(errno)};
  if (size > SeedsFile::k_bytes_max) return Error{Errc::io, "it is longer than 64 KiB"};
  text.resize(size);
  return text;
}

}  // namespace

Result<std::vector<std::string>> parse_seeds(std::string_view text, std::uint16_t port) {
  std::vector<std::string> seeds;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    line = line.substr(0, line.find('#'));
    line.remove_prefix(std::min(line.find_first_not_of(k_blank), line.size()));
    line = line.substr(0, line.find_last_not_of(k_blank) + 1);
    if (line.empty()) continue;
    const auto seed = transport::parse_endpoint(line, transport::AddressUse::dial, port);
    if (!seed) {
      return Error{Errc::bad_address,
                   "line " + std::to_string(number) + ": " + seed.error().detail};
    }
    std::string address = to_string(*seed);
    if (std::find(seeds.begin(), seeds.end(), address) == seeds.end()) {
      seeds.push_back(std::move(address));
    }
  }
  return seeds;
}

std::optional<Result<std::vector<std::string>>> SeedsFile::read() {
  if (path_.empty()) return std::nullopt;
  const Result<std::string> text = contents(path_);
  const std::string& now = text ? *text : text.error().detail;
  if (std::exchange(last_, now) == now) return std::nullopt;
  const auto seeds =
      text ? parse_seeds(*text, port_) : Result<std::vector<std::string>>{text.error()};
  if (seeds) return seeds;
  return Error{seeds.error().code, "seeds file " + path_ + ": " + seeds.error().detail};
}

std::optional<std::vector<std::string>> SeedsFile::look(Clock::TimePoint now, Log& log) {
  if (now < next_look_) return std::nullopt;
  next_look_ = now + k_look;
  const auto seeds = read();
  if (!seeds) return std::nullopt;
  if (!*seeds) {
    log.warning(seeds->error().detail + "; its seeds stay as they were");
    return std::nullopt;
  }
  log.info("seeds file " + path_ + " names " + std::to_string((*seeds)->size()) + " now");
  return **seeds;
}

}  // namespace grove::cluster
