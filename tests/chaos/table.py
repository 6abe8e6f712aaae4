# SPDX-License-Identifier: Apache-2.0
"""The tables of faults and invariants: how many facts a run has checked under each fault.

Usage, to see that a page has the tables of the code: table.py PAGE
"""
import sys
from collections import Counter
from pathlib import Path

import checkers
from faults import KINDS

AFTER = 5  # seconds: what a fault leads to shows up to then after it
BACKENDS = {"processes": lambda kind: kind.what, "containers": lambda kind: kind.containers}


def windows(run):
    """{kind: [(from, to)]} of the faults that there were."""
    open_, found = {}, {}
    for event in run.driver:
        key = (event.get("fault"), tuple(event.get("nodes", ())))
        if event["kind"] == "fault":
            open_[key] = event["t"]
        elif event["kind"] == "taken_back" and key in open_:
            found.setdefault(key[0], []).append((open_.pop(key), event["t"] + AFTER))
    return found


def count(run, found):
    """{(kind, checker): facts that were as they must be, while that fault or its aftermath was}."""
    counts = Counter()
    for kind, spans in windows(run).items():
        counts[kind, "times"] = len(spans)
        for name, findings in found.items():
            counts[kind, name] = sum(1 for f in findings if not f.wrong
                                     and any(begin <= f.t <= end for begin, end in spans))
    for name, findings in found.items():
        counts["in all", name] = sum(1 for f in findings if not f.wrong)
    return counts


def head():
    return [f"| fault | times | {' | '.join(checkers.CHECKERS)} |",
            "| --- | --- |" + " --- |" * len(checkers.CHECKERS)]


def row_begins(backend):
    for kind, one in KINDS.items():
        if what := BACKENDS[backend](one):
            yield kind, f"| `{kind}`: {what} |"


def lines(backend, counts):
    yield from head()
    for kind, begin in row_begins(backend):
        yield f"{begin} {' | '.join(str(counts[kind, n]) for n in ('times', *checkers.CHECKERS))} |"
    yield f"| in all | | {' | '.join(str(counts['in all', n]) for n in checkers.CHECKERS)} |"


def marks(backend):
    return f"<!-- chaos {backend}: begin -->", f"<!-- chaos {backend}: end -->"


def written(text, backend, counts, replay):
    """The page's text, with the table of this run."""
    begin, end = marks(backend)
    before, rest = text.split(begin)
    rows = "\n".join(lines(backend, counts))
    new = f"{begin}\nThe figures are those of `{replay}`.\n\n{rows}\n{end}"
    return before + new + rest.split(end)[1]


def problems(text, backend):
    """What the page's table says otherwise than the code, or leaves out."""
    begin, end = marks(backend)
    rows = [line for line in text.split(begin)[-1].split(end)[0].splitlines() if line[:1] == "|"]
    begins = [row for _, row in row_begins(backend)]
    for wanted in head() + begins:
        if sum(row.startswith(wanted) for row in rows) != 1:
            yield f"{backend}: it has no row, or several: {wanted}"
    if len(rows) != 2 + len(begins) + 1:
        yield f"{backend}: it has {len(rows)} rows"
    for row in rows[2:-1]:
        cells = [cell.strip() for cell in row.split("|")[2:-1]]
        if not all(cell.isdigit() for cell in cells) or cells[0] == "0":
            yield f"{backend}: no run has shown this: {row}"


if __name__ == "__main__":
    page = Path(sys.argv[1]).read_text(encoding="utf-8")
    found_problems = [problem for backend in BACKENDS for problem in problems(page, backend)]
    print(*found_problems, sep="\n")
    sys.exit(bool(found_problems))
