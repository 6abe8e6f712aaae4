#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the lines of the examples that are Elixir programs, too, and checks the table of
examples/README.md against it.

Lines count that are neither blank nor comment. Not counted, on either side: what makes the program
a node and gives it options (main.cpp), and what others than the program would provide.
"""
import re
import sys
from pathlib import Path

FILES = {  # example -> its lines in Elixir, and what is counted here
    "counter": (99, ["counter.hpp"]),
    "parent_jobs": (115, ["cancellable.hpp", "job.hpp", "periodic.hpp", "queue.hpp"]),
    "pool": (219, ["doubler.hpp", "pool_man.hpp", "pool_sup.hpp", "pool_toy.hpp", "pools_sup.hpp",
                   "worker_sup.hpp"]),
    "transaction_tracker": (38, ["local.hpp", "tracker.hpp"]),
    "vm_lifecycle": (153, ["application.hpp", "manager.hpp", "store.hpp", "worker.hpp"]),
}


def lines_of(file):
    return sum(not re.fullmatch(r"\s*(//.*)?", line) for line in file.read_text().splitlines())


def main():
    examples = Path(__file__).resolve().parent.parent / "examples"
    readme = (examples / "README.md").read_text()
    wrong = 0
    for name, (elixir, files) in FILES.items():
        cxx = sum(lines_of(examples / name / file) for file in files)
        row = f"| {name} | {elixir} | {cxx} |"
        print(row)
        if row not in readme:
            print(f"examples/README.md has no line {row}")
            wrong += 1
        if cxx * 2 > elixir * 3:
            print(f"{name} has more than 1.5 times the lines of its Elixir program")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
