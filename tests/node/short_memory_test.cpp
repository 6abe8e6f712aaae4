// SPDX-License-Identifier: Apache-2.0
//
// When memory is short. This program brings its own allocator, in which the n-th allocation of a
// thread can be made to fail; n is walked upward until what is tried succeeds. ADR 16.
#include "grove/node/inspect.hpp"
#include "grove/testkit/local_world.hpp"

#include "support/real_world.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

constinit thread_local std::uint64_t t_fail_at = 0;  // so many allocations from now; 0: none fails

void* take(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
  if (t_fail_at != 0 && --t_fail_at == 0) throw std::bad_alloc{};
  void* const memory = alignment <= alignof(std::max_align_t)
                           ? std::malloc(size)
                           : std::aligned_alloc(alignment, (size + alignment - 1) & -alignment);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}
/// Not inlined: the compiler would see std::free() beside an operator new, and call it a mistake.
[[gnu::noinline]] void give_back(void* memory) noexcept { std::free(memory); }

}  // namespace

void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return take(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return take(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete[](void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t) noexcept { give_back(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { give_back(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { give_back(memory); }

namespace grove {
namespace detail {

void* allocate(std::size_t size) { return take(size); }
void deallocate(void* memory, std::size_t) noexcept { std::free(memory); }
std::size_t allocated_size(const void* memory) noexcept {
  return malloc_usable_size(const_cast<void*>(memory));
}

}  // namespace detail

namespace {

using namespace std::chrono_literals;
using testkit::LocalWorld;
using testkit::RealWorld;

struct Note {
  std::string text = "a text that is too long to have its place in the string itself";
};
struct Ask {
  using Reply = int;
};

Task<> wait_for_ever(Context& context) {
  for (;;) co_await context.receive_any();
}
class Sink final : public Handler {
 public:
  explicit Sink(std::string name) : name_{std::move(name)} {}
  void handle(Context&, Envelope&) override {}

 private:
  std::string name_;
};

/// For its scope no envelope comes from this thread's stock.
class EnvelopesFromTheAllocator {
 public:
  EnvelopesFromTheAllocator() : stock_{std::exchange(detail::t_envelopes, {})} {}
  EnvelopesFromTheAllocator(const EnvelopesFromTheAllocator&) = delete;
  ~EnvelopesFromTheAllocator() { detail::t_envelopes = stock_; }

 private:
  const detail::EnvelopeStock stock_;
};

/// Does `what` with the n-th of its allocations failing. Returns: whether it got so far, and threw.
template <class F>
bool fails_at(std::uint64_t n, F&& what) {
  const EnvelopesFromTheAllocator envelopes;
  t_fail_at = n;
  try {
    std::forward<F>(what)();
  } catch (const std::bad_alloc&) {
    EXPECT_EQ(std::exchange(t_fail_at, 0), 0U) << "it threw, and no allocation had failed";
    return true;
  }
  EXPECT_NE(std::exchange(t_fail_at, 0), 0U) << "an allocation failed, and it did not throw";
  return false;
}

/// What a process can see of itself, and how many others there are.
struct Seen {
  std::size_t processes = 0;
  std::size_t timers = 0;
  std::string name = {};
  std::vector<Pid> links = {};
  std::vector<Pid> monitors = {};
  std::vector<Pid> monitored_by = {};
  std::uint64_t mailbox = 0;
  friend bool operator==(const Seen&, const Seen&) = default;
  friend void PrintTo(const Seen& seen, std::ostream* out) {
    *out << seen.processes << " processes, " << seen.timers << " timers, name '" << seen.name
         << "', " << seen.links.size() << " links, " << seen.monitors.size() << " monitors, "
         << seen.monitored_by.size() << " of others, " << seen.mailbox << " messages";
  }
};
Task<Seen> look(Context& context, Pid pid) {
  const auto info = co_await process_info(context, pid);
  co_return Seen{context.node().process_count(),
                 context.node().timer_count(),
                 info->name,
                 info->links,
                 info->monitors,
                 info->monitored_by,
                 info->mailbox};
}
Task<Seen> look(Context& context) { return look(context, context.self()); }

Task<> end(Context& context, Pid pid) {
  const Ref ref = context.monitor(pid);
  context.exit(pid, ExitReason::kill());
  const auto is_it = [ref](const Down& down) { return down.ref == ref; };
  co_await context.receive<Down>(is_it);
}

/// The simulated scheduler's queue is a vector; afterwards it has room for a few.
Task<> let_the_queue_grow(Context& context) {
  for (int i = 0; i < 64; ++i) context.spawn([](Context&) -> Task<> { co_return; });
  co_await context.sleep_for(1ms);
}

// -- spawn ----------------------------------------------------------------------------------

using Start = std::function<void(Context&)>;
struct Spawning {
  std::string name;
  SpawnOptions options;
};

std::vector<Spawning> spawnings() {
  const MailboxLimit limit{.messages = 4};
  const std::string label = "a label that is too long to have its place in the string itself";
  return {{"plain", {}},
          {"link", {.link = true}},
          {"monitor", {.monitor = true}},
          {"alias", {.monitor = true, .alias = AliasMode::explicit_unalias}},
          {"bounded", {.mailbox = limit}},
          {"label", {.label = label}},
          {"request", {.reply = true}},
          {"server", {.start_serial = 1'000'000}},
          {"all",
           {.link = true,
            .monitor = true,
            .reply = true,
            .mailbox = limit,
            .start_serial = 1'000'000,
            .label = label}}};
}

/// The forms a process has; each starts one.
std::vector<Start> forms(const SpawnOptions& options) {
  return {[options](Context& context) { context.spawn_opt(options, wait_for_ever); },
          [options](Context& context) {
            context.spawn_opt(
                options, [note = Note{}](Context& own) -> Task<> { co_await own.receive<Note>(); });
          },
          [options](Context& context) { context.spawn_opt<Sink>(options, std::string(100, 'x')); }};
}

/// Starts a process while memory is short, and again, until it is there.
Task<> spawn_when_short(Context& context, Start start) {
  co_await let_the_queue_grow(context);
  const Seen before = co_await look(context);
  for (std::uint64_t n = 1; fails_at(n, [&] { start(context); }); ++n) {
    for (int again = 0; again < 100; ++again) EXPECT_TRUE(fails_at(n, [&] { start(context); }));
    const Seen after = co_await look(context);
    EXPECT_EQ(after, before) << "allocation " << n;
    // No place is lost, and the next one is linked and monitored as if nothing had been.
    const Spawned next = context.spawn_opt({.link = true, .monitor = true}, wait_for_ever);
    EXPECT_LT(next.pid.index, 128U) << "allocation " << n;
    const Seen other = co_await look(context, next.pid);
    EXPECT_EQ(other.links, std::vector{context.self()});
    EXPECT_EQ(other.monitored_by, std::vector{context.self()});
    context.unlink(next.pid);
    context.demonitor(next.ref);
    co_await end(context, next.pid);
  }
  EXPECT_EQ(context.node().process_count(), before.processes + 1);
}

TEST(ShortMemory, ASpawnThatFailsStartsNothingAndTiesNobody) {
  for (const Spawning& spawning : spawnings()) {
    for (const Start& start : forms(spawning.options)) {
      SCOPED_TRACE(spawning.name);
      LocalWorld world;
      world.run([&](Context& context) -> Task<> { co_await spawn_when_short(context, start); });
    }
  }
}

// Tables of many links have an index, which is made anew as they grow.
TEST(ShortMemory, ASpawnThatFailsLeavesManyLinksAndMonitorsAsTheyWere) {
  for (const int count : {16, 32, 64}) {
    LocalWorld world;
    world.run([&](Context& context) -> Task<> {
      std::vector<Spawned> others;
      for (int i = 0; i < count; ++i) {
        others.push_back(context.spawn_opt({.link = true, .monitor = true}, wait_for_ever));
      }
      context.trap_exit(true);
      co_await let_the_queue_grow(context);
      for (const Start& start : forms({.link = true, .monitor = true})) {
        const Seen before = co_await look(context);
        std::uint64_t n = 1;
        while (fails_at(n, [&] { start(context); })) {
          const Seen after = co_await look(context);
          EXPECT_EQ(after, before) << "allocation " << n;
          ++n;
        }
        EXPECT_GT(n, 1U);
      }
      for (const Spawned& other : others) {  // all of them are found again
        context.exit(other.pid, ExitReason::kill());
        const auto is_its = [pid = other.pid](const Exit& exit) { return exit.from == pid; };
        co_await context.receive<Exit>(is_its);
        EXPECT_FALSE(context.demonitor(other.ref, Flush::yes));
      }
    });
  }
}

// The table of processes grows by memory for 1024 places at a time.
Task<> spawn_beyond_the_table(Context& context) {
  std::uint32_t last = 0;
  co_await let_the_queue_grow(context);
  while (last % 1024 != 1023) {
    last = context.spawn(wait_for_ever).index;
    if (last % 64 == 63) co_await context.sleep_for(1ms);
  }
  const std::size_t before = context.node().process_count();
  std::uint64_t n = 1;
  while (fails_at(n, [&] { context.spawn_link(wait_for_ever); })) {
    EXPECT_EQ(context.node().process_count(), before) << "allocation " << n;
    ++n;
  }
  EXPECT_GT(n, 3U);
  std::vector<Pid> pids;
  for (int i = 0; i < 3000; ++i) pids.push_back(context.spawn(wait_for_ever));
  std::ranges::sort(pids);
  EXPECT_EQ(std::ranges::adjacent_find(pids), pids.end()) << "two processes have one place";
  EXPECT_EQ(context.node().process_count(), before + 1 + pids.size());
  co_return;
}

TEST(ShortMemory, ASpawnThatFailsForWantOfAPlaceTakesNone) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> { co_await spawn_beyond_the_table(context); });
}

TEST(ShortMemory, ASpawnThatFailsForWantOfAPlaceTakesNoneOfItsWorker) {
  RealWorld world{1};
  world.run([](Context& context) -> Task<> { co_await spawn_beyond_the_table(context); });
}

TEST(ShortMemory, ASpawnThatFailsIsAnExceptionOfItsSpawnersCode) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Spawned spawner = context.spawn_monitor([](Context& own) -> Task<> {
      if (fails_at(1, [&own] { own.spawn_link(wait_for_ever); })) throw std::bad_alloc{};
      co_return;
    });
    const Down down = co_await context.receive<Down>();
    EXPECT_EQ(down.ref, spawner.ref);
    EXPECT_EQ(down.reason, ExitReason::error("std::bad_alloc", "std::bad_alloc"));
  });
}

// -- the other calls of a process -------------------------------------------------------------

struct Calling {
  std::string name;
  std::function<void(Context&, Pid)> call;
  std::function<void(Context&, Pid)> undo = [](Context&, Pid) {};
};

std::vector<Calling> callings() {
  const auto open = std::make_shared<std::optional<Request<int>>>();
  return {
      {"link", [](Context& context, Pid other) { context.link(other); },
       [](Context& context, Pid other) { context.unlink(other); }},
      {"monitor", [](Context& context, Pid other) { context.monitor(other); }},
      {"monitor by name", [](Context& context, Pid) { context.monitor("a name of the other's"); }},
      {"alias", [](Context& context, Pid) { std::ignore = context.alias(); }},
      {"send", [](Context& context, Pid other) { context.send(other, Note{}); }},
      {"request", [open](Context& context, Pid other) { *open = context.send_request<Ask>(other); },
       [open](Context&, Pid) { open->reset(); }},
      {"name",
       [](Context& context, Pid) {
         const Result<void> done =
             context.register_name("a name that is too long for a string alone", context.self());
         EXPECT_TRUE(done);
       },
       [](Context& context, Pid) {
         EXPECT_TRUE(context.unregister_name("a name that is too long for a string alone"));
       }},
      {"timer", [](Context& context, Pid other) { context.send_after(1h, other, Note{}); }},
  };
}

TEST(ShortMemory, ACallThatFailsHasDoneNothing) {
  for (const Calling& calling : callings()) {
    SCOPED_TRACE(calling.name);
    LocalWorld world;
    world.run([&](Context& context) -> Task<> {
      co_await let_the_queue_grow(context);
      const Pid other = context.spawn(wait_for_ever);
      EXPECT_TRUE(context.register_name("a name of the other's", other));
      context.send_after(1min, other, Note{});  // the clock's alarm for it serves later ones, too
      const Seen before = co_await look(context);
      const Seen others_before = co_await look(context, other);
      std::uint64_t n = 1;
      context.hibernate();  // or its tables might still have room
      while (fails_at(n, [&] { calling.call(context, other); })) {
        const Seen after = co_await look(context);
        const Seen others_after = co_await look(context, other);
        EXPECT_EQ(after, before) << "allocation " << n;
        EXPECT_EQ(others_after, others_before) << "allocation " << n;
        context.hibernate();
        ++n;
      }
      EXPECT_GT(n, 1U);
      calling.undo(context, other);
    });
  }
}

// Linked, then an unlink that fails: each of them still hears of the other's end.
TEST(ShortMemory, AnUnlinkThatFailsLeavesTheLink) {
  LocalWorld world;
  world.run([](Context& context) -> Task<> {
    const Pid other = context.spawn_link(wait_for_ever);
    co_await look(context);
    std::uint64_t n = 1;
    while (fails_at(n, [&] { context.unlink(other); })) {
      const Seen seen = co_await look(context);
      EXPECT_EQ(seen.links, std::vector{other});
      ++n;
    }
    EXPECT_GT(n, 1U);
    const Seen seen = co_await look(context, other);
    EXPECT_TRUE(seen.links.empty());
  });
}

// -- the runtime itself -----------------------------------------------------------------------

// OTP: the emulator ends with a crash dump when the system gives it no memory.
TEST(ShortMemoryDeathTest, ASignalThatCannotBeActedOnEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        LocalWorld world;
        const Pid watched = world.node().spawn(wait_for_ever);
        world.node().spawn([watched](Context& context) -> Task<> {
          context.monitor(watched);
          t_fail_at = 1;
          co_await context.receive_any();
        });
        world.settle();
      },
      "bad_alloc");
}

}  // namespace
}  // namespace grove
