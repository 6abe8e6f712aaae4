// SPDX-License-Identifier: Apache-2.0
#include "grove/core/log.hpp"

#include <gtest/gtest.h>

#include <array>
#include <csignal>
#include <fcntl.h>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>

namespace grove {
namespace {

/// Standard error is a pipe for as long as this lives.
class StderrLog : public testing::Test {
 protected:
  StderrLog() {
    std::array<int, 2> ends{};
    EXPECT_EQ(pipe(ends.data()), 0);
    reader_ = ends[0];
    EXPECT_GE(dup2(ends[1], STDERR_FILENO), 0);
    close(ends[1]);
    log = make_stderr_log("me", LogLevel::info);
  }
  ~StderrLog() override {
    dup2(before_, STDERR_FILENO);
    close(before_);
    if (reader_ >= 0) close(reader_);
  }
  /// All that was written and not read yet.
  std::string read_all() {
    std::string all;
    set_blocking(reader_, false);
    std::array<char, 4096> some{};
    for (ssize_t size = 0; (size = read(reader_, some.data(), some.size())) > 0;) {
      all.append(some.data(), static_cast<std::size_t>(size));
    }
    return all;
  }
  /// Nobody reads any more, until read_all().
  static void fill() {
    set_blocking(STDERR_FILENO, false);
    while (write(STDERR_FILENO, "x", 1) == 1) {
    }
    set_blocking(STDERR_FILENO, true);
  }
  static void set_blocking(int file, bool blocks) {
    EXPECT_EQ(fcntl(file, F_SETFL, blocks ? 0 : O_NONBLOCK), 0);
  }

  const int before_ = dup(STDERR_FILENO);
  int reader_ = -1;
  std::shared_ptr<Log> log;
};

TEST_F(StderrLog, HasALineForEachThingThatIsSaid) {
  log->debug("nothing");
  log->info("one");
  log->error("two");
  const std::string said = read_all();
  EXPECT_EQ(said.find("nothing"), std::string::npos);
  EXPECT_NE(said.find(" info    [me] one\n"), std::string::npos) << said;
  EXPECT_NE(said.find(" error   [me] two\n"), std::string::npos) << said;
}

TEST_F(StderrLog, IsObeyedByNoTerminal) {
  log->info(
      "a\x1b[2Jb\xc2\x9b"
      "31m\n\tc\xc3\x9b\x7f");
  EXPECT_NE(read_all().find("[me] a\\x1b[2Jb\\xc2\\x9b31m\n\tc\xc3\x9b\\x7f\n"), std::string::npos);
}

TEST_F(StderrLog, ThatNobodyReadsHoldsUpNobodyAndSaysWhatIsLost) {
  fill();
  for (int i = 0; i < 1000; ++i) log->info("lost");  // they would wait for ever
  EXPECT_EQ(read_all().find("lost"), std::string::npos);
  log->info("next");
  const std::string said = read_all();
  EXPECT_TRUE(said.starts_with("lost 1000 lines of this log")) << said;
  EXPECT_NE(said.find("[me] next\n"), std::string::npos) << said;
}

TEST_F(StderrLog, ALineLongerThanThePipeIsTornAndTheNextOneWhole) {
  log->info(std::string(1'000'000, 'x'));
  EXPECT_LT(read_all().size(), 1'000'000U);
  log->info("next");
  const std::string said = read_all();
  EXPECT_TRUE(said.starts_with("\nlost 1 line of this log")) << said;
  EXPECT_NE(said.find("[me] next\n"), std::string::npos) << said;
}

TEST_F(StderrLog, WithoutAnyReaderIsWrittenInVain) {
  const auto before = signal(SIGPIPE, SIG_IGN);
  close(std::exchange(reader_, -1));
  log->info("heard by nobody");
  signal(SIGPIPE, before);
}

}  // namespace
}  // namespace grove
