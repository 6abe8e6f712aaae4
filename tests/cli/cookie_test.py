#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cookies, and who is kept out by them, as people and scripts meet them.

Usage: cookie_test.py FOLDER_WITH_THE_BINARIES [unittest's arguments]
"""
import json
import os
import re
import sys
import unittest
from pathlib import Path

from cli_test import CONFIG, NO, OK, UNAVAILABLE, CliTest, bin_dir, eventually


class Cookies(CliTest):
    def test_a_cookie_file_is_a_secret(self):
        def cookie_file(name, text, mode):
            path = self.here.run_dir / name
            path.write_text(text)
            path.chmod(mode)
            return str(path)
        for mode in (0o644, 0o440, 0o404, 0o600, 0o500, 0o420, 0o000):
            loose = cookie_file(f"{mode:o}", "secret\n", mode)
            self.refused(CONFIG, f"mode 0400, readable by its owner and nothing more; run: "
                                 f"chmod 0400 {loose}", "run", "--cookie-file", loose)
            self.refused(CONFIG, "chmod 0400", "run", env={"GROVE_COOKIE_FILE": loose})
        if os.getuid() == 0:
            foreign = cookie_file("foreign", "secret\n", 0o400)
            os.chown(foreign, 12345, 12345)
            self.refused(CONFIG, "belongs to another user", "run", "--cookie-file", foreign)
        pipe = str(self.here.run_dir / "pipe")
        os.mkfifo(pipe, 0o400)
        self.refused(CONFIG, "is no file", "run", "--cookie-file", pipe)
        self.refused(CONFIG, "longer than 4096", "run", "--cookie-file",
                     cookie_file("long", "x" * 5000, 0o400))
        self.refused(CONFIG, "empty", "run", "--cookie-file", cookie_file("empty", "", 0o400))
        self.refused(CONFIG, "No such file", "run", "--cookie-file", "/no/such/file")
        self.refused(CONFIG, "is no file", "run", "--cookie-file", str(self.here.run_dir))
        # The line's end is no part of the secret.
        a = self.here.node("a", "--cookie-file", cookie_file("unix", "secret\n", 0o400))
        for name, end in (("b", ""), ("c", "\r\n")):
            file = cookie_file(name, "secret" + end, 0o400)
            self.here.node(name, "--cookie-file", file, "--join", a.address)
        eventually(lambda: a.states() == {"a": "up", "b": "up", "c": "up"})

    def test_keygen_makes_a_cookie_that_nobody_else_has_or_reads(self):
        first, second = self.here.grove("keygen"), self.here.grove("keygen")
        self.expect(first, OK)
        self.assertRegex(first.stdout, r"\A[0-9a-f]{64}\n\Z")
        self.assertNotEqual(first.stdout, second.stdout)
        file = self.here.run_dir / "cookie"
        self.assertEqual(self.here.grove("keygen", "--out", str(file)).stdout, "")
        self.assertEqual(file.stat().st_mode & 0o7777, 0o400)
        cookie = file.read_text()
        self.assertRegex(cookie, r"\A[0-9a-f]{64}\n\Z")
        done = self.here.grove("keygen", "--out", str(file))
        self.expect(done, CONFIG, "is there already", "never overwrites")
        self.assertEqual(file.read_text(), cookie)
        self.expect(self.here.grove("keygen", "--out", "/no/such/folder/cookie"), CONFIG,
                    "cannot make")
        self.expect(self.here.grove("keygen", "--help"), OK, "--out", "0400")
        a = self.here.node("a", "--cookie-file", str(file))
        self.here.node("b", "--join", a.address, env={"GROVE_COOKIE": cookie.strip()})
        eventually(lambda: a.states() == {"a": "up", "b": "up"})
        self.assertIn("encrypted", a.logged())
        self.assertNotIn("the cookie is short", a.logged())

    def test_the_cookie_is_nowhere_to_be_read(self):
        secret = "plainly-a-secret-of-some-length"
        a = self.here.node("a", "--log", "debug", env={"GROVE_COOKIE": secret})
        b = self.here.node("b", "--log", "debug", "--join", a.address,
                           env={"GROVE_COOKIE": secret[::-1]})
        eventually(lambda: "cookie" in b.logged())
        for node, its in ((a, secret), (b, secret[::-1])):
            process = Path(f"/proc/{node.process.pid}")
            for place in ("environ", "cmdline"):
                self.assertNotIn(its.encode(), (process / place).read_bytes(), place)
            self.assertNotIn(its, node.logged())
            self.assertNotIn(its, json.dumps([node.ask(verb) for verb in ("members", "metrics")]))

    def test_what_is_weak_is_said(self):
        a = self.here.node("a", env={"GROVE_COOKIE": "short"})
        self.assertIn("the cookie is short", a.logged())
        self.assertIn("grove keygen", a.logged())
        b = self.here.node("b", program="/bin/sh", through=("-c", 'ulimit -n 1024; exec "$@"', "sh",
                                                            str(bin_dir / "grove")))
        self.assertIn("may open only 1024 files", b.logged())


class Strangers(CliTest):
    def test_strangers_are_kept_out_and_told_why(self):
        a = self.here.tracker("a", "--track", "txn-1", env={"GROVE_COOKIE": "right"})
        address, pids = a.address, a.pids()
        there = self.machine()
        strangers = []
        set_the_same = "(set the same GROVE_COOKIE on both nodes)"
        for name, args, cookie, words in (("w", [], "wrong",
                                           f"handshake refused, probably the cookie {set_the_same}"),
                                          ("n", [], "", f"it has a cookie {set_the_same}")):
            node = there.node(name, *args, "--join", address, env={"GROVE_COOKIE": cookie})
            joined = there.ask("join", address, "--node", name, "--json")
            strangers.append((node, words, joined))
        for node, words, joined in strangers:
            with self.subTest(name=node.name):
                self.expect_refusal(joined(), UNAVAILABLE, words)
                self.expect(there.grove("health", "--node", node.name), NO, words)
                self.assertEqual(node.states(), {node.name: "up"})
                unmet = [seed for seed in node.ask("members")["seeds"] if not seed["node"]]
                self.assertEqual([seed["address"] for seed in unmet], [address])
                self.assertIn(words, unmet[0]["trouble"])
                self.expect(there.grove("members", "--node", node.name), OK, "joining", words)
        self.assertEqual((a.states(), a.pids()), ({"a": "up"}, pids))
        for words in ("wrong cookie", "it has no cookie"):
            eventually(lambda: words in a.logged())
            # At most once with its address, and once where that was not known any more.
            self.assertLessEqual(a.logged().count(words), 2, a.logged())
        self.assertGreaterEqual(a.ask("metrics")["metrics"]["handshakes_refused_total"], 2)

    def test_where_one_side_has_no_cookie_both_say_so(self):
        there = self.machine()
        the_same = "(set the same GROVE_COOKIE on both nodes)"
        for name, its, cookie, why, told in (
                ("a", "right", "", "it has no cookie, this node has one",
                 f"handshake refused: it has a cookie {the_same}, or is no node"),
                ("b", "", "right", "it has a cookie, this node has none",
                 f"handshake refused, probably the cookie {the_same}")):
            with self.subTest(dialled=name):
                dialled = self.here.node(name, env={"GROVE_COOKIE": its})
                address = dialled.address
                dialler = there.node(f"to-{name}", "--join", address, env={"GROVE_COOKIE": cookie})
                # Who notices hangs up, which may come first; the next try may go the other way.
                eventually(lambda: re.search(f"refused a stranger( at 127.0.0.1)?: {why}",
                                             dialled.logged()))
                self.expect(self.here.grove("members", "--node", name), OK, "refused",
                            f"by this node: {why}")
                trouble = f"{address} {told}"
                eventually(lambda: f"cannot reach seed {address}: {trouble}; trying again"
                                   in dialler.logged())
                eventually(lambda: dialler.ask("members")["seeds"][0]["trouble"] == trouble)
                self.expect(there.grove("members", "--node", dialler.name), OK, "joining",
                            f"refused this node: {told}")
                for node in (dialled, dialler):
                    self.assertEqual(node.states(), {node.name: "up"})
                    counted = node.ask("metrics")["metrics"]["handshakes_refused_total"]
                    self.assertGreater(counted, 0)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
