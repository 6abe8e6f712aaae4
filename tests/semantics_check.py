#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every promise of docs/semantics.md names the tests that prove it, and they exist.

Usage: semantics_check.py [ROOT] | semantics_check.py --self-test
A promise is a bullet and ends with its tests: [`Suite.Case`, oracle l1_17, oracle_generated], the
last being any test of CTest's. Only text between bullets and what is not promised need none.
"""
import re
import sys
from pathlib import Path

ONE = r"(?:`\w+\.\w+`|oracle l\d_\d\d|[a-z]+_\w+)"
TESTS = re.compile(rf"\[({ONE}(?:,\s+{ONE})*)\]")
BULLET = re.compile(r"^- .*(?:\n {2,}\S.*)*", re.MULTILINE)
SECTION = re.compile(r"^## (.*)\n((?:(?!## ).*\n?)*)", re.MULTILINE)
WITHOUT = "Not promised"


def check(text, known):
    """Yields (line, why) for each promise without a test, and each test that is not `known`."""
    def line_of(at):
        return text.count("\n", 0, at) + 1

    for section in SECTION.finditer(text):
        bullets = list(BULLET.finditer(text, section.start(2), section.end()))
        if not bullets:
            yield line_of(section.start()), f"{section[1]}: promises nothing"
        for bullet in bullets if section[1] != WITHOUT else ():
            ends = [tests.end() for tests in TESTS.finditer(bullet[0])]
            if not ends or ends[-1] < len(bullet[0]):
                yield line_of(bullet.start()), f"a promise without a test: {bullet[0][:60]}"
    for tests in TESTS.finditer(text):
        for name in re.split(r",\s+", tests[1].replace("`", "")):
            if name not in known:
                yield line_of(tests.start()), f"no such test: {name}"


def tests_of(root):
    """The names of all GoogleTest cases, oracle scripts that Grove runs, and tests of CTest's."""
    tests = root / "tests"
    sys.path.insert(0, str(tests / "oracle"))
    from compare import LEVELS  # pylint: disable=import-outside-toplevel
    known = {f"oracle {script.stem[:5]}" for level in LEVELS
             for script in (tests / "oracle/cases").glob(f"l{level}_*.script")}
    for file in tests.rglob("*.cpp"):
        cases = re.findall(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", file.read_text(), re.MULTILINE)
        known.update(".".join(case) for case in cases)
    for file in tests.rglob("CMakeLists.txt"):
        known.update(re.findall(r"(?:add_test\(NAME |grove_refused\()(\w+)", file.read_text()))
    return known


KNOWN = {"A.Works", "oracle l1_17", "oracle_generated"}
SAMPLES = [  # (what is found, the text)
    ("", "## S\nText.\n- It works. [`A.Works`]\n- On two\n  lines. [`A.Works`,\n  oracle l1_17]\n"),
    ("", "- As [oracle_generated]\n## S\n- Yes. [oracle l1_17]\n## Not promised\n- No.\n"),
    ("", "## S\n- Yes [`A.Works`]. And yes. [`A.Works`, oracle_generated]\n"),
    ("3 a promise without a test: - No.", "## S\n- Yes. [`A.Works`]\n- No.\n"),
    ("2 a promise without a test: - No [`A.Works`], no.", "## S\n- No [`A.Works`], no.\n"),
    ("1 S: promises nothing", "## S\nText.\n## Not promised\n- No.\n"),
    ("2 no such test: A.Fails", "## S\n- No. [`A.Works`,\n  `A.Fails`]\n"),
    ("2 no such test: oracle l2_01", "## S\n- No. [oracle l2_01]\n"),
    ("2 no such test: oracle_missing", "## S\n- No. [`A.Works`, oracle_missing]\n"),
    ("1 no such test: A.Fails", "Text. [`A.Fails`]\n"),
]


def self_test():
    """Each sample is found to be wrong as it says, and no other way."""
    failures = []
    for wanted, text in SAMPLES:
        found = "; ".join(f"{line} {why}" for line, why in check(text, KNOWN))
        if found != wanted:
            failures.append(f"wanted `{wanted}`, got `{found}` in:\n{text}")
    print(*failures, f"self-test: {len(SAMPLES)} samples, {len(failures)} failures", sep="\n")
    return len(failures)


def main(root):
    """Prints what is wrong; returns how much."""
    document = root / "docs/semantics.md"
    found = list(check(document.read_text(), tests_of(root)))
    for line, why in found:
        print(f"{document.relative_to(root).as_posix()}:{line}: {why}")
    return len(found)


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent
    sys.exit(bool(self_test() if given == "--self-test" else main(Path(given).resolve())))
