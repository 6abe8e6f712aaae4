# SPDX-License-Identifier: Apache-2.0
"""The table of faults and invariants: how many facts a run has checked under each fault.

Usage, to see that the page has the table of the code: table.py PAGE
"""
import sys
from collections import Counter
from pathlib import Path

import checkers
import faults

AFTER = 5  # seconds: what a fault leads to shows up to then after it
BEGIN, END = "<!-- chaos: begin -->", "<!-- chaos: end -->"


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
    names = " | ".join(checkers.CHECKERS)
    return [f"| fault | in containers | times | {names} |",
            "| --- | --- | --- |" + " --- |" * len(checkers.CHECKERS)]


def row_begin(kind):
    one = faults.KINDS[kind]
    return f"| `{kind}`: {one.what} | {one.containers or '-'} |"


def lines(counts):
    yield from head()
    for kind in faults.KINDS:
        cells = " | ".join(str(counts[kind, name]) for name in ("times", *checkers.CHECKERS))
        yield f"{row_begin(kind)} {cells} |"
    yield f"| in all | | | {' | '.join(str(counts['in all', n]) for n in checkers.CHECKERS)} |"


def write(page, counts, replay):
    text = page.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    new = "\n".join(lines(counts))
    page.write_text(f"{before}{BEGIN}\nThe figures are those of `{replay}`.\n\n{new}\n{END}{after}")


def problems(text):
    """What the page's table says otherwise than the code, or leaves out."""
    rows = [line for line in text.split(BEGIN)[-1].split(END)[0].splitlines() if line[:1] == "|"]
    for wanted in (*head(), *(row_begin(kind) for kind in faults.KINDS)):
        if sum(row.startswith(wanted) for row in rows) != 1:
            yield f"it has no row, or several: {wanted}"
    if len(rows) != 2 + len(faults.KINDS) + 1:
        yield f"it has {len(rows)} rows"
    for row in rows[2:-1]:
        times, *facts = [cell.strip() for cell in row.split("|")[3:-1]]
        if not all(cell.isdigit() for cell in (times, *facts)) or times == "0":
            yield f"no run has shown this: {row}"


if __name__ == "__main__":
    found_problems = list(problems(Path(sys.argv[1]).read_text()))
    print(*found_problems, sep="\n")
    sys.exit(bool(found_problems))
