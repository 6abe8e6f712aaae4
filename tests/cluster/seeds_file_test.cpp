// SPDX-License-Identifier: Apache-2.0
#include "seeds_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace grove::cluster {
namespace {

using Seeds = std::vector<std::string>;

TEST(Seeds, AreOneALineWithCommentsBlanksAndADefaultPort) {
  const auto seeds = parse_seeds(
      "# of the west\r\n\n  a@10.0.0.1  \nseeds.example:7001 # all\n[::1]\na@10.0.0.1:7400\n"
      "\t\nlast.example",
      7400);
  EXPECT_EQ(*seeds,
            (Seeds{"a@10.0.0.1:7400", "seeds.example:7001", "[::1]:7400", "last.example:7400"}));
  EXPECT_EQ(*parse_seeds("", 7400), Seeds{});
}

TEST(Seeds, ThatAreNoAddressesAreToldByTheirLine) {
  const auto seeds = parse_seeds("a:1\n# fine\nb:0\n", 7400);
  ASSERT_FALSE(seeds.has_value());
  EXPECT_EQ(seeds.error().code, Errc::bad_address);
  EXPECT_EQ(seeds.error().detail.find("line 3: "), 0U) << seeds.error().detail;
}

class SeedsFiles : public testing::Test {
 protected:
  ~SeedsFiles() override { std::filesystem::remove(path); }
  void write(const std::string& text) { std::ofstream{path} << text; }
  const std::string path =
      (std::filesystem::temp_directory_path() / ("grove_seeds_" + std::to_string(getpid())))
          .string();
  SeedsFile file{path, 7400};
};

TEST_F(SeedsFiles, AreReadAgainWhenTheyChange) {
  write("a:1\n");
  EXPECT_EQ(**file.read(), Seeds{"a:1"});
  EXPECT_FALSE(file.read().has_value());
  write("a:2\n");  // as long as before, and perhaps within the clock's tick
  EXPECT_EQ(**file.read(), Seeds{"a:2"});
}

TEST_F(SeedsFiles, ThatCannotBeReadAreAnErrorOnceAndThenReadAgain) {
  const auto missing = file.read();
  ASSERT_TRUE(missing.has_value());
  EXPECT_EQ(missing->error().code, Errc::io);
  EXPECT_EQ(missing->error().detail, "seeds file " + path + ": No such file or directory");
  EXPECT_FALSE(file.read().has_value());
  write("a:1\n");
  EXPECT_EQ(**file.read(), Seeds{"a:1"});
  write("no address\n");
  EXPECT_EQ((*file.read()).error().code, Errc::bad_address);
  write(std::string(SeedsFile::k_bytes_max + 1, '#'));
  EXPECT_EQ((*file.read()).error().detail, "seeds file " + path + ": it is longer than 64 KiB");
}

TEST_F(SeedsFiles, MayNotBeDirectories) {
  SeedsFile directory{"/tmp", 7400};
  EXPECT_EQ((*directory.read()).error().code, Errc::io);
}

/// Nobody would ever write into this one.
TEST_F(SeedsFiles, ThatArePipesAreNotWaitedFor) {
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ((*file.read()).error().detail, "seeds file " + path + ": it is no regular file");
}

}  // namespace
}  // namespace grove::cluster
