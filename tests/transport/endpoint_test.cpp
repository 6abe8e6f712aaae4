// SPDX-License-Identifier: Apache-2.0
#include "grove/transport/endpoint.hpp"

#include "grove/core/random.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace grove::transport {
namespace {

using Kind = Endpoint::Kind;

struct Good {
  const char* name;
  std::string text;
  Endpoint means;
};
class GoodAddress : public testing::TestWithParam<Good> {};

TEST_P(GoodAddress, MeansOneThingAndHasOneText) {
  const auto parsed = parse_endpoint(GetParam().text, AddressUse::dial);
  ASSERT_TRUE(parsed) << parsed.error().detail;
  EXPECT_EQ(*parsed, GetParam().means) << to_string(*parsed);
  const auto again = parse_endpoint(to_string(*parsed), AddressUse::dial, 1);
  ASSERT_TRUE(again) << to_string(*parsed);
  EXPECT_EQ(*again, *parsed);
}

INSTANTIATE_TEST_SUITE_P(
    Endpoint, GoodAddress,
    testing::Values(
        Good{"ipv4", "127.0.0.1:7401", {.host = "127.0.0.1", .port = 7401}},
        Good{"ipv6", "[::1]:7401", {.host = "::1", .port = 7401}},
        Good{"ipv6_written_long", "[0:0:0:0:0:0:0:1]:7401", {.host = "::1", .port = 7401}},
        Good{"ipv6_without_port", "[2001:DB8::5]", {.host = "2001:db8::5", .port = 7400}},
        Good{"ipv4_mapped", "[::ffff:1.2.3.4]:1", {.host = "::ffff:1.2.3.4", .port = 1}},
        Good{"name", "Node-1.Example.org:1", {.host = "node-1.example.org", .port = 1}},
        Good{"name_with_last_dot", "example.org.:65535", {.host = "example.org.", .port = 65535}},
        Good{"name_with_underscore", "my_service:1", {.host = "my_service", .port = 1}},
        Good{
            "name_that_begins_with_a_digit", "3com.example:1", {.host = "3com.example", .port = 1}},
        Good{"name_without_port", "db", {.host = "db", .port = 7400}},
        Good{"ipv4_without_port", "10.0.0.1", {.host = "10.0.0.1", .port = 7400}},
        Good{"with_scheme", "tcp://h:5", {.host = "h", .port = 5}},
        Good{"node_at_host", "a@h", {.node = "a", .host = "h", .port = 7400}},
        Good{"node_at_host_and_port", "a@h:5", {.node = "a", .host = "h", .port = 5}},
        Good{"node_at_ipv6", "tcp://a-1_b@[::1]:5", {.node = "a-1_b", .host = "::1", .port = 5}},
        Good{"leading_zeros", "h:00080", {.host = "h", .port = 80}},
        Good{"socket_file", "ipc:///run/g/a.ipc", {.kind = Kind::ipc, .path = "/run/g/a.ipc"}},
        Good{"abstract_socket", "ipc://@grove-a", {.kind = Kind::ipc, .path = "@grove-a"}}),
    [](const auto& row) { return std::string{row.param.name}; });

struct Bad {
  const char* name;
  std::string text;
  const char* why;
};
class BadAddress : public testing::TestWithParam<Bad> {};

TEST_P(BadAddress, IsRefusedForEveryUseAndSaysWhy) {
  for (const AddressUse use : {AddressUse::listen, AddressUse::advertise, AddressUse::dial}) {
    const auto parsed = parse_endpoint(GetParam().text, use);
    ASSERT_FALSE(parsed) << to_string(*parsed);
    EXPECT_EQ(parsed.error().code, Errc::bad_address);
    EXPECT_NE(parsed.error().detail.find(GetParam().why), std::string::npos)
        << parsed.error().detail;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Endpoint, BadAddress,
    testing::Values(
        Bad{"nothing", "", "empty"}, Bad{"only_a_port", ":7", "host is missing"},
        Bad{"only_a_scheme", "tcp://", "host is missing"}, Bad{"a_number", "7401", "no IPv4"},
        Bad{"an_empty_port", "h:", "up to 65535"}, Bad{"a_large_port", "h:65536", "up to 65535"},
        Bad{"a_huge_port", "h:99999999999999999999", "up to 65535"},
        Bad{"a_negative_port", "h:-1", "up to 65535"},
        Bad{"a_port_with_a_sign", "h:+1", "up to 65535"},
        Bad{"a_port_in_words", "h:http", "up to 65535"},
        Bad{"a_port_and_more", "h:1/x", "up to 65535"}, Bad{"two_ports", "h:1:2", "brackets"},
        Bad{"ipv6_bare", "::1", "brackets"}, Bad{"ipv6_bare_and_port", "fe80::1:7400", "brackets"},
        Bad{"ipv4_too_large", "256.1.1.1:1", "no IPv4"}, Bad{"ipv4_short", "127.1:1", "no IPv4"},
        Bad{"ipv4_long", "1.2.3.4.5:1", "no IPv4"}, Bad{"ipv6_wrong", "[::1::2]:1", "no IPv6"},
        Bad{"ipv4_in_brackets", "[127.0.0.1]:1", "no IPv6"}, Bad{"brackets", "[]:1", "no IPv6"},
        Bad{"open_bracket", "[::1:7400", "not closed"}, Bad{"a_bracket", "[", "not closed"},
        Bad{"text_after_a_bracket", "[::1]x:1", "not closed"}, Bad{"closing", "]:1", "DNS name"},
        Bad{"zone", "[fe80::1%eth0]:1", "zone"}, Bad{"zone_number", "[fe80::1%2]:1", "zone"},
        Bad{"space", "no address", "space"}, Bad{"control", "h\x1b[1m:1", "control"},
        Bad{"newline", "h:1\n", "control"}, Bad{"zero_byte", std::string("h\0:1", 4), "control"},
        Bad{"umlaut", "größe:1", "DNS name"}, Bad{"empty_label", "a..b:1", "DNS name"},
        Bad{"dot", ".:1", "no IPv4"}, Bad{"dash_first", "-a:1", "DNS name"},
        Bad{"dash_last", "a-.b:1", "DNS name"}, Bad{"slash", "h/x:1", "DNS name"},
        Bad{"long_label", std::string(64, 'a') + ":1", "DNS name"},
        Bad{"long", std::string(256, 'a'), "longer than 255"},
        Bad{"long_with_its_port",
            std::string(60, 'a') + "." + std::string(60, 'a') + "." + std::string(60, 'a') + "." +
                std::string(60, 'a') + ".aaaaaaa",
            "with a port"},
        Bad{"megabyte", std::string(1U << 20U, ':'), "longer than 255"},
        Bad{"other_scheme", "http://h:1", "tcp:// or ipc://"},
        Bad{"inproc", "inproc://x", "tcp:// or ipc://"},
        Bad{"scheme_twice", "tcp://tcp://h:1", "tcp:// or ipc://"},
        Bad{"star_and_more", "*.example:1", "DNS name"},
        Bad{"no_path", "ipc://", "path is missing"}, Bad{"root", "ipc:///", "path is missing"},
        Bad{"no_name", "ipc://@", "path is missing"},
        Bad{"relative_path", "ipc://run/a", "begins with /"},
        Bad{"long_path", "ipc:///" + std::string(107, 'p'), "107 bytes"},
        Bad{"no_node", "@h:1", "no node name"}, Bad{"wrong_node", "A@h:1", "no node name"},
        Bad{"two_ats", "a@b@c:1", "DNS name"}, Bad{"node_of_nowhere", "a@:1", "host is missing"}),
    [](const auto& row) { return std::string{row.param.name}; });

TEST(Address, SaysWhatItIsFor) {
  const auto allows = [](const char* text, AddressUse use) {
    return static_cast<bool>(parse_endpoint(text, use));
  };
  for (const char* all : {"*", "*:7", "0.0.0.0:7", "[::]:7"}) {
    EXPECT_TRUE(allows(all, AddressUse::listen)) << all;
    EXPECT_FALSE(allows(all, AddressUse::advertise)) << all;
    EXPECT_FALSE(allows(all, AddressUse::dial)) << all;
  }
  EXPECT_TRUE(allows("h:0", AddressUse::listen));
  EXPECT_TRUE(allows("h:0", AddressUse::advertise));
  EXPECT_FALSE(allows("h:0", AddressUse::dial));
  EXPECT_FALSE(allows("a@h", AddressUse::listen));
  EXPECT_FALSE(allows("a@h", AddressUse::advertise));
  EXPECT_TRUE(allows("ipc:///tmp/a", AddressUse::listen));
}

TEST(Address, KnowsWhetherItMustBeLookedUpAndHowFarItReaches) {
  const auto of = [](const char* text) { return *parse_endpoint(text, AddressUse::listen); };
  for (const char* name : {"localhost:1", "db:1", "127.a:1", "xn--grn-hoa.example"}) {
    EXPECT_TRUE(of(name).is_name()) << name;
  }
  for (const char* number : {"127.0.0.1", "[::1]", "*", "ipc:///a"}) {
    EXPECT_FALSE(of(number).is_name()) << number;
  }
  for (const char* here : {"127.0.0.1", "127.255.0.9", "[::1]", "localhost", "ipc://@a"}) {
    EXPECT_TRUE(of(here).is_local()) << here;
  }
  for (const char* far : {"10.0.0.1", "*", "[::]", "127.evil.example", "[::ffff:127.0.0.1]"}) {
    EXPECT_FALSE(of(far).is_local()) << far;
  }
}

TEST(Address, OfANodeAdmitsItsShortAndItsLongName) {
  const Endpoint endpoint = *parse_endpoint("a@h:5", AddressUse::dial);
  EXPECT_TRUE(endpoint.admits("a"));
  EXPECT_TRUE(endpoint.admits("a@h"));
  for (const char* other : {"b", "a@g", "h", "", "a@h:5", "aa"}) {
    EXPECT_FALSE(endpoint.admits(other)) << other;
  }
  EXPECT_TRUE(parse_endpoint("h:5", AddressUse::dial)->admits("anybody"));
}

TEST(Address, OfANodeAdmitsItInWhateverCaseItsHostIsWritten) {
  for (const char* written : {"a@Desktop-1A", "a@desktop-1a"}) {
    const Endpoint endpoint = *parse_endpoint(written, AddressUse::dial, 5);
    EXPECT_TRUE(endpoint.admits("a@Desktop-1A")) << written;  // as the machine calls itself
    EXPECT_TRUE(endpoint.admits("a@desktop-1a")) << written;
    EXPECT_FALSE(endpoint.admits("A@desktop-1a")) << written;
  }
}

TEST(Address, OfNoPortHasTheOneThatIsGiven) {
  EXPECT_EQ(parse_endpoint("h", AddressUse::dial, 9)->port, 9);
  EXPECT_EQ(parse_endpoint("h:8", AddressUse::dial, 9)->port, 8);
  EXPECT_FALSE(parse_endpoint("h", AddressUse::dial, 0));
}

// Whatever people type: an address that its own text gives back, or an error that can be printed.
TEST(Address, OfAnyBytesIsOneOrAnError) {
  const std::string alphabet = "a1.:[]@/*%-_ \n\x80iptc0";
  Random random{7};
  int good = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random.below(3) == 0 ? "ipc://" : "");
    for (std::uint64_t left = random.below(12); left > 0; --left) {
      text += alphabet[random.below(alphabet.size())];
    }
    const auto parsed = parse_endpoint(text, AddressUse::dial);
    if (!parsed) {
      EXPECT_EQ(parsed.error().detail.find('\n'), std::string::npos);
      continue;
    }
    ++good;
    const auto again = parse_endpoint(to_string(*parsed), AddressUse::dial);
    ASSERT_TRUE(again) << text;
    EXPECT_EQ(*again, *parsed) << text;
  }
  EXPECT_GT(good, 100);
}

}  // namespace
}  // namespace grove::transport
