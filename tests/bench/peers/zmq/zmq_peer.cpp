// SPDX-License-Identifier: Apache-2.0
//
// Raw ZeroMQ's side of Grove's distributed benchmark rows: what the transport alone can do.
//
//     zmq_peer remote_latency|remote_throughput|remote_large|kill_to_down
//
// prints "ROW.FIGURE zmq VALUE UNIT" and exits with 0 if all went well. Two OS processes on
// loopback, wired as Grove's nodes are: each has one bound ROUTER to receive on and one connected
// DEALER to send with, and one I/O thread. Plain figures run wherever the system puts them; those
// ending in .1c have both processes on CPU 0. Each figure is one measurement after a warm-up of a
// tenth of its size, in a process of its own; GROVE_BENCH_SCALE multiplies the sizes. With .curve
// in its name it is over CURVE.
//
// Needs libzmq and cppzmq; links with -lzmq -pthread.

#include <zmq.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kTimeLimitSeconds = 120;

[[noreturn]] void fail_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::uint64_t scaled(std::uint64_t size, std::uint64_t at_least) {
  const char* text = std::getenv("GROVE_BENCH_SCALE");
  const double scale = text != nullptr && *text != '\0' ? std::stod(text) : 1.0;
  const auto result = static_cast<std::uint64_t>(std::llround(static_cast<double>(size) * scale));
  return std::max(result, at_least);
}

double nanoseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

// Nearest rank; reorders the samples.
double percentile(std::vector<double>& samples, double fraction) {
  std::sort(samples.begin(), samples.end());
  const auto rank =
      static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(samples.size())));
  return samples.at(std::max<std::size_t>(rank, 1) - 1);
}

void print_figure(const std::string& name, double value, const char* unit) {
  std::printf("%s zmq %.*f %s\n", name.c_str(), value >= 1000 ? 0 : 3, value, unit);
  std::fflush(stdout);
}

// {tag, int} in 64 bytes, a small message with its envelope. Throughput goes by bytes: 16 would be
// three times as fast.
struct Message {
  std::uint64_t tag;
  std::uint64_t number;
  std::array<std::uint64_t, 6> padding;
};
static_assert(sizeof(Message) == 64);

// The wires of a row's figures, and what their names end in.
constexpr std::array<const char*, 2> kWires = {"", ".curve"};

// The keys that both processes have under CURVE; as Z85.
struct Keys {
  std::array<char, 41> of_all{};
  std::array<char, 41> secret{};
  Keys() { zmq_curve_keypair(of_all.data(), secret.data()); }
};

// One process's two sockets. With keys: over CURVE.
class Node {
 public:
  explicit Node(const Keys* keys)
      : router_(context_, zmq::socket_type::router), dealer_(context_, zmq::socket_type::dealer) {
    if (keys != nullptr) {
      router_.set(zmq::sockopt::curve_server, true);
      router_.set(zmq::sockopt::curve_secretkey, keys->secret.data());
      dealer_.set(zmq::sockopt::curve_serverkey, keys->of_all.data());
      dealer_.set(zmq::sockopt::curve_publickey, keys->of_all.data());
      dealer_.set(zmq::sockopt::curve_secretkey, keys->secret.data());
    }
    router_.bind("tcp://127.0.0.1:*");
    dealer_.set(zmq::sockopt::linger, 0);
    router_.set(zmq::sockopt::linger, 0);
  }

  // Tells the other process where we listen and connects to where it does.
  void meet(int channel) {
    const std::string own = router_.get(zmq::sockopt::last_endpoint);
    if (::send(channel, own.data(), own.size(), MSG_NOSIGNAL) < 0) fail_errno("send");
    std::array<char, 256> buffer{};
    const ssize_t size = ::recv(channel, buffer.data(), buffer.size(), 0);
    if (size < 0) fail_errno("recv");
    if (size == 0) throw std::runtime_error("the other process has gone");
    dealer_.connect(std::string(buffer.data(), static_cast<std::size_t>(size)));
  }

  void send(zmq::message_t message) {
    if (!dealer_.send(message, zmq::send_flags::none)) throw std::runtime_error("message not sent");
  }

  void send(const void* data, std::size_t size) { send(zmq::message_t(data, size)); }

  void send(const Message& message) { send(&message, sizeof message); }

  // The next frame; valid until the next call.
  const zmq::message_t& receive() {
    if (!router_.recv(sender_) || !router_.recv(frame_)) {
      throw std::runtime_error("message not received");
    }
    return frame_;
  }

  Message receive_message() {
    const zmq::message_t& frame = receive();
    if (frame.size() != sizeof(Message)) throw std::runtime_error("not one message");
    Message message;
    std::memcpy(&message, frame.data(), sizeof message);
    return message;
  }

  zmq::socket_t& dealer() { return dealer_; }

 private:
  zmq::context_t context_{1};
  zmq::socket_t router_;
  zmq::socket_t dealer_;
  zmq::message_t sender_;
  zmq::message_t frame_;
};

// Runs body in a child process; channel connects the two. The child is killed when the parent
// ends, and by the destructor. Must be made while the process has one thread.
class Child {
 public:
  explicit Child(const std::function<void(int channel)>& body) {
    std::array<int, 2> channels{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channels.data()) < 0) {
      fail_errno("socketpair");
    }
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) fail_errno("fork");
    if (pid_ == 0) {
      ::close(channels[0]);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      ::alarm(kTimeLimitSeconds);
      int status = 0;
      try {
        body(channels[1]);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "zmq_peer: %s\n", error.what());
        status = 1;
      }
      std::fflush(nullptr);
      ::_exit(status);
    }
    ::close(channels[1]);
    channel_ = channels[0];
  }

  ~Child() {
    kill();
    wait();
    ::close(channel_);
  }

  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int channel() const { return channel_; }

  void kill() const {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }

  // The wait status.
  int wait() {
    int status = 0;
    while (pid_ > 0 && ::waitpid(pid_, &status, 0) < 0) {
      if (errno != EINTR) break;
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int channel_ = -1;
};

// Runs body in a process of its own and waits for it to succeed.
void in_fresh_process(bool one_cpu, const std::function<void()>& body) {
  Child child([&](int) {
    if (one_cpu) {
      cpu_set_t cpus;
      CPU_ZERO(&cpus);
      CPU_SET(0, &cpus);
      if (::sched_setaffinity(0, sizeof cpus, &cpus) < 0) fail_errno("sched_setaffinity");
    }
    body();
  });
  const int status = child.wait();
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
    throw std::runtime_error("not done after " + std::to_string(kTimeLimitSeconds) + " s");
  }
  if (status != 0) throw std::runtime_error("measurement failed");
}

// Starts a process that runs `peer` and runs `own`, each with a node that has met the other over a
// wire of kWires.
void with_peer(const std::string& wire, const std::function<void(Node&)>& peer,
               const std::function<void(Node&, Child&)>& own) {
  const Keys pair;
  const Keys* const keys = wire.empty() ? nullptr : &pair;
  Child other([&](int channel) {
    Node node(keys);
    node.meet(channel);
    peer(node);
  });
  Node node(keys);
  node.meet(other.channel());
  own(node, other);
}

// The peer that returns every message, until killed.
void echo(Node& node) {
  for (;;) node.send(node.receive_message());
}

// --- remote_latency ------------------------------------------------------------------------------

void remote_latency(const std::string& wire, const std::string& cores) {
  const std::uint64_t trips = scaled(50'000, 100);
  const auto measure = [&](Node& node, Child&) {
    std::vector<double> samples;
    samples.reserve(trips);
    for (std::uint64_t i = 0; i < trips / 10 + trips; ++i) {
      const auto start = Clock::now();
      node.send(Message{1, i, {}});
      if (node.receive_message().number != i) throw std::runtime_error("wrong echo");
      if (i >= trips / 10) samples.push_back(nanoseconds_since(start));
    }
    print_figure("remote_latency.p50" + wire + cores, percentile(samples, 0.50) / 1e3, "us");
    print_figure("remote_latency.p99" + wire + cores, percentile(samples, 0.99) / 1e3, "us");
  };
  in_fresh_process(!cores.empty(), [&] { with_peer(wire, echo, measure); });
}

void remote_latency() {
  for (const char* wire : kWires) {
    for (const char* cores : {"", ".1c"}) remote_latency(wire, cores);
  }
}

// --- remote_throughput ---------------------------------------------------------------------------

constexpr std::uint64_t kFrameMessages = 64;

// Fills frames of 64 messages and sends them. `lock` guards the node's one DEALER.
void send_frames(Node& node, std::mutex& lock, std::uint64_t tag, std::uint64_t frames) {
  std::vector<Message> frame(kFrameMessages, Message{});
  std::uint64_t number = 0;
  for (std::uint64_t i = 0; i < frames; ++i) {
    for (Message& message : frame) {
      message.tag = tag;
      message.number = number++;
    }
    const std::lock_guard guard(lock);
    node.send(frame.data(), frame.size() * sizeof(Message));
  }
}

// Receives that many frames from each of `pairs` senders, checks that every sender's messages come
// in order and acknowledges the last.
void receive_frames(Node& node, std::uint64_t pairs, std::uint64_t frames) {
  std::vector<std::uint64_t> next(pairs, 0);
  for (std::uint64_t i = 0; i < pairs * frames; ++i) {
    const zmq::message_t& frame = node.receive();
    if (frame.size() != kFrameMessages * sizeof(Message)) throw std::runtime_error("bad frame");
    const char* data = frame.data<char>();
    for (std::uint64_t k = 0; k < kFrameMessages; ++k, data += sizeof(Message)) {
      Message message;
      std::memcpy(&message, data, sizeof message);
      if (message.number != next.at(message.tag)++) throw std::runtime_error("out of order");
    }
  }
  node.send(Message{});
}

// 8x8 is eight sender threads, each filling frames of its own and handing them to the node's one
// DEALER under a mutex; the ROUTER's reader tells the eight streams apart. That is how Grove's
// processes share a connection, and eight pairs of sockets are slower.
void remote_throughput(const std::string& wire) {
  for (const std::uint64_t pairs : {1U, 8U}) {
    const std::uint64_t frames = scaled(20'000'000, 100'000) / kFrameMessages / pairs;
    const std::uint64_t warm_frames = frames / 10;
    const auto sink = [&](Node& node) {
      receive_frames(node, pairs, warm_frames);
      receive_frames(node, pairs, frames);
      node.receive();  // Stay until killed.
    };
    const auto send_all = [pairs](Node& node, std::uint64_t count) {
      std::mutex lock;
      std::vector<std::thread> senders;
      for (std::uint64_t tag = 1; tag < pairs; ++tag) {
        senders.emplace_back([&, tag] { send_frames(node, lock, tag, count); });
      }
      send_frames(node, lock, 0, count);
      for (std::thread& sender : senders) sender.join();
      node.receive_message();
    };
    const auto measure = [&](Node& node, Child&) {
      send_all(node, warm_frames);
      const auto start = Clock::now();
      send_all(node, frames);
      const double seconds = nanoseconds_since(start) / 1e9;
      const std::string name = std::to_string(pairs) + "x" + std::to_string(pairs);
      print_figure("remote_throughput." + name + wire,
                   static_cast<double>(pairs * frames * kFrameMessages) / seconds, "msg/s");
    };
    in_fresh_process(false, [&] { with_peer(wire, sink, measure); });
  }
}

// --- remote_large --------------------------------------------------------------------------------

constexpr std::uint64_t kWindow = 16;  // messages under way
constexpr std::size_t kMebibyte = std::size_t{1} << 20U;

// The sender's bytes are not copied; each message is acknowledged.
void remote_large(const std::string& wire) {
  const std::uint64_t count = scaled(2'000, 10);
  const auto acker = [](Node& node) {
    for (;;) {
      if (node.receive().size() != kMebibyte) throw std::runtime_error("not one message");
      node.send(Message{});
    }
  };
  std::vector<char> payload(kMebibyte, 'x');
  const auto send_all = [&](Node& node, std::uint64_t messages) {
    const auto keep = [](void*, void*) {};
    std::uint64_t sent = 0;
    for (std::uint64_t acknowledged = 0; acknowledged < messages; ++acknowledged) {
      for (; sent < messages && sent - acknowledged < kWindow; ++sent) {
        node.send(zmq::message_t(payload.data(), payload.size(), keep, nullptr));
      }
      node.receive_message();
    }
  };
  const auto measure = [&](Node& node, Child&) {
    send_all(node, count / 10);
    const auto start = Clock::now();
    send_all(node, count);
    const double seconds = nanoseconds_since(start) / 1e9;
    print_figure("remote_large" + wire, static_cast<double>(count * kMebibyte) / 1e6 / seconds,
                 "MB/s");
  };
  in_fresh_process(false, [&] { with_peer(wire, acker, measure); });
}

// --- kill_to_down --------------------------------------------------------------------------------

class DisconnectMonitor : public zmq::monitor_t {
 public:
  bool disconnected() const { return disconnected_; }

 private:
  void on_event_disconnected(const zmq_event_t&, const char*) override { disconnected_ = true; }

  bool disconnected_ = false;
};

// SIGKILL of the peer until the DEALER's monitor tells of it, the median of several kills.
void kill_to_down() {
  const std::uint64_t kills = scaled(15, 5);
  in_fresh_process(false, [&] {
    std::vector<double> samples;
    const auto measure = [&](Node& node, Child& other) {
      DisconnectMonitor monitor;
      monitor.init(node.dealer(), "inproc://monitor", ZMQ_EVENT_DISCONNECTED);
      node.send(Message{});
      node.receive();
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      const auto start = Clock::now();
      other.kill();
      while (!monitor.disconnected()) monitor.check_event(-1);
      samples.push_back(nanoseconds_since(start));
    };
    with_peer("", echo, measure);
    samples.clear();
    for (std::uint64_t i = 0; i < kills; ++i) with_peer("", echo, measure);
    print_figure("kill_to_down", percentile(samples, 0.50) / 1e6, "ms");
  });
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string row = argc == 2 ? argv[1] : "";
  if (row == "remote_latency") {
    remote_latency();
  } else if (row == "remote_throughput") {
    for (const char* wire : kWires) remote_throughput(wire);
  } else if (row == "remote_large") {
    for (const char* wire : kWires) remote_large(wire);
  } else if (row == "kill_to_down") {
    kill_to_down();
  } else {
    std::fprintf(stderr,
                 "usage: zmq_peer remote_latency|remote_throughput|remote_large|kill_to_down\n");
    return 2;
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "zmq_peer: %s\n", error.what());
  return 1;
}
