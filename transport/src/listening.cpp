// SPDX-License-Identifier: Apache-2.0
#include "listening.hpp"

#include <asio/ip/tcp.hpp>

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace grove::transport {
namespace {

constexpr int k_waiting_to_be_accepted_max = 128;

Error cannot_listen(const Endpoint& endpoint, const std::string& why) {
  return Error{Errc::bad_address, "cannot listen on " + to_string(endpoint) + ": " + why};
}
Error taken(const Endpoint& endpoint) {
  return Error{Errc::address_in_use, to_string(endpoint) +
                                         " is taken by another program; choose another address "
                                         "with --listen"};
}

/// Throws std::system_error.
std::string numeric_host(const Endpoint& endpoint) {
  if (!endpoint.is_name()) {
    return endpoint.host.find(':') == std::string::npos ? endpoint.host : '[' + endpoint.host + ']';
  }
  asio::io_context io;
  asio::ip::tcp::resolver resolver{io};
  const auto address = resolver.resolve(endpoint.host, "").begin()->endpoint().address();
  return address.is_v6() ? '[' + address.to_string() + ']' : address.to_string();
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_{fd} {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Descriptor& operator=(Descriptor&&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Descriptor unix_socket() {
  return Descriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
}

struct UnixAddress {
  sockaddr_un name{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};
UnixAddress unix_address(const std::string& path) {  // parse_endpoint has seen that it fits
  UnixAddress address;
  address.name.sun_family = AF_UNIX;
  std::memcpy(address.name.sun_path, path.data(), path.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  const bool abstract = path.front() == '@';
  if (abstract) address.name.sun_path[0] = '\0';
  if (!abstract) ++address.size;  // and the zero behind it
  return address;
}

/// Keeps others who listen in this directory out: a file that is bound and not yet listened at
/// looks like a dead node's.
Descriptor lock_directory(const std::string& path) {
  const std::string directory = path.substr(0, path.rfind('/') + 1);
  Descriptor lock{open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  while (lock.get() >= 0 && flock(lock.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
  return lock;
}

/// Takes away the socket file of a node that died. Returns: why not.
std::optional<Error> clear_stale(const Endpoint& endpoint) {
  struct stat status {};
  if (lstat(endpoint.path.c_str(), &status) != 0) return std::nullopt;
  if (!S_ISSOCK(status.st_mode)) return cannot_listen(endpoint, "a file is there, and no socket");
  const Descriptor probe = unix_socket();
  const UnixAddress address = unix_address(endpoint.path);
  // EAGAIN: somebody listens, and is busy.
  if (::connect(probe.get(), address.get(), address.size) == 0 || errno == EAGAIN) {
    return taken(endpoint);
  }
  if (errno != ECONNREFUSED) return cannot_listen(endpoint, std::strerror(errno));
  if (unlink(endpoint.path.c_str()) != 0 && errno != ENOENT) {
    return cannot_listen(endpoint, std::strerror(errno));
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> Listening::bind(zmq::socket_t& router, const Endpoint& endpoint) {
  try {
    return endpoint.kind == Endpoint::Kind::ipc ? bind_ipc(router, endpoint)
                                                : bind_tcp(router, endpoint);
  } catch (const zmq::error_t& error) {
    if (error.num() == EADDRINUSE) return taken(endpoint);
    return cannot_listen(endpoint, error.what());
  } catch (const std::system_error& error) {
    return cannot_listen(endpoint, error.what());
  }
}

Result<std::string> Listening::bind_tcp(zmq::socket_t& router, const Endpoint& endpoint) {
  const std::string host = numeric_host(endpoint);
  router.set(zmq::sockopt::ipv6, host.front() == '[' || host == "*");
  router.bind("tcp://" + host + ':' + (endpoint.port == 0 ? "*" : std::to_string(endpoint.port)));
  const std::string bound = router.get(zmq::sockopt::last_endpoint);
  return bound.substr(std::string_view{"tcp://"}.size());
}

/// The socket is made here and handed to ZeroMQ, which would take any file of that name away, and
/// let everybody in who may enter the directory.
Result<std::string> Listening::bind_ipc(zmq::socket_t& router, const Endpoint& endpoint) {
  const bool abstract = endpoint.path.front() == '@';
  const Descriptor lock = abstract ? Descriptor{-1} : lock_directory(endpoint.path);
  if (!abstract) {
    if (const auto refused = clear_stale(endpoint)) return *refused;
  }
  Descriptor socket = unix_socket();
  const UnixAddress address = unix_address(endpoint.path);
  if (::bind(socket.get(), address.get(), address.size) != 0) {
    return errno == EADDRINUSE ? taken(endpoint) : cannot_listen(endpoint, std::strerror(errno));
  }
  struct stat status {};
  if (!abstract) {
    if (chmod(endpoint.path.c_str(), 0600) != 0 || lstat(endpoint.path.c_str(), &status) != 0) {
      return cannot_listen(endpoint, std::strerror(errno));
    }
    files_.push_back({endpoint.path, status.st_dev, status.st_ino});
  }
  if (::listen(socket.get(), k_waiting_to_be_accepted_max) != 0) {  // from here on it is reachable
    return cannot_listen(endpoint, std::strerror(errno));
  }
  router.set(zmq::sockopt::use_fd, socket.release());  // ZeroMQ's from here on
  router.bind(to_string(endpoint));
  router.set(zmq::sockopt::use_fd, -1);
  return to_string(endpoint);
}

void Listening::close() {
  for (const File& file : std::exchange(files_, {})) {
    struct stat status {};
    const bool ours = lstat(file.path.c_str(), &status) == 0 && status.st_dev == file.device &&
                      status.st_ino == file.inode;
    if (ours) unlink(file.path.c_str());
  }
}

}  // namespace grove::transport
