#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The command line as people and scripts meet it; every node is an OS process of its own.

Usage: cli_test.py FOLDER_WITH_THE_BINARIES [unittest's arguments]
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

LIMIT = 60  # seconds; only what hangs or never happens takes so long
OK, NO, USAGE, DATA, UNAVAILABLE, INTERNAL, TRY_AGAIN, CONFIG = 0, 1, 64, 65, 69, 70, 75, 78
VERBS = ("health", "members", "ps", "tree", "names", "groups", "tables", "metrics", "leave",
         "stop")
bin_dir = Path(sys.argv[1] if len(sys.argv) > 1 else "build/release/bin").resolve()


def eventually(what):
    """Polls until `what` returns something true, and returns it."""
    give_up = time.monotonic() + LIMIT
    while not (result := what()):
        if time.monotonic() > give_up:
            raise AssertionError(f"never happened: {what}")
        time.sleep(0.02)
    return result


class Node:
    def __init__(self, machine, name, process, log):
        self.machine, self.name, self.process, self.log = machine, name, process, log

    def ask(self, *args):
        """Runs a verb that must succeed; returns its JSON."""
        done = self.machine.grove(*args, "--json", "--node", self.name)
        assert done.returncode == OK, f"{args}: {done.returncode} {done.stderr}\n{self.logged()}"
        return json.loads(done.stdout)

    @property
    def address(self):
        return self.ask("members")["members"][0]["address"]

    @property
    def root(self):
        return self.ask("ps")["root"]

    def pids(self):
        return [process["pid"] for process in self.ask("ps")["processes"]]

    def pid_of(self, what):
        return eventually(lambda: next(
            (p["pid"] for p in self.ask("ps")["processes"] if p["label"] == what), None))

    def states(self):
        return {member["name"]: member["state"] for member in self.ask("members")["members"]}

    def logged(self):
        return self.log.read_text(errors="replace")

    def ended(self):
        return self.process.wait(LIMIT)


class Machine:
    """A run directory, and the nodes started there."""

    def __init__(self):
        self.run_dir = Path(tempfile.mkdtemp(prefix="grove-"))
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("GROVE_")}
        self.env["GROVE_RUN_DIR"] = str(self.run_dir)
        self.processes = []

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def begin(self, program, *args, env=None, **how):
        process = subprocess.Popen([bin_dir / program, *args], stdin=subprocess.DEVNULL,
                                   env={**self.env, **(env or {})}, **how)
        self.processes.append(process)
        return process

    def ask(self, *args, program="grove", env=None):
        """Begins a command; the function returned waits for its end, and has what it said."""
        process = self.begin(program, *args, env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)

        def end():
            out, err = process.communicate(timeout=LIMIT)
            return subprocess.CompletedProcess(args, process.returncode, out, err)
        return end

    def grove(self, *args, **how):
        """Runs a command to its end; returns it with returncode, stdout, stderr."""
        return self.ask(*args, **how)()

    def node(self, name, *args, program="grove", through=(), env=None):
        """Starts a node, by `program` with the arguments `through`, and waits for it to run."""
        log = self.run_dir / f"{name}.log"
        with log.open("a") as file:
            process = self.begin(program, *through, "run", "--name", name, *args, env=env,
                                 stderr=file)
        node = Node(self, name, process, log)

        def started():
            assert process.poll() is None, f"{name} ended: {node.logged()}"
            return self.grove("health", "--live", "--node", name).returncode == OK
        eventually(started)
        eventually(lambda: "starting" not in self.grove("health", "--node", name).stdout)
        return node

    def tracker(self, name, *args, **how):
        return self.node(name, *args, program="transaction_tracker", **how)


class CliTest(unittest.TestCase):
    def setUp(self):
        self.here = self.machine()

    def machine(self):
        machine = Machine()
        self.addCleanup(machine.close)
        return machine

    def expect(self, done, code, *words):
        said = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, f"{done.args}: {said}")
        for word in words:
            self.assertIn(word, said, done.args)

    def refused(self, code, words, *args, machine=None, **how):
        """A command fails with `code` and says `words`; as JSON, too."""
        machine = machine or self.here
        with self.subTest(args=[arg[:40] for arg in args]):
            done = machine.grove(*args, *([] if args[0] == "run" else ["--json"]), **how)
            self.expect_refusal(done, code, words)

    def expect_refusal(self, done, code, words):
        self.expect(done, code, *([words] if isinstance(words, str) else words))
        said = [line for line in done.stderr.splitlines() if line.startswith("grove: ")]
        self.assertEqual(len(said), 1, done.stderr)  # among a node's own log, once it runs
        if "--json" in done.args:
            error = json.loads(done.stdout)
            self.assertEqual((error["schema_version"], error["code"]), (1, code))
            self.assertEqual(f"grove: {error['error']}", done.stderr.removesuffix("\n"))
        else:
            self.assertEqual(done.stdout, "")


class Usage(CliTest):
    def test_without_a_node_every_verb_says_how_to_start_one(self):
        for verb in VERBS:
            self.refused(NO if verb == "health" else UNAVAILABLE, "grove run --name", verb)
        self.refused(UNAVAILABLE, "no node named zz", "members", "--node", "zz",
                     env={"GROVE_LOG": "loud"})  # which is for `run`

    def test_help_and_version_are_no_errors(self):
        self.expect(self.here.grove("--help"), OK, "Exit codes", "GROVE_RUN_DIR", "whereis")
        self.expect(self.here.grove("run", "--help"), OK, "--listen")
        self.expect(self.here.grove("--version"), OK, ".")

    def test_what_cannot_be_understood_is_a_usage_error(self):
        self.refused(USAGE, ['"bogus" is no command', "--help"], "bogus")
        self.refused(USAGE, "extra", "members", "extra")
        self.refused(USAGE, "ADDRESS", "join")
        for what, verb in (("NAME", "whereis"), ("PID", "info"), ("PID", "kill")):
            self.refused(USAGE, what, verb)
        self.refused(USAGE, "--live", "health", "--live", "--ready")
        self.expect(self.here.grove(), USAGE, "say what to do", "--help")

    def test_run_refuses_bad_settings(self):
        for name in ("A", "a b", "../x", "a@", "@h", "é", "a" * 64):
            self.refused(USAGE, "is no node name", "run", "--name", name)
        for address, words in (("no pe", "space"), ("7401", "no IPv4"), ("127.0.0.1:", "65535"),
                               ("127.0.0.1:99999", "up to 65535"), ("127.0.0.1:x", "up to 65535"),
                               ("::1:0", "brackets"), ("[::1", "not closed"),
                               (":7", "host is missing"), ("", "empty"), ("udp://h", "tcp://"),
                               ("ipc://here", "begins with /"), ("[fe80::1%lo]:1", "zone")):
            for flag in ("--listen", "--join", "--advertise"):
                if flag != "--advertise" or address:
                    self.refused(USAGE, [flag, words], "run", flag, address)
        for address in ("0.0.0.0:7", "[::]:7", "*:7"):
            self.refused(USAGE, "nobody can reach", "run", "--advertise", address)
        for number in ("-1", "abc", "100000", "99999999999"):
            self.refused(USAGE, "--workers", "run", "--workers", number)
        for budget in ("0", "-1", "64GB", "65537"):
            self.refused(USAGE, "--peer-budget", "run", "--peer-budget", budget)
        self.refused(USAGE, "suspend,fail,drop", "run", "--when-busy", "wait")
        self.refused(USAGE, "no log level", "run", "--log", "loud")
        for cluster in ("a b", "a\nb", "c" * 3000):
            self.refused(USAGE, "no cluster name", "run", "--cluster", cluster)

    def test_run_refuses_where_it_cannot_listen(self):
        cookie = {"GROVE_COOKIE": "x" * 32}
        for address in ("0.0.0.0:0", "[::]:0", "127.0.0.1.example.com:0"):
            self.refused(CONFIG, ["GROVE_COOKIE", "keygen"], "run", "--listen", address)
        self.refused(CONFIG, "GROVE_COOKIE", "run", "--advertise", "192.0.2.1:7")
        self.refused(USAGE, "cannot listen", "run", "--listen", "192.0.2.1:0", env=cookie)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.refused(UNAVAILABLE, "taken", "run", "--listen", f"127.0.0.1:{port}")

    def test_run_refuses_a_directory_it_cannot_use(self):
        file = self.here.run_dir / "file"
        file.touch()
        for path, words in (("/proc/none", "cannot use"), (str(file), "no directory"),
                            ("/tmp/" + "d" * 120, "too long")):
            self.refused(CONFIG, [words, "GROVE_RUN_DIR"], "run", env={"GROVE_RUN_DIR": path})
        if os.getuid() == 0:
            foreign = self.here.run_dir / "foreign"
            foreign.mkdir()
            os.chown(foreign, 12345, 12345)
            self.refused(CONFIG, "another user", "run", env={"GROVE_RUN_DIR": str(foreign)})

    def test_the_run_directory_is_private_when_made_and_left_alone_when_there(self):
        self.here.run_dir.chmod(0o755)
        self.here.node("a")
        self.assertEqual(self.here.run_dir.stat().st_mode & 0o777, 0o755)
        self.assertEqual((self.here.run_dir / "a.sock").stat().st_mode & 0o777, 0o600)
        self.here.env["GROVE_RUN_DIR"] = str(self.here.run_dir / "deep" / "er")
        self.here.node("b")
        self.assertEqual((self.here.run_dir / "deep" / "er").stat().st_mode & 0o777, 0o700)
        self.here.env["GROVE_RUN_DIR"] = str(self.here.run_dir / "slash") + "//"
        self.here.node("c")
        self.assertEqual((self.here.run_dir / "slash").stat().st_mode & 0o777, 0o700)

    def test_a_path_too_long_for_a_socket_holds_no_node(self):
        deep = self.here.run_dir / ("d" * 120)
        deep.mkdir()
        (deep / "a.sock").touch()
        self.refused(UNAVAILABLE, "no node runs", "members", env={"GROVE_RUN_DIR": str(deep)})


class OneNode(CliTest):
    def test_every_verb_answers_people_and_programs(self):
        a = self.here.tracker("a", "--track", "txn-1")
        pid = a.ask("whereis", "txn-1")["pid"]
        for verb in (["health"], ["health", "--live"], ["health", "--ready"], ["members"], ["ps"],
                     ["tree"], ["names"], ["groups"], ["tables"], ["metrics"], ["whereis", "txn-1"],
                     ["whereis", pid], ["info", "txn-1"], ["info", pid], ["kill", "txn-1", "normal"]):
            with self.subTest(verb=verb):
                self.assertEqual(a.ask(*verb)["schema_version"], 1)
                done = self.here.grove(*verb)
                self.expect(done, OK)
                self.assertTrue(done.stdout.strip())
        self.assertEqual(a.ask("health")["healthy"], True)
        self.assertEqual(a.ask("names")["names"], [{"name": "txn-1", "node": "a", "pid": pid}])
        self.assertEqual(a.ask("groups")["groups"], [])
        self.assertEqual(a.ask("tables")["tables"], [])
        self.assertEqual(a.ask("stop")["schema_version"], 1)
        self.assertEqual(a.ended(), OK)

    def test_info_tells_all_about_a_process(self):
        a = self.here.tracker("a", "--track", "txn-1")
        pid = a.ask("whereis", "txn-1")["pid"]
        info = a.ask("info", pid)
        self.assertEqual((info["pid"], info["label"]), (pid, "txn-1"))
        self.assertEqual((info["status"], info["priority"]), ("waiting", "normal"))
        self.assertEqual((info["mailbox"], info["oldest_message_ms"]), (0, None))
        self.assertEqual((info["handling"], info["handling_ms"]), ("", None))
        self.assertEqual(info["ancestors"][0], info["parent"])
        self.assertEqual(info["ancestors"][-1], a.root)
        self.assertEqual(info["tables"], [])
        self.assertGreater(info["memory_bytes"], 128)
        self.expect(self.here.grove("info", pid), OK, "memory_bytes", "ancestors")
        self.expect(self.here.grove("ps"), OK, "OLDEST_MS", "MEMORY", "HANDLING")
        self.here.tracker("b", "--track", "txn-\x1b[2J")  # which another node may have named so
        said = self.here.grove("info", "txn-\x1b[2J", "--node", "b")
        self.expect(said, OK, "txn-\\x1b[2J")
        self.assertNotIn("\x1b", said.stdout)

    def test_a_pid_that_means_nobody_is_told_apart(self):
        a = self.here.tracker("a", "--track", "txn-1")
        life = a.root.split(":")[1]
        for verb in ("info", "kill"):
            for garbage in ("garbage", "", "a:b:c", "a:1:1", f"a:{life}:1.x", ":::", "é:1:1.1"):
                self.refused(DATA, "neither a pid", verb, garbage)
            self.refused(UNAVAILABLE, "has ended", verb, f"a:{life}:4.99")
            self.refused(UNAVAILABLE, "has ended", verb, f"a:{life}:99999.1")
            self.refused(UNAVAILABLE, "former life", verb, "a:1:1.1")
        self.refused(UNAVAILABLE, "node b is out of reach", "info", "b:1:1.1")
        self.refused(UNAVAILABLE, "node b is out of reach", "kill", "b:1:1.1")
        self.refused(UNAVAILABLE, '"nope"', "whereis", "nope")
        self.refused(USAGE, "UTF-8", "whereis", os.fsdecode(b"\xff"))

    def test_an_answer_that_cannot_be_written_is_none(self):
        self.here.node("a")

        def into_a_full_disk(*args):
            with open("/dev/full", "w") as full:
                command = self.here.begin("grove", *args, stdout=full, stderr=subprocess.PIPE)
            return command.communicate(timeout=LIMIT)[1].decode(), command.returncode
        cannot = ("grove: cannot write the answer to stdout\n", UNAVAILABLE)
        for args in (["members"], ["metrics", "--json"], ["ps"]):
            self.assertEqual(into_a_full_disk(*args), cannot)
        self.assertEqual(into_a_full_disk("health"), ("", OK))  # the code says it all

    def test_a_kill_carries_any_sensible_reason(self):
        a = self.here.tracker("a", "--track", "txn-1")
        others = [pid for pid in a.pids() if pid != a.pid_of("txn-1")]
        before = a.pid_of("txn-1")
        for words, reason in (("255", ""), ("255", "x" * 10_000), ("too long", "x" * 100_000),
                              ("255", "a\nb"), ("255", "\x1b[31m"),
                              ("UTF-8", os.fsdecode(b"\xff\xfe"))):
            self.refused(USAGE, words, "kill", "txn-1", reason)
        self.assertEqual(a.pid_of("txn-1"), before)
        self.expect(self.here.grove("kill", "txn-1", "größe ☠"), OK, "größe ☠")
        eventually(lambda: [n for n in a.ask("names")["names"] if n["pid"] != before])
        self.assertLessEqual(set(others), set(a.pids()))

    def test_a_node_ends_with_its_application(self):
        for victim, reason, words in (("root", "kill", "root process was killed"),
                                      ("root", "boom", "application ended: boom"),
                                      ("application", "kill", "application ended: killed")):
            with self.subTest(victim=victim, reason=reason):
                a = self.here.tracker("a", "--track", "txn-1")
                self.expect(self.here.grove("kill", a.pid_of(victim), reason), OK)
                self.assertEqual(a.ended(), INTERNAL)
                self.assertIn(words, a.logged())

    def test_signals_stop_it_in_good_order(self):
        # Two in one instant, as to a program and its group, are one.
        for sent in ([signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGINT]):
            with self.subTest(sent=sent):
                a = self.here.node("a")
                for number in sent:
                    a.process.send_signal(number)
                self.assertEqual(a.ended(), OK)
                self.assertFalse((self.here.run_dir / "a.sock").exists())
                self.assertIn("has stopped", a.logged())

    def test_signals_on_the_way_out_change_nothing(self):
        for _ in range(10):
            a = self.here.node("a")
            a.process.send_signal(signal.SIGTERM)
            give_up = time.monotonic() + LIMIT
            while a.process.poll() is None:
                self.assertLess(time.monotonic(), give_up, a.logged())
                if "has stopped" in a.logged():
                    a.process.send_signal(signal.SIGINT)
            self.assertIn(a.ended(), {OK, TRY_AGAIN}, a.logged())

    def test_stop_returns_when_name_and_port_are_free(self):
        a = self.here.node("a")
        address = a.address
        for verb in ("stop", "leave"):
            self.expect(self.here.grove(verb), OK, "stopped")
            a = self.here.node("a", "--listen", address)

    def test_a_killed_node_leaves_nothing_in_the_way(self):
        a = self.here.node("a")
        a.process.kill()
        a.ended()
        self.assertTrue((self.here.run_dir / "a.sock").exists())
        self.refused(UNAVAILABLE, "no node runs", "members")
        self.assertEqual(self.here.node("a").states(), {"a": "up"})

    def test_a_node_that_ends_takes_away_no_socket_but_its_own(self):
        first = self.here.node("a")
        (self.here.run_dir / "a.sock").unlink()  # as who tidies up may
        second = self.here.node("a")
        first.process.terminate()
        self.assertEqual(first.ended(), OK)
        self.assertEqual(second.states(), {"a": "up"})

    def test_a_node_outlives_the_reader_of_its_log(self):
        reader, writer = os.pipe()
        process = self.here.begin("grove", "run", "--name", "a", stderr=writer)
        os.close(writer)
        eventually(lambda: self.here.grove("health").returncode == OK)
        os.close(reader)
        self.refused(UNAVAILABLE, "refused", "join", "127.0.0.1:1")  # it logs a warning
        self.expect(self.here.grove("health"), OK)
        self.assertIsNone(process.poll())

    def test_a_second_node_needs_a_name_and_a_port_of_its_own(self):
        a = self.here.node("a")
        self.refused(UNAVAILABLE, "choose another --name", "run", "--name", "a")
        self.refused(UNAVAILABLE, "taken", "run", "--name", "b", "--listen", a.address)
        self.assertEqual(a.states(), {"a": "up"})


    def test_of_those_that_start_at_once_with_one_name_one_lives(self):
        starts = [self.here.ask("run", "--name", "a", "--log", "off") for _ in range(8)]
        eventually(lambda: self.here.grove("health").returncode == OK)
        eventually(lambda: sum(p.poll() == UNAVAILABLE for p in self.here.processes) == 7)
        self.expect(self.here.grove("stop"), OK)
        self.assertEqual(sorted(end().returncode for end in starts), [OK] + [UNAVAILABLE] * 7)


class AdminSocket(CliTest):
    def say(self, data):
        """Sends bytes to node a; returns what comes back until the end."""
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(LIMIT)
            raw.connect(str(self.here.run_dir / "a.sock"))
            try:
                raw.sendall(data)
                raw.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: raw.recv(65536), b""))
            except (BrokenPipeError, ConnectionResetError):
                return b""  # cut off: it had heard enough

    def test_garbage_is_answered_or_cut_off(self):
        a = self.here.tracker("a", "--track", "txn-1")
        pids = a.pids()
        for code, line in ((DATA, b"hello\n"), (DATA, b"\n"), (DATA, b"{}\n"), (DATA, b"[1]\n"),
                           (DATA, b'{"verb":1}\n'), (DATA, b"\xff\xfe\x00\n"), (DATA, b"null\n"),
                           (DATA, b"[" * 60_000 + b"\n"), (USAGE, b'{"verb":"dance"}\n'),
                           (USAGE, b'{"verb":"join"}\n'), (USAGE, b'{"verb":"join","args":7}\n'),
                           (DATA, b'{"verb":"info","args":[{}]}\n'),
                           (DATA, b'{"verb":"kill","args":null}\n')):
            with self.subTest(line=line[:40]):
                answer = json.loads(self.say(line))
                self.assertEqual((answer["ok"], answer["code"]), (False, code))
        self.assertTrue(json.loads(self.say(b'{"verb":"ps"}\n{"verb":"ps"}\n'))["ok"])
        self.assertEqual(self.say(b""), b"")
        self.assertEqual(self.say(b'{"verb":"stop"}'), b"")  # half a line is no request
        oversized = self.say(b"x" * 1_000_000)
        self.assertTrue(oversized == b"" or json.loads(oversized)["code"] == DATA)
        self.assertEqual(a.pids(), pids)

    def test_what_hangs_is_given_up(self):
        """Three waits at the same time: they take seconds."""
        a = self.here.node("a")
        idle = [socket.socket(socket.AF_UNIX) for _ in range(50)]
        for raw in idle:
            self.addCleanup(raw.close)
            raw.settimeout(LIMIT)
            raw.connect(str(self.here.run_dir / "a.sock"))
            raw.sendall(b'{"verb":')
        b = self.here.node("b")
        b.process.send_signal(signal.SIGSTOP)
        members = self.here.ask("members", "--node", "b", "--json")
        with socket.create_server(("127.0.0.1", 0)) as no_node:
            address = f"127.0.0.1:{no_node.getsockname()[1]}"
            joined = self.here.grove("join", address, "--node", "a", "--json")
            self.expect_refusal(joined, UNAVAILABLE, f"cannot join {address}")
            self.assertEqual(joined.stderr.count(address), 1, joined.stderr)
        self.expect_refusal(members(), TRY_AGAIN, "suspended")
        for raw in idle:
            self.assertEqual(raw.recv(1), b"")
        b.process.send_signal(signal.SIGCONT)
        for node in (a, b):
            self.assertEqual(node.ask("health", "--live")["healthy"], True)


class Clusters(CliTest):
    def test_join_says_what_came_of_it(self):
        a = self.here.node("a")
        for code, words, address in ((USAGE, "space", "no pe"), (USAGE, "empty", ""),
                                     (USAGE, "port 0", "127.0.0.1:0"),
                                     (USAGE, "nobody can reach", "*"),
                                     (USAGE, "65535", "127.0.0.1:99999"),
                                     (USAGE, "brackets", "::1:7401"), (DATA, "itself", a.address)):
            self.refused(code, words, "join", address)
        unresolved = self.here.ask("join", "no.such.invalid:1", "--json")
        self.refused(UNAVAILABLE, "connection refused", "join", "127.0.0.1:1")
        self.expect_refusal(unresolved(), UNAVAILABLE, "cannot join no.such.invalid:1")
        # A slip of the hand does not make a node that was ready unready.
        self.expect(self.here.grove("health", "--ready"), OK)
        self.expect(self.here.grove("join", "--forget", "127.0.0.1:1"), OK,
                    "does not look for 127.0.0.1:1 any more")
        self.assertNotIn("127.0.0.1:1", [seed["address"] for seed in a.ask("members")["seeds"]])
        self.refused(DATA, "127.0.0.1:1 is not to be joined", "join", "--forget", "127.0.0.1:1")
        self.refused(USAGE, "space", "join", "--forget", "no pe")
        b = self.here.node("b")
        # It may take longer than the verb waits; the node goes on trying, and says so next time.
        eventually(lambda: self.here.grove("join", a.address, "--node", "b").returncode == OK)
        self.assertEqual(b.ask("join", a.address)["joined"], "a")
        eventually(lambda: a.states() == b.states() == {"a": "up", "b": "up"})

    def test_several_nodes_are_told_apart(self):
        a = self.here.tracker("a", "--track", "txn-1")
        b = self.here.tracker("b", "--track", "txn-2", "--join", a.address)
        self.refused(USAGE, ["a, b", "--node"], "members")
        self.refused(UNAVAILABLE, ["zz", "a, b"], "members", "--node", "zz")
        self.expect(self.here.grove("members", env={"GROVE_NODE": "b"}), OK, "this node")
        eventually(lambda: len(a.ask("names")["names"]) == 2)
        before = a.ask("whereis", "txn-2")["pid"]
        self.assertEqual(a.ask("info", "txn-2")["pid"], before)
        self.expect(self.here.grove("kill", "txn-2", "far_away", "--node", "a"), OK, before)
        eventually(lambda: before not in b.pids())
        eventually(lambda: {n["pid"] for n in a.ask("names")["names"]} == {
            a.pid_of("txn-1"), b.pid_of("txn-2")})

    def test_the_environment_sets_what_flags_do_not(self):
        a = self.here.node("a")
        self.here.node("b", env={"GROVE_JOIN": f"{a.address}, 127.0.0.1:1"})
        eventually(lambda: a.states() == {"a": "up", "b": "up"})
        self.refused(USAGE, "is no node name", "run", env={"GROVE_NAME": "NO"})

    def test_until_it_has_joined_a_node_lives_but_is_not_ready(self):
        b = self.here.node("b", "--join", "127.0.0.1:1")
        self.assertTrue(b.ask("health", "--live")["healthy"])
        done = self.here.grove("health", "--json")
        self.assertEqual(done.returncode, NO)
        self.assertFalse(json.loads(done.stdout)["healthy"])
        eventually(lambda: "refused" in self.here.grove("health").stdout)
        self.expect(self.here.grove("health"), NO, "no answer yet from 127.0.0.1:1 (")

    def test_strangers_are_kept_out_and_told_why(self):
        a = self.here.tracker("a", "--track", "txn-1", env={"GROVE_COOKIE": "right"})
        address, pids = a.address, a.pids()
        there = self.machine()
        strangers = []
        for name, args, cookie, words in (("c", ["--cluster", "other"], "right", "another cluster"),
                                          ("a", [], "right", "a node of that name is running")):
            node = there.node(name, *args, "--join", address, env={"GROVE_COOKIE": cookie})
            joined = there.ask("join", address, "--node", name, "--json")
            strangers.append((node, words, joined))
        for node, words, joined in strangers:
            with self.subTest(name=node.name):
                self.expect_refusal(joined(), UNAVAILABLE, words)
                self.expect(there.grove("health", "--node", node.name), NO, words)
                self.assertEqual(node.states(), {node.name: "up"})
                refused = node.ask("members")["refused"]
                self.assertEqual([row["address"] for row in refused], [address])
                self.assertIn(words, refused[0]["why"])
                self.expect(there.grove("members", "--node", node.name), OK, "refused", words)
        self.assertEqual((a.states(), a.pids()), ({"a": "up"}, pids))
        refused = {row["name"]: row for row in a.ask("members")["refused"]}
        self.assertEqual(set(refused), {"c", "a"})
        for node, words, _ in strangers:
            self.assertIn(words, refused[node.name]["why"])
            self.assertGreater(refused[node.name]["times"], 0)
            self.assertEqual(a.logged().count(f" {node.name} at {node.address}"), 1)

    def test_others_go_on_when_a_node_leaves_dies_and_comes_back(self):
        a = self.here.tracker("a", "--track", "txn-1")
        pids = a.pids()
        lives = set()
        for end, state in ((lambda: self.here.grove("leave", "--node", "b"), "left"),
                           (lambda: self.here.grove("stop", "--node", "b"), "left"),
                           (lambda: b.process.kill(), "down")):
            b = self.here.tracker("b", "--join", a.address, "--track", "txn-2")
            lives.add(b.ask("members")["members"][0]["life"])
            eventually(lambda: a.states() == {"a": "up", "b": "up"})
            eventually(lambda: len(a.ask("names")["names"]) == 2)
            end()
            eventually(lambda: a.states() == {"a": "up", "b": state})
            eventually(lambda: len(a.ask("names")["names"]) == 1)
        self.assertEqual(len(lives), 3)
        self.assertEqual(a.pids(), pids)


class Simulator(CliTest):
    def test_what_it_cannot_do_is_a_usage_error(self):
        for args in (["--only", "x"], ["--only", "12"], ["--nodes", "1"], ["--sweep", "0"],
                     ["--scenario", "none"], ["--report", ".", "--nodes", "3,10"]):
            with self.subTest(args=args):
                self.expect(self.here.grove(*args, "--steps", "12", program="grove-sim"), USAGE)
        nowhere = self.here.grove("--report", "/nowhere", "--nodes", "10", program="grove-sim")
        self.expect(nowhere, INTERNAL, "cannot write /nowhere/scale.md")


class Counters(CliTest):
    def test_a_strategy_that_there_is_not_is_a_usage_error(self):
        self.refused(USAGE, "no strategy: one_for_none", "run", "--strategy", "one_for_none",
                     program="counter")


class Trackers(CliTest):
    def labels(self, node):
        return [process["label"] for process in node.ask("ps")["processes"]]

    def test_its_options_are_checked(self):
        for number in ("-1", "abc", "99999999999"):
            self.refused(USAGE, "--trackers", "run", "--trackers", number,
                         program="transaction_tracker")
        self.refused(USAGE, "not empty", "run", "--track", "", program="transaction_tracker")

    def test_none_some_and_the_same_twice(self):
        self.assertNotIn("txn-a-1", self.labels(self.here.tracker("a", "--trackers", "0")))
        self.assertIn("txn-b-3", self.labels(self.here.tracker("b", "--trackers", "3")))
        c = self.here.tracker("c", "--track", "txn-1", "--track", "txn-1")
        self.assertEqual(self.labels(c).count("txn-1"), 1)

    def test_a_transaction_of_another_node_stays_there(self):
        a = self.here.tracker("a", "--track", "txn-1")
        pid = a.ask("whereis", "txn-1")["pid"]
        b = self.here.tracker("b", "--join", a.address, "--track", "txn-1", "--track", "txn-2")
        eventually(lambda: len(b.ask("names")["names"]) == 2 and "txn-1" not in self.labels(b))
        for node in (a, b):
            self.assertEqual(node.ask("whereis", "txn-1")["pid"], pid)
        self.assertIn("txn-2", self.labels(b))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
