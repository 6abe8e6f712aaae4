// SPDX-License-Identifier: Apache-2.0
#include "cookie_source.hpp"

#include "settings.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <iostream>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace grove::cli {
namespace {

constexpr std::size_t k_cookie_bytes_max = 4096;
constexpr std::size_t k_cookie_bytes_good = 24;  // of text; keygen's has 64
constexpr mode_t k_permissions = 0777;
constexpr mode_t k_owner_reads = 0400;

/// An open file, or none.
class File {
 public:
  explicit File(int fd) : fd_{fd} {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

Error io_error(const std::string& what, const std::string& file) {
  return {Errc::io, "cannot " + what + " the cookie file " + file + ": " + std::strerror(errno)};
}

/// Only its owner, who is we or root, may read it, and nobody may change it.
Result<void> check_file(const struct stat& status, const std::string& file) {
  if (!S_ISREG(status.st_mode)) return Error{Errc::io, "the cookie file " + file + " is no file"};
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    return Error{Errc::refused, "the cookie file " + file +
                                    " belongs to another user; run: chown $(id -u) " + file};
  }
  if ((status.st_mode & k_permissions) != k_owner_reads) {
    return Error{Errc::refused, "the cookie file " + file +
                                    " must have mode 0400, readable by its owner and nothing "
                                    "more; run: chmod 0400 " +
                                    file};
  }
  return {};
}

FoundCookie take(std::string& secret) {
  FoundCookie found{transport::Cookie{secret},
                    !secret.empty() && secret.size() < k_cookie_bytes_good};
  transport::wipe(secret);
  return found;
}

Result<FoundCookie> from_file(const std::string& path) {
  // Not to wait for a writer where it is a pipe.
  const File file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd() < 0) return io_error("read", path);
  struct stat status {};
  if (fstat(file.fd(), &status) != 0) return io_error("read", path);
  if (const auto good = check_file(status, path); !good) return good.error();
  std::string secret(k_cookie_bytes_max + 1, '\0');
  const ssize_t size = read(file.fd(), secret.data(), secret.size());
  if (size < 0) return io_error("read", path);
  const std::string_view text{secret.data(), static_cast<std::size_t>(size)};
  std::size_t end = std::min(text.find('\n'), text.size());
  if (end > k_cookie_bytes_max) {
    transport::wipe(secret);
    return Error{Errc::io,
                 "the first line of the cookie file " + path + " is longer than 4096 bytes"};
  }
  if (end > 0 && text[end - 1] == '\r') --end;
  if (end == 0) {
    return Error{Errc::io,
                 "the cookie file " + path + " is empty; write the secret in its first line"};
  }
  std::string line{text.substr(0, end)};
  transport::wipe(secret);
  return take(line);
}

FoundCookie from_environment() {
  char* value = std::getenv("GROVE_COOKIE");
  if (value == nullptr) return {};
  std::string secret{value};
  explicit_bzero(value, secret.size());  // /proc shows it as long as we run
  unsetenv("GROVE_COOKIE");
  return take(secret);
}

}  // namespace

Result<FoundCookie> find_cookie(const std::string& file) {
  FoundCookie set = from_environment();
  const char* named = std::getenv("GROVE_COOKIE_FILE");
  const std::string path = !file.empty() || named == nullptr ? file : named;
  return path.empty() ? Result<FoundCookie>{std::move(set)} : from_file(path);
}

int keygen(const std::string& path) {
  std::string cookie = transport::random_cookie() + '\n';
  if (path.empty()) {
    std::cout << cookie << std::flush;
    transport::wipe(cookie);
    return std::cout ? k_ok : complain(false, k_unavailable, "cannot write the cookie to stdout");
  }
  const File file{open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, k_owner_reads)};
  if (file.fd() < 0) {
    return complain(false, k_config,
                    errno == EEXIST ? path + " is there already; keygen never overwrites a file"
                                    : io_error("make", path).detail);
  }
  const bool written =
      fchmod(file.fd(), k_owner_reads) == 0 &&  // whatever the umask says
      write(file.fd(), cookie.data(), cookie.size()) == static_cast<ssize_t>(cookie.size()) &&
      fsync(file.fd()) == 0;
  transport::wipe(cookie);
  if (written) return k_ok;
  const Error error = io_error("write", path);
  unlink(path.c_str());
  return complain(false, k_config, error.detail);
}

}  // namespace grove::cli
