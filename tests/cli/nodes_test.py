#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Addresses of nodes, and the ways nodes of one machine meet, as people and scripts use them.

Usage: nodes_test.py FOLDER_WITH_THE_BINARIES [unittest's arguments]
"""
import socket
import sys
import unittest

from cli_test import OK, UNAVAILABLE, USAGE, CliTest, eventually


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Addresses(CliTest):
    def up(self, node, *names):
        eventually(lambda: node.states() == {name: "up" for name in names})

    def over(self, node, peer):
        return next(m["over"] for m in node.ask("members")["members"] if m["name"] == peer)

    def test_an_address_without_a_port_has_the_default_one(self):
        self.expect(self.here.grove("run", "--help"), OK, "7400", "GROVE_PORT")
        port = {"GROVE_PORT": str(free_port())}
        a = self.here.node("a", "--listen", "127.0.0.1", env=port)
        self.assertEqual(a.address, "127.0.0.1:" + port["GROVE_PORT"])
        b = self.here.node("b", "--join", "localhost", env=port)
        self.up(b, "a", "b")
        for wrong in ("0", "x", "65536", "-1"):
            self.refused(USAGE, "GROVE_PORT", "run", env={"GROVE_PORT": wrong})

    def test_a_node_at_a_host_is_that_node(self):
        port = {"GROVE_PORT": str(free_port())}
        a = self.here.node("a", "--listen", "127.0.0.1", env=port)
        b = self.here.node("b", env=port)
        self.refused(UNAVAILABLE, "is node a", "join", "x@localhost", "--node", "b")
        self.assertEqual(b.states(), {"b": "up"})
        self.assertEqual(b.ask("join", "a@localhost")["joined"], "a")
        self.up(b, "a", "b")
        self.refused(USAGE, "--name", "run", "--listen", "a@localhost")
        for address in ("A@localhost", "@localhost"):
            self.refused(USAGE, "no node name", "join", address, "--node", "a")

    def test_a_name_with_a_host_is_where_others_reach_a_node_on_all_addresses(self):
        env = {"GROVE_COOKIE": "secret", "GROVE_PORT": str(free_port())}
        a = self.here.node("a@localhost", "--listen", "*", env=env)
        self.assertEqual(a.address, "localhost:" + env["GROVE_PORT"])
        b = self.here.node("b", "--join", "a@localhost", env=env)
        self.up(b, "a@localhost", "b")

    def test_what_is_advertised_has_the_port_that_is_bound(self):
        a = self.here.node("a", "--advertise", "localhost")
        self.assertRegex(a.address, r"^localhost:[1-9][0-9]*$")
        b = self.here.node("b", "--join", a.address)
        self.up(b, "a", "b")
        self.up(a, "a", "b")

    def test_nodes_meet_over_ipv6(self):
        a = self.here.node("a", "--listen", "[::1]:0")
        self.assertRegex(a.address, r"^\[::1\]:[1-9][0-9]*$")
        b = self.here.node("b", "--listen", "[::1]:0", "--join", a.address)
        self.up(b, "a", "b")

    def test_nodes_of_one_machine_meet_at_their_sockets(self):
        a = self.here.node("a")
        b = self.here.node("b", "--join", a.address)
        self.up(b, "a", "b")
        self.up(a, "a", "b")
        for node, peer in ((a, "b"), (b, "a")):
            self.assertEqual(self.over(node, peer), f"ipc://{self.here.run_dir}/{peer}.ipc")
            self.assertEqual((self.here.run_dir / f"{peer}.ipc").stat().st_mode & 0o777, 0o600)
        self.expect(self.here.grove("members", "--node", "a"), OK, "over ipc://")
        # What a node leaves when it is killed is no hindrance to its next life.
        b.process.kill()
        b.ended()
        self.assertTrue((self.here.run_dir / "b.ipc").exists())
        eventually(lambda: a.states()["b"] == "down")
        b = self.here.node("b", "--join", a.address)
        self.up(a, "a", "b")
        self.assertEqual(self.over(a, "b"), f"ipc://{self.here.run_dir}/b.ipc")
        self.assertEqual(b.ask("stop")["schema_version"], 1)
        self.assertEqual(b.ended(), OK)
        self.assertFalse((self.here.run_dir / "b.ipc").exists())

    def test_a_node_may_listen_at_a_socket_only(self):
        path = self.here.run_dir / "only.ipc"
        a = self.here.node("a", "--listen", f"ipc://{path}")
        self.assertEqual(a.address, f"ipc://{path}")
        b = self.here.node("b", "--join", f"ipc://{path}")
        self.up(b, "a", "b")
        self.up(a, "a", "b")
        self.refused(UNAVAILABLE, "is taken", "run", "--name", "c", "--listen", f"ipc://{path}")
        file = self.here.run_dir / "file"
        file.touch()
        self.refused(USAGE, "no socket", "run", "--name", "c", "--listen", f"ipc://{file}")
        self.assertTrue(file.exists())

    def test_members_shows_whom_a_node_tries_to_join(self):
        a = self.here.node("a", "--join", "127.0.0.1:1")
        eventually(lambda: "refused" in a.ask("members")["seeds"][0]["trouble"])
        self.expect(self.here.grove("members"), OK, "joining", "127.0.0.1:1", "connection refused")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
