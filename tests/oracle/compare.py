#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares Grove with OTP: the same scripts must give the same logs, byte for byte.

    compare.py OTP_SCRIPT --generate FROM TO   generated scripts, one for each seed, and OTP right now
    compare.py OTP_SCRIPT --recorded           logs of OTP kept here: cases/ and sample/
    compare.py --record                        makes sample/ anew

otp_script runs them in order, in random orders and on real threads. Exit status: 0 when there were
logs and all are identical, 77 when OTP is needed and there is no Elixir; else 1, and scripts and
logs stay in the directory that is named.
"""
import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import gen

HERE = Path(__file__).resolve().parent
SAMPLE = HERE / "sample"
LEVELS = (1, 2, 3, 4)  # of SPEC.md, those that otp_script speaks
SAMPLE_SEEDS = (1, 20)


def ops_of(seed, least, most):
    """How long the script of a seed is: all lengths come up, in no order."""
    return least + seed * 37 % (most - least + 1)


def generate(first, last, ops, level, folder):
    """Writes the scripts of the seeds `first` to `last`."""
    for seed in range(first, last + 1):
        text = gen.script(level, seed, ops_of(seed, *ops))
        (folder / f"l{level}_s{seed:06}.script").write_text(text, encoding="ascii")


def run_otp(folder):
    """Real OTP's logs, beside the scripts."""
    subprocess.run(["elixir", HERE / "oracle.exs", "--dir", folder, "--out", folder], check=True)


def copy_recorded(folder):
    """The hand-written cases, and the sample: its logs quote their scripts."""
    for level in LEVELS:
        for file in (HERE / "cases").glob(f"l{level}_*"):
            shutil.copy(file, folder)
        for log in SAMPLE.glob(f"l{level}_*.log"):
            shutil.copy(log, folder)
            ops = re.findall(r"^\d+ > (.*)$", log.read_text(encoding="ascii"), re.MULTILINE)
            script = folder / log.with_suffix(".script").name
            script.write_text("\n".join(ops) + "\n", encoding="ascii")


def modes(seeds, threads):
    """The command lines of otp_script that are compared."""
    yield []
    for seed in range(1, seeds + 1):
        yield ["--seed", str(seed)]
    for count in threads:
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


def compare(otp_script, folder, seeds, threads, referee):
    """Runs every script of `folder` in every mode. Returns: (identical, different)."""
    wanted = {name: logs[0] for name, logs in referee.logs.items()}
    identical, differing = 0, 0
    failing = any("script_error" in log for log in wanted.values())
    for mode in modes(seeds, threads):
        out = folder / ("grove" + "".join(mode))
        command = [otp_script, *mode, "--dir", folder, "--out", out]
        status = subprocess.run(command, check=False).returncode
        if status != int(failing):
            differing += 1
            print(f"DIFFERENT: otp_script {' '.join(mode)} ended with {status}")
        for name, log in sorted(wanted.items()):
            got = (out / name).read_text(encoding="ascii") if (out / name).exists() else ""
            if referee.agrees(name, got):
                identical += 1
                continue
            differing += 1
            script = folder / Path(name).with_suffix(".script")
            print(f"DIFFERENT: otp_script {' '.join(mode)} {script}\n"
                  f"    {first_difference(log.splitlines(), got.splitlines())}")
    return identical, differing


def record():
    """Makes sample/ anew: OTP's logs of some generated scripts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for level in LEVELS:
            generate(*SAMPLE_SEEDS, (40, 120), level, folder)
        run_otp(folder)
        shutil.rmtree(SAMPLE, ignore_errors=True)
        SAMPLE.mkdir()
        for log in folder.glob("*.log"):
            shutil.copy(log, SAMPLE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("otp_script", nargs="?", help="the program to compare with OTP")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--generate", nargs=2, type=int, metavar=("FROM", "TO"), help="seeds")
    what.add_argument("--recorded", action="store_true")
    what.add_argument("--record", action="store_true")
    parser.add_argument("--levels", nargs="*", type=int, default=LEVELS)
    parser.add_argument("--ops", nargs=2, type=int, default=(40, 120), metavar=("LEAST", "MOST"))
    parser.add_argument("--seeds", type=int, default=20, help="random orders tried (20)")
    parser.add_argument("--threads", nargs="*", type=int, default=[1, 2, 4])
    args = parser.parse_args()
    if not args.recorded and shutil.which("elixir") is None:
        print("compare.py: this needs Elixir")
        return 77
    if args.record:
        return record()
    if args.otp_script is None:
        parser.error("which otp_script?")

    folder = Path(tempfile.mkdtemp(prefix="grove_oracle_"))
    if args.recorded:
        copy_recorded(folder)
    else:
        for level in args.levels:
            generate(*args.generate, args.ops, level, folder)
        run_otp(folder)
    scripts = len(list(folder.glob("*.log")))
    referee = Referee(folder, ask_again=not args.recorded)
    identical, differing = compare(args.otp_script, folder, args.seeds, args.threads, referee)
    print(f"{scripts} scripts: {identical} runs identical, {differing} different")
    if referee.undecided > 0:
        print(f"of {referee.undecided} scripts OTP gave two logs")
    if differing > 0:
        print(f"scripts and logs: {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if differing > 0 or identical == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
