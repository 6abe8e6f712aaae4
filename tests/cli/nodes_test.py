#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Addresses of nodes, and the ways nodes of one machine meet, as people and scripts use them.

Usage: nodes_test.py FOLDER_WITH_THE_BINARIES [unittest's arguments]
"""
import contextlib
import fcntl
import ipaddress
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import unittest
from pathlib import Path

from cli_test import (CONFIG, INTERNAL, LIMIT, NO, OK, TRY_AGAIN, UNAVAILABLE, USAGE, CliTest,
                      bin_dir, eventually)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def rewrite(path, text):
    """At once: whoever reads it meanwhile finds the old text or the new one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


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
        eventually(lambda: self.here.grove("join", "a@localhost", "--node", "b").returncode == OK)
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

    def test_a_node_on_all_addresses_says_its_loopback_only_if_it_has_no_other(self):
        env = {"GROVE_COOKIE": "secret", "GROVE_PORT": str(free_port())}
        a = self.here.node("a", "--listen", "*", env=env)
        others = subprocess.run(["hostname", "-I"], check=True, capture_output=True, text=True).stdout
        host = ipaddress.ip_address(a.address.rsplit(":", 1)[0].strip("[]"))
        self.assertEqual(host.is_loopback, not others.split())

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
        self.assertGreater(a.ask("metrics")["metrics"]["seeds_unanswered_total"], 0)

    def test_a_stopped_seed_holds_up_nobody_and_is_joined_when_it_goes_on(self):
        a = self.here.node("a")
        address = a.address
        a.process.send_signal(signal.SIGSTOP)
        b = self.here.node("b", "--join", address)

        def seed():
            return b.ask("members")["seeds"][0]

        def tries():
            return b.ask("metrics")["metrics"]["seeds_unanswered_total"]
        eventually(lambda: tries() > 0)
        # ZeroMQ's time for a handshake is as long as ours: either may be up first.
        self.assertRegex(seed()["trouble"], f"^{address} no answer (to the handshake )?in time$")
        self.assertIn(f"cannot reach seed {address}: {address} no answer", b.logged())
        members, health = (self.here.grove(verb, "--node", "b") for verb in ("members", "health"))
        self.expect(members, OK, "joining", f"{address} no answer")
        self.expect(health, NO, f"no answer yet from {address} (no answer")
        before = tries()
        eventually(lambda: tries() > before)
        self.assertEqual(b.states(), {"b": "up"})
        a.process.send_signal(signal.SIGCONT)
        for node in (a, b):
            self.up(node, "a", "b")
        self.assertEqual((seed()["node"], seed()["trouble"]), ("a", ""))

    def test_a_seed_that_is_the_node_itself_is_said_and_counted(self):
        address = f"127.0.0.1:{free_port()}"
        a = self.here.node("a", "--listen", address, "--join", address)
        eventually(lambda: a.ask("members")["seeds"][0]["node"] == "a")
        self.assertIn(f"seed {address} leads to this node itself", a.logged())
        self.expect(self.here.grove("metrics"), OK, "own_seeds_total 1")

    def test_a_seed_that_does_not_reach_this_node_is_not_joined(self):
        b = self.here.node("b", "--listen", "127.0.0.1:0")
        elsewhere = self.machine()
        a = elsewhere.node("a", "--listen", "127.0.0.1:0", "--advertise", "127.0.0.1:9")
        (elsewhere.run_dir / "a.ipc").unlink()  # out of reach, as on another machine
        why = "b accepts this node, but does not dial back to 127.0.0.1:9"
        done = elsewhere.grove("join", b.address, "--node", "a")
        self.expect(done, UNAVAILABLE, "cannot join")
        eventually(lambda: why in a.logged())
        eventually(lambda: "a has dialled this node, but cannot be reached at 127.0.0.1:9" in b.logged())
        self.expect(elsewhere.grove("members", "--node", "a"), OK, "joining", why)

    def test_a_second_node_of_a_name_stays_out_while_the_first_is_there(self):
        c = self.here.node("c", "--listen", "127.0.0.1:0")
        elsewhere = self.machine()
        first = self.here.node("x", "--listen", "127.0.0.1:0", "--join", c.address)
        self.up(c, "c", "x")
        second = elsewhere.node("x", "--listen", "127.0.0.1:0", "--join", c.address)
        said = "a node of that name is running"
        eventually(lambda: said in second.logged() and said in c.logged())
        self.expect(self.here.grove("members", "--node", "c"), OK, "refused", said)
        self.assertEqual(first.states(), {"c": "up", "x": "up"})
        self.assertEqual(second.states(), {"x": "up"})
        first.process.kill()
        self.up(second, "c", "x")

    def test_a_life_older_than_one_that_was_seen_stays_out_for_good(self):
        c = self.here.node("c")
        elsewhere = self.machine()
        older = elsewhere.node("x")
        newer = self.here.node("x", "--join", c.address)
        self.up(c, "c", "x")
        said = ("a newer life of that node has been seen (another node has its name, or its clock "
                "was set back)")
        self.expect(elsewhere.grove("join", c.address), UNAVAILABLE, "cannot join")
        eventually(lambda: f"c at {c.address} refused us: {said}" in older.logged())
        eventually(lambda: f"refused x at {older.address}: {said}" in c.logged())
        eventually(lambda: said in older.ask("members")["seeds"][0]["trouble"])
        self.expect(elsewhere.grove("members"), OK, "joining", f"refused this node: {said}")
        self.expect(self.here.grove("members", "--node", "c"), OK, f"by this node: {said}")
        self.assertEqual(c.states(), {"c": "up", "x": "up"})

        def times():
            return next(row["times"] for row in c.ask("members")["refused"] if row["why"] == said)
        newer.process.kill()
        eventually(lambda: c.states()["x"] == "down")
        before = times()
        eventually(lambda: times() > before + 1)
        self.assertEqual((c.states()["x"], older.states()), ("down", {"x": "up"}))

    def test_a_seeds_file_is_read_and_read_again(self):
        a, c = self.here.node("a"), self.here.node("c")
        seeds = self.here.run_dir / "seeds"
        wrong = ("run", "--name", "b", "--seeds-file", str(seeds))
        self.refused(CONFIG, [str(seeds), "No such file"], *wrong)
        seeds.write_text("# ours\n\nx:0\n")
        self.refused(USAGE, [str(seeds), "line 3"], *wrong)
        seeds.write_text(f"# ours\n{a.address}  # the first\n")
        b = self.here.node("b", env={"GROVE_SEEDS_FILE": str(seeds)})
        self.up(b, "a", "b")
        self.assertEqual(self.here.grove("health", "--node", "b").returncode, OK)
        rewrite(seeds, "not an address\n")
        eventually(lambda: "line 1" in b.logged() and "stay as they were" in b.logged())
        self.assertEqual(len(b.ask("members")["seeds"]), 1)
        rewrite(seeds, f"{c.address}\n{a.address}\n127.0.0.1:1\n")
        self.up(b, "a", "b", "c")
        eventually(lambda: len(b.ask("members")["seeds"]) == 3)
        rewrite(seeds, "")
        eventually(lambda: not b.ask("members")["seeds"])
        self.up(b, "a", "b", "c")

    def test_all_are_told_what_a_node_is_for(self):
        a = self.here.node("a", "--role", "web", "--role", "db", "--meta", "zone=west",
                           "--meta", "n=1=1")
        b = self.here.node("b", "--join", a.address,
                           env={"GROVE_ROLES": "web, batch", "GROVE_META": "owner=Jane Doe , x=y"})

        def told(node):
            return {m["name"]: (m["roles"], m["metadata"]) for m in node.ask("members")["members"]}
        wanted = {"a": (["web", "db"], {"zone": "west", "n": "1=1"}),
                  "b": (["web", "batch"], {"owner": "Jane Doe", "x": "y"})}
        for node in (a, b):
            eventually(lambda node=node: told(node) == wanted)
            self.expect(self.here.grove("members", "--node", node.name), OK,
                        "role web, db; n=1=1; zone=west")
        self.refused(USAGE, "is no role", "run", "--role", "Web")
        self.refused(USAGE, "KEY=VALUE", "run", "--meta", "zone")
        self.refused(USAGE, "given twice", "run", "--meta", "a=1", "--meta", "a=2")
        self.refused(USAGE, "1024 are allowed", "run", "--meta", "a=" + 1024 * "x")
        self.refused(USAGE, "not UTF-8", "run", "--meta", b"a=\xff")

    def test_no_terminal_obeys_what_another_node_says_of_itself(self):
        a = self.here.node("a", "--meta", "k=\x1b[31mred\nup forged\u009b5m")
        b = self.here.node("b", "--join", a.address)
        eventually(lambda: b.states().get("a") == "up")
        eventually(lambda: [m for m in b.ask("members")["members"]
                            if m["name"] == "a" and m["metadata"]])
        said = self.here.grove("members", "--node", "b")
        self.expect(said, OK, "k=\\x1b[31mred\\x0aup forged\\xc2\\x9b5m")
        up = [line for line in said.stdout.splitlines() if line.startswith("up")]
        self.assertEqual(len(up), 2, said.stdout)

    def test_a_minority_is_not_ready_and_stops_if_it_shall(self):
        self.refused(USAGE, "partition policy", "run", "--partition", "keep_oldest")
        self.refused(USAGE, "stay or stop", "run", "--minority", "die")
        self.refused(USAGE, "keep_majority", "run", "--minority", "stop")
        keep = ("--partition", "keep_majority", "--stable-after", "1")
        a = self.here.node("a", *keep)
        b = self.here.node("b", *keep, "--join", a.address)
        c = self.here.node("c", *keep, "--join", a.address, "--minority", "stop")
        for node in (a, b, c):
            self.up(node, "a", "b", "c")
            self.assertEqual(node.ask("members")["side"], "majority")
        b.process.send_signal(signal.SIGSTOP)
        a.process.kill()
        self.assertEqual(c.ended(), TRY_AGAIN)
        self.assertIn("minority of a partition", c.logged())
        b.process.send_signal(signal.SIGCONT)
        eventually(lambda: b.ask("members")["side"] == "minority")
        self.expect(self.here.grove("health", "--node", "b"), NO, "in the minority")
        self.expect(self.here.grove("members", "--node", "b"), OK, "in the minority")

    def test_a_paused_node_is_back_with_its_life_and_has_removed_nobody(self):
        a = self.here.node("a")
        b, c = (self.here.node(name, "--join", a.address) for name in "bc")
        for node in (a, b, c):
            self.up(node, "a", "b", "c")

        def c_at(node):
            return next(m for m in node.ask("members")["members"] if m["name"] == "c")
        life, ups = c_at(a)["life"], a.ask("metrics")["metrics"]["sessions_up_total"]
        c.process.send_signal(signal.SIGSTOP)
        for node in (a, b):
            eventually(lambda node=node: c_at(node)["state"] == "down")
        c.process.send_signal(signal.SIGCONT)
        for node in (a, b, c):
            self.up(node, "a", "b", "c")
        self.assertEqual(c_at(a)["life"], life)
        self.assertGreater(c_at(a)["incarnation"], 0)
        self.assertEqual(a.ask("metrics")["metrics"]["sessions_up_total"], ups + 1)
        self.assertEqual(c.ask("metrics")["metrics"]["members_declared_dead_total"], 0)


class Start(CliTest):
    def test_a_node_that_has_not_started_yet_hears_signals(self):
        directory = self.here.run_dir / "sockets"
        directory.mkdir()
        held = os.open(directory, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)  # as a name server that does not answer, to a name
        log = self.here.run_dir / "log"
        with log.open("w") as file:
            process = self.here.begin("grove", "run", "--listen", f"ipc://{directory}/a.ipc",
                                      stderr=file)
        eventually(lambda: self.here.grove("health", "--live").returncode == OK)
        process.send_signal(signal.SIGINT)
        eventually(lambda: "signal 2: stopping" in log.read_text())
        self.assertIsNone(process.poll())
        os.close(held)
        self.assertEqual(process.wait(LIMIT), OK)


class Log(CliTest):
    def test_a_node_whose_log_nobody_reads_lives_and_ends_all_the_same(self):
        reader, log = os.pipe()
        self.addCleanup(os.close, reader)
        process = self.here.begin("grove", "run", "--name", "a", stderr=log)
        eventually(lambda: self.here.grove("health").returncode == OK)
        os.set_blocking(log, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(log, b"x")
        os.set_blocking(log, True)  # for the node, too
        os.close(log)
        b = self.here.node("b")
        self.expect(self.here.grove("join", b.address, "--node", "a"), OK)  # which it logs
        root = json.loads(self.here.grove("ps", "--node", "a", "--json").stdout)["root"]
        self.expect(self.here.grove("kill", root, "--node", "a"), OK)
        self.assertEqual(process.wait(LIMIT), INTERNAL)  # and says why


class Limits(CliTest):
    def test_a_node_may_open_as_many_files_as_its_hard_limit_says(self):
        a = self.here.node("a", program="/bin/sh", through=("-c", 'ulimit -Sn 256; exec "$@"', "sh",
                                                            str(bin_dir / "grove")))
        soft, hard = resource.prlimit(a.process.pid, resource.RLIMIT_NOFILE)
        self.assertEqual(hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        self.assertNotEqual(hard, 256)
        self.assertEqual(soft, hard)

    def test_what_a_node_has_open_is_not_handed_to_programs_that_it_starts(self):
        a, b = self.here.node("a"), self.here.node("b")
        self.expect(self.here.grove("join", b.address, "--node", "a"), OK)
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self.here.run_dir / "a.sock"))
            self.expect(self.here.grove("health", "--node", "a"), OK)  # it has been accepted
            for entry in Path(f"/proc/{a.process.pid}/fdinfo").iterdir():
                with contextlib.suppress(FileNotFoundError):  # it is closed meanwhile
                    flags = int(entry.read_text().split("flags:")[1].split()[0], 8)
                    file = os.readlink(entry.parent.parent / "fd" / entry.name)
                    self.assertTrue(int(entry.name) <= 2 or flags & os.O_CLOEXEC, file)

    def test_messages_beyond_a_peers_budget_are_dealt_with_as_asked(self):
        def node(name, *args):
            return self.here.node(name, "--control", str(self.here.run_dir), "--history",
                                  str(self.here.run_dir / f"{name}.history"), *args,
                                  program="chaos_node")

        def busy(node):
            return node.ask("metrics")["metrics"]['dead_letters_total{reason="peer_busy"}']

        def status():
            return suspend.ask("info", suspending)["status"]
        b = node("b")
        join = ("--join", b.address, "--peer-budget", "1", "--when-busy")
        suspend, fail, drop = (node(how, *join, how) for how in ("suspend", "fail", "drop"))
        for one in (suspend, fail, drop):
            eventually(lambda one=one: "sink-b" in [n["name"] for n in one.ask("names")["names"]])
            self.assertEqual(busy(one), 0)
        suspending, failing, dropping = (n.pid_of("flooder") for n in (suspend, fail, drop))
        b.process.send_signal(signal.SIGSTOP)
        flood = self.here.run_dir / "flood-b"  # as long as it is there, the flooders send to b
        flood.touch()
        # Until b has been silent for four seconds and its session ends:
        eventually(lambda: status() == "blocked")
        queued = next(m["queued_bytes"] for m in drop.ask("members")["members"] if m["name"] == "b")
        self.assertLess(queued, 2 << 20)
        eventually(lambda: busy(drop) > 0)
        self.assertEqual(drop.pid_of("flooder"), dropping)
        eventually(lambda: busy(fail) > 0 and fail.pid_of("flooder") != failing)
        eventually(lambda: "(flooder) terminated: busy" in fail.logged())
        self.assertEqual(busy(suspend), 0)
        flood.unlink()
        b.process.send_signal(signal.SIGCONT)
        eventually(lambda: status() != "blocked")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
