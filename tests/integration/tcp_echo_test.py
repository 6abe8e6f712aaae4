#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The TCP example as its clients meet it.

Usage: tcp_echo_test.py FOLDER_WITH_THE_BINARIES [unittest's arguments]
"""
import re
import socket
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))
from cli_test import LIMIT, Machine, eventually  # noqa: E402


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), LIMIT)
        self.file = self.socket.makefile("rw", newline="\n")

    def close(self):
        self.file.close()
        self.socket.close()

    def say(self, line):
        """Sends a line. Returns: the answer; empty when the server has closed the connection."""
        self.file.write(line + "\n")
        self.file.flush()
        return self.file.readline().rstrip("\n")


class TcpEcho(unittest.TestCase):
    def setUp(self):
        self.machine = Machine()
        self.addCleanup(self.machine.close)
        self.node = self.machine.node("a", "--port", "0", program="tcp_echo")

    def client(self):
        ports = eventually(lambda: re.findall(r"accepting clients on 127\.0\.0\.1:(\d+)",
                                              self.node.logged()))
        client = Client(int(ports[-1]))
        self.addCleanup(client.close)
        return client

    def connections(self):
        return [process["pid"] for process in self.node.ask("ps")["processes"]
                if process["label"] == "connection"]

    def test_a_crash_is_one_clients_own(self):
        first, second = self.client(), self.client()
        self.assertEqual(first.say("one"), "one")
        self.assertEqual(second.say("two"), "two")
        self.assertEqual(first.say("crash"), "")
        self.assertEqual(second.say("still here"), "still here")
        self.assertEqual(self.client().say("three"), "three")
        eventually(lambda: "a client asked for it" in self.node.logged())  # the socket closes first

    def test_a_killed_connection_closes_and_a_closed_one_ends(self):
        first = self.client()
        self.assertEqual(first.say("one"), "one")
        [pid] = self.connections()
        second = self.client()
        self.assertEqual(second.say("two"), "two")
        self.machine.grove("kill", pid, "--node", "a")
        self.assertEqual(first.file.readline(), "")
        second.close()
        eventually(lambda: not self.connections())

    def test_the_listener_is_started_again_and_connections_stay(self):
        client = self.client()
        self.assertEqual(client.say("one"), "one")
        self.machine.grove("kill", self.node.pid_of("listener"), "--node", "a")
        eventually(lambda: self.node.logged().count("accepting clients") == 2)
        self.assertEqual(client.say("two"), "two")
        self.assertEqual(self.client().say("three"), "three")

    def test_it_stops_while_clients_are_connected(self):
        client = self.client()
        self.assertEqual(client.say("one"), "one")
        self.assertEqual(self.machine.grove("stop", "--node", "a").returncode, 0)
        self.assertEqual(self.node.ended(), 0)
        self.assertEqual(client.file.readline(), "")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
