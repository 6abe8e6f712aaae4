// SPDX-License-Identifier: Apache-2.0
//
// What docs/flow.md shows.
#include "cluster/flow_world.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace {

// [snippet picture]
struct Picture {
  std::string title;
  grove::Bytes pixels;
};
// [/snippet picture]

}  // namespace

// [snippet declared]
GROVE_MESSAGE(Picture, "gallery.picture", title, pixels)
// [/snippet declared]

namespace grove::flow_test {
namespace {

// [snippet show]
Task<> show(Context& context, Pid gallery, std::vector<std::byte> file) {
  const Bytes pixels{std::move(file)};  // takes the vector over
  context.send<Picture>(gallery, "the sea", pixels);
  context.send<Picture>(gallery, "its left half", pixels.slice(0, pixels.size() / 2));
  co_return;
}
// [/snippet show]

// [snippet careful]
ClusterConfig careful() {
  ClusterConfig config;
  config.flow.budget_bytes = 16U << 20U;
  config.flow.when_busy = BusyPolicy::fail;
  config.flow.slow_after = std::chrono::seconds{5};
  return config;
}
// [/snippet careful]

using FlowDoc = FlowWorld;

TEST_F(FlowDoc, ABlobCrossesNodesAsItIs) {
  start([](ClusterConfig& config) { config.flow = careful().flow; });
  Pid gallery;
  auto shown = b().async([&gallery](Context& context) -> Task<std::vector<Picture>> {
    gallery = context.self();
    std::vector<Picture> pictures;
    for (int left = 2; left > 0; --left) pictures.push_back(co_await context.receive<Picture>());
    co_return pictures;
  });
  world.run_for(1ms);
  const std::vector<std::byte> file(3 * k_mib, std::byte{7});
  a().spawn(show, gallery, file);
  world.run_for(1s);
  const std::vector<Picture> pictures = SimWorld::ready(shown);
  EXPECT_EQ(pictures[0].pixels, Bytes{file});
  EXPECT_EQ(pictures[1].title, "its left half");
  EXPECT_EQ(pictures[1].pixels.size(), 3 * k_mib / 2);
}

TEST_F(FlowDoc, ABlobOfOneFrameIsNotCopied) {
  start();
  Pid gallery;
  auto shown = b().async([&gallery](Context& context) -> Task<Picture> {
    gallery = context.self();
    co_return co_await context.receive<Picture>();
  });
  world.run_for(1ms);
  const Bytes pixels = bytes_of(k_mib);
  a().spawn([gallery, pixels](Context& context) -> Task<> {
    context.send<Picture>(gallery, "the sea", pixels);
    co_return;
  });
  world.run_for(1s);
  // The simulated network is one program: what arrives may be what was sent.
  EXPECT_EQ(SimWorld::ready(shown).pixels.data(), pixels.data());
}

}  // namespace
}  // namespace grove::flow_test
