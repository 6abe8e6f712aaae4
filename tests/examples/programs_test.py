#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The example programs as nodes: each does what its page says, and is run, asked and stopped.

Usage: programs_test.py FOLDER_WITH_THE_BINARIES [unittest's arguments]
"""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))
from cli_test import OK, USAGE, CliTest, eventually  # noqa: E402


class Programs(CliTest):
    def play(self, program, *args, says=()):
        """Runs it as a member of a cluster until it has said all that, then stops it."""
        seed = self.here.node("seed")
        node = self.here.node("a", "--join", seed.address, *args, program=program)
        eventually(lambda: seed.states().get("a") == "up")
        for text in says:
            eventually(lambda text=text: text in node.logged())
        self.expect(self.here.grove("tree", "--node", "a", program=program), OK, "root")
        self.expect(self.here.grove("stop", "--node", "a"), OK, "a has stopped")
        self.assertEqual(node.ended(), OK)

    def test_hello(self):
        self.play("hello")

    def test_counter(self):
        self.play("counter", "--strategy", "rest_for_one", says=["Counter.Three: started"])
        refused = self.here.grove("run", "--name", "b", "--strategy", "none", program="counter")
        self.expect(refused, USAGE, "no strategy: none", "one_for_one, rest_for_one, one_for_all")

    def test_parent_jobs(self):
        self.play("parent_jobs", "--periodic", "--cancellable", "2", "--queue", "12",
                  says=["job succeeded"])

    def test_pool(self):
        self.play("pool", "--clients", "4", says=["client 1: 2 from", "client 4: 8 from"])

    def test_vm_lifecycle(self):
        self.play("vm_lifecycle", "--database", str(self.here.run_dir / "vm.db"), "--create",
                  "web-1", "--faults", "0", says=["create web-1: ok", "machine web-1: running"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
