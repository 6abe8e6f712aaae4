#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares Grove with OTP: the same scripts must give the same logs, byte for byte.

    compare.py OTP_SCRIPT --generate FROM TO   generated scripts, one for each seed, and OTP right now;
                                               of level 5 a tenth, unless --levels says 5
    compare.py OTP_SCRIPT --recorded           logs of OTP kept here: cases/ and sample/
    compare.py --record                        makes sample/ anew
    compare.py --self-test                     of what it makes of expected_differences

otp_script runs them in order, in random orders and on real threads; those of several nodes as
programs, and simulated in random orders. Scripts that expected_differences lists must differ. Exit
status: 0 when there were logs and all are identical but for those; 77 when OTP is needed and there
is no Elixir; else 1, and scripts and logs stay in the directory that is named.
"""
import argparse
import contextlib
import fnmatch
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gen

HERE = Path(__file__).resolve().parent
SAMPLE = HERE / "sample"
SEMANTICS = HERE.parent.parent / "docs/semantics.md"
LEVELS = (1, 2, 3, 4, 5)  # of SPEC.md, those that otp_script speaks
NODES = 5  # the level of several nodes
SAMPLE_SEEDS = (1, 20)


def ops_of(seed, least, most):
    """How long the script of a seed is: all lengths come up, in no order."""
    return least + seed * 37 % (most - least + 1)


def generate(first, last, ops, level, folder):
    """Writes the scripts of the seeds `first` to `last`."""
    for seed in range(first, last + 1):
        length = ops_of(seed, *ops) // (2 if level == NODES else 1)
        text = gen.script(level, seed, length)
        (folder / f"l{level}_s{seed:06}.script").write_text(text, encoding="ascii")


@contextlib.contextmanager
def own_epmd():
    """The port mapper that OTP's nodes need, at a port of its own; it ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    there = dict(os.environ, ERL_EPMD_PORT=port, ERL_EPMD_ADDRESS="127.0.0.1")
    with subprocess.Popen(["epmd"], env=there) as epmd:
        try:
            while epmd.poll() is None and subprocess.run(
                    ["epmd", "-names"], env=there, check=False, capture_output=True).returncode:
                time.sleep(0.05)
            yield there
        finally:
            epmd.terminate()


def run_otp(folder):
    """Real OTP's logs, beside the scripts."""
    command = ["elixir", HERE / "oracle.exs", "--dir", folder, "--out", folder]
    with own_epmd() if any(folder.glob(f"l{NODES}_*")) else contextlib.nullcontext() as there:
        subprocess.run(command, env=there, check=True)


def copy_recorded(folder, levels):
    """The hand-written cases, and the sample: its logs quote their scripts."""
    for level in levels:
        for script in (HERE / "cases").glob(f"l{level}_*.script"):
            shutil.copy(script, folder)
            shutil.copy(script.with_suffix(".log"), folder)
        for log in SAMPLE.glob(f"l{level}_*.log"):
            shutil.copy(log, folder)
            ops = re.findall(r"^\d+ > (.*)$", log.read_text(encoding="ascii"), re.MULTILINE)
            script = folder / log.with_suffix(".script").name
            script.write_text("\n".join(ops) + "\n", encoding="ascii")


def modes(seeds, threads, several):
    """The command lines of otp_script that are compared; `several`: for several nodes."""
    yield []
    for seed in range(1, seeds + 1):
        yield ["--seed", str(seed)]
    for count in () if several else threads:
        yield ["--threads", str(count)]


def first_difference(wanted, got):
    for number, (left, right) in enumerate(zip(wanted + [""], got + [""]), 1):
        if left != right:
            return f"line {number}: OTP `{left}`, Grove `{right}`"
    return "one log is longer"


class Referee:
    """What OTP says. Its times are the machine's: when that stalls, a child that OTP would have
    killed after 20 ms may end by itself. So where Grove differs, OTP is asked once more, and Grove
    must say what OTP said on one of the two occasions."""

    def __init__(self, folder, ask_again):
        self.folder, self.ask_again = folder, ask_again
        self.logs = {log.name: [log.read_text(encoding="ascii")] for log in folder.glob("*.log")}
        self.undecided = 0

    def agrees(self, name, got):
        """Whether the log `got` is one of OTP's for the script of that name."""
        logs = self.logs[name]
        if got not in logs and self.ask_again and len(logs) == 1:
            again = self.folder / "again"
            again.mkdir(exist_ok=True)
            script = Path(name).with_suffix(".script").name
            shutil.copy(self.folder / script, again)
            run_otp(again)
            logs.append((again / name).read_text(encoding="ascii"))
            self.undecided += logs[0] != logs[1]
            (again / script).unlink()
        return got in logs


class ExpectedDifferences:
    """The scripts that are to differ, and whether they do. Raises ValueError for a bad list."""

    def __init__(self, text, semantics):
        self.entries = {}  # title by pattern
        self.met = set()  # patterns of scripts that were run
        self.logs = {}  # Grove's first of each script that is to differ
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            pattern, _, title = line.strip().partition(" ")
            if re.match(r"l\d_", pattern) is None or pattern in self.entries:
                raise ValueError(f"line {number}: {pattern} is no script's name, or listed twice")
            bullet = rf"^- \*\*{re.escape(title.strip())}[,:.]"
            if not title or re.search(bullet, semantics, re.MULTILINE) is None:
                raise ValueError(f"line {number}: no reason in docs/semantics.md: {title.strip()}")
            self.entries[pattern] = title.strip()

    def complaint(self, script, agrees, got):
        """What is wrong with the log `got`, which is OTP's if it `agrees`; None: nothing."""
        found = [one for one in self.entries if fnmatch.fnmatchcase(script, one)]
        if not found:
            return None if agrees else "DIFFERENT"
        self.met.update(found)
        if agrees:
            return f"STALE (expected_differences has {found[0]}, but this is as OTP has it)"
        same = self.logs.setdefault(script, got) == got
        return None if same else "DIFFERENT (as expected, but not as in another run)"

    def unmet(self, levels):
        """The entries of these levels that are of no script that was run."""
        return [one for one in self.entries if int(one[1]) in levels and one not in self.met]


def run_grove(otp_script, folder, mode, names):
    """Grove's logs of some scripts, in one mode. Returns: the logs, and the exit status."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        scripts, out = Path(place) / "scripts", Path(place) / "out"
        scripts.mkdir()
        for name in names:
            shutil.copy((folder / name).with_suffix(".script"), scripts)
        command = [otp_script, *mode, "--dir", scripts, "--out", out]
        status = subprocess.run(command, check=False).returncode
        logs = {name: (out / name).read_text(encoding="ascii") if (out / name).exists() else ""
                for name in names}
    return logs, status


def compare(otp_script, folder, modes_of, referee, expected):
    """Runs every script of `folder` in each mode of its level. Returns: (good, bad)."""
    identical, differing = 0, 0
    for several in (False, True):
        wanted = {name: logs[0] for name, logs in sorted(referee.logs.items())
                  if (int(name[1]) == NODES) == several}
        failing = any("script_error" in log for log in wanted.values())
        for mode in modes_of(several) if wanted else ():
            logs, status = run_grove(otp_script, folder, mode, wanted)
            if status != int(failing):
                differing += 1
                print(f"DIFFERENT: otp_script {' '.join(mode)} ended with {status}")
            for name, got in logs.items():
                complaint = expected.complaint(Path(name).stem, referee.agrees(name, got), got)
                if complaint is None:
                    identical += 1
                    continue
                differing += 1
                script = folder / Path(name).with_suffix(".script")
                (folder / f"{name}.grove{''.join(mode)}").write_text(got, encoding="ascii")
                print(f"{complaint}: otp_script {' '.join(mode)} {script}\n    "
                      + first_difference(wanted[name].splitlines(), got.splitlines()))
    return identical, differing


def record(levels):
    """Makes sample/ anew: OTP's logs of some generated scripts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for level in levels:
            generate(*SAMPLE_SEEDS, (40, 120), level, folder)
        run_otp(folder)
        SAMPLE.mkdir(exist_ok=True)
        for level in levels:
            for old in SAMPLE.glob(f"l{level}_*"):
                old.unlink()
        for log in folder.glob("*.log"):
            shutil.copy(log, SAMPLE)


TEXT = "- **Names take no lock:** so.\n- **It is late,** or not.\n"
LISTED = "# A comment.\n\nl1_01_a  It is late\nl2_*  Names take no lock\n"
SAMPLES = [  # (what is found, the list, each log: script, whether it agrees, the log)
    ("l1_01_a l2_*", LISTED, []),
    ("l1_01_a l2_*", LISTED, [("l1_02_b", True, "1")]),
    ("DIFFERENT", "", [("l1_02_b", False, "1")]),
    ("", LISTED, [("l1_01_a", False, "1"), ("l1_01_a", False, "1"), ("l2_9", False, "2")]),
    ("STALE l2_*", LISTED, [("l1_01_a", True, "1")]),
    ("DIFFERENT l1_01_a", LISTED, [("l2_1", False, "1"), ("l2_1", False, "2")]),
    ("line 1: no reason in docs/semantics.md: It is", "l1_01_a It is", []),
    ("line 1: no reason in docs/semantics.md: ", "l1_01_a", []),
    ("line 2: l1_01_a is no script's name, or listed twice", "l1_01_a It is late\n" * 2, []),
    ("line 1: * is no script's name, or listed twice", "* It is late", []),
]


def self_test():
    """Each sample is found to be wrong as it says, and no other way. Returns: how many are not."""
    failures = 0
    for wanted, listed, logs in SAMPLES:
        try:
            expected = ExpectedDifferences(listed, TEXT)
            complaints = [expected.complaint(*log) for log in logs]
            found = [one.split()[0] for one in complaints if one] + expected.unmet(LEVELS)
        except ValueError as error:
            found = [str(error)]
        if " ".join(found) != wanted:
            failures += 1
            print(f"wanted `{wanted}`, got `{' '.join(found)}` for {logs} and:\n{listed}")
    print(f"self-test: {len(SAMPLES)} samples, {failures} failures")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("otp_script", nargs="?", help="the program to compare with OTP")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--generate", nargs=2, type=int, metavar=("FROM", "TO"), help="seeds")
    what.add_argument("--recorded", action="store_true")
    what.add_argument("--record", action="store_true")
    what.add_argument("--self-test", action="store_true")
    parser.add_argument("--levels", nargs="*", type=int)
    parser.add_argument("--ops", nargs=2, type=int, default=(40, 120), metavar=("LEAST", "MOST"))
    parser.add_argument("--seeds", type=int, default=20, help="random orders tried (20)")
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2, 4])
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    if not args.recorded and shutil.which("elixir") is None:
        print("compare.py: this needs Elixir")
        return 77
    if args.record:
        return record(args.levels or LEVELS)
    if args.otp_script is None:
        parser.error("which otp_script?")

    try:
        expected = ExpectedDifferences((HERE / "expected_differences").read_text(encoding="utf-8"),
                                       SEMANTICS.read_text(encoding="utf-8"))
    except ValueError as error:
        print(f"expected_differences: {error}")
        return 1

    folder = Path(tempfile.mkdtemp(prefix="grove_oracle_"))
    if args.recorded:
        copy_recorded(folder, args.levels or LEVELS)
    else:
        for level in args.levels or LEVELS:
            first, last = args.generate
            if level == NODES and not args.levels:
                last = first + (last - first) // 10
            generate(first, last, args.ops, level, folder)
        run_otp(folder)
    scripts = len(list(folder.glob("*.log")))
    referee = Referee(folder, ask_again=not args.recorded)
    identical, differing = compare(
        args.otp_script, folder, lambda several: modes(args.seeds, args.threads, several), referee,
        expected)
    if args.recorded:
        for entry in expected.unmet(args.levels or LEVELS):
            differing += 1
            print(f"STALE: expected_differences has {entry}, but no script recorded here")
    but = f" ({len(expected.logs)} scripts differ as expected)" if expected.logs else ""
    print(f"{scripts} scripts: {identical} runs identical{but}, {differing} different")
    if referee.undecided > 0:
        print(f"of {referee.undecided} scripts OTP gave two logs")
    if differing > 0:
        print(f"scripts and logs: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if differing > 0 or identical == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
