// SPDX-License-Identifier: Apache-2.0
//
// Ten thousand connections, many at a time: ZeroMQ limits them not, so the node must bear them.
#include "integration/under_attack.hpp"
#include "support/resident_bytes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
// What is freed must be used again, or the memory that is resident says nothing of a leak.
extern "C" const char* __asan_default_options();  // NOLINT(bugprone-reserved-identifier)
const char* __asan_default_options() { return "quarantine_size_mb=8"; }
#endif

namespace grove {
namespace {

using testkit::noise;
using testkit::RawSocket;
using testkit::resident_bytes;

constexpr int k_connects = 10'000;
constexpr int k_slices = 5;
constexpr rlim_t k_descriptors_apart = 500;  // for all but the flood
constexpr std::size_t k_growth_max = std::size_t{16} << 20U;

std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(
      std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{}));
}

class Flood : public testkit::UnderAttack {
 protected:
  void SetUp() override {
    rlimit limit{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t pairs = (limit.rlim_cur - k_descriptors_apart) / 2;  // both ends are ours
    at_once = static_cast<int>(std::min<rlim_t>(k_connects / k_slices, pairs));
    meet("integration");
  }
  /// `count` connections at once: some say nothing, some say nonsense. Then all go.
  void pour(int count) {
    std::vector<RawSocket> strangers(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < strangers.size(); ++i) {
      ASSERT_TRUE(strangers[i].connect(a->address())) << i;
      if (i % 2 == 0) (void)strangers[i].write(noise(i % 200, i));
    }
    exchange();
  }
  int at_once = 0;
};

TEST_F(Flood, TenThousandConnectsLeaveTheSessionAndNothingElse) {
  const std::size_t descriptors = open_descriptors();
  pour(at_once);  // what a flood of this size needs once, it may keep
  ASSERT_TRUE(a->wait([&] { return open_descriptors() <= descriptors; }));
  const std::size_t bytes = resident_bytes();
  int poured = at_once;
  for (; poured < k_connects; poured += at_once) pour(at_once);
  EXPECT_TRUE(a->wait([&] { return open_descriptors() <= descriptors; }));
  EXPECT_TRUE(a->wait([&] { return resident_bytes() < bytes + k_growth_max; }))
      << resident_bytes() << " bytes, and " << bytes << " before";
  EXPECT_TRUE(a->wait_for_count(Metric::handshakes_refused, static_cast<std::uint64_t>(poured)));
  EXPECT_LE(a->times_logged("refused a stranger"), 10);
  expect_untouched();
}

}  // namespace
}  // namespace grove
