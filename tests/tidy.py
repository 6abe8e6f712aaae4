#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Style rules a compiler does not know. Prints `file:line: rule: why`; exit 1 when there is any.

Usage: tidy.py [ROOT] | tidy.py --self-test
A line that has to break a line rule, or co_await, says why: `// RULE-ok: reason`.
"""
import os
import re
import sys
from pathlib import Path

CLOCK, RANDOM = "node/core/src/system_clock.cpp", "node/core/src/random.cpp"
SKIPPED_DIRS = re.compile(r"\..+|build.*|cmake-build-.*|__pycache__")
CODE = (".cpp", ".hpp", ".py", ".sh")
is_cxx = re.compile(r".*\.[ch]pp").fullmatch
LINE_RULES = {  # rule: (what no line may match, in which files, why)
    "columns": (r"^(?!.*://).{101,}", is_cxx, "more than 100 columns (a link may be longer)"),
    "clock": (r"\b(steady|system|high_resolution)_clock::now",
              lambda p: is_cxx(p) and p != CLOCK and not p.startswith("tests/bench/"),
              "take the time from the Clock passed in: tests run on virtual time"),
    "sleep": (r"\bthis_thread::sleep_|\b(usleep|nanosleep)\b",
              lambda p: is_cxx(p) and p.startswith(("node/", "transport/", "cluster/", "tests/"))
              and not p.startswith(("tests/bench/", "tests/chaos/")),
              "wait for an event: a sleep makes tests slow or flaky and blocks a worker"),
    "random_device": (r"\brandom_device\b", lambda p: is_cxx(p) and p != RANDOM,
                      "take randomness from the Random passed in: a seed must replay a run"),
    "heavy_include": (r'#\s*include\s*[<"](asio|boost/asio|zmq|msgpack|spdlog)\b',
                      lambda p: p.endswith(".hpp") and "include/" in p
                      and not p.endswith("grove/asio.hpp"),
                      "include it in a .cpp: every user of this header would parse it"),
    "todo": (r"\b(TODO|FIXME)\b(?!\([\w@.-]+\))", lambda p: p.endswith(CODE),
             "write TODO(owner): what belongs to nobody is never done"),
}
RAW_RULES = ("columns", "heavy_include", "todo")  # these see comments and strings too
FILE_RULES = ("length", "spdx", "pragma_once", "placement", "unregistered", "co_await")

COMMENT_OR_STRING = re.compile(r'(?s)R"([^()\s]*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/'
                               r"""|"(\\.|[^"\\\n])*"|'(\\[^'\n]+|[^'\\\n])'""")
INITIALISER = re.compile(r"([\w>({\]]|([,=(]|return)\s+)$")  # what stands before its brace
TEMPORARY = re.compile(
    r"(?<![\w:])(?!(\w+::)*(nano|micro|milli)?(seconds|minutes|hours)\{)"  # durations are trivial
    r"[A-Za-z_][\w:]*(<[^;(){}]*>)?\{"  # Type{
    r"|[(,]\s*\{(?!\s*[.}])"  # f({a, b}), but not f({.option = 1})
    r"|(?<=[(,=\s])\[([^\]]*,\s*)?(?!this\b)[\w=*][^\]]*\]")  # a lambda that captures by value


def statements(code):
    """Yields (begin, end) of what lies between semicolons and braces of blocks."""
    begin, blocks = 0, []
    for mark in re.finditer(r"[{};]", code):
        at = mark.start()
        if mark[0] == "{":
            blocks.append(not INITIALISER.search(code, max(0, at - 60), at))
        if mark[0] == ";" or not blocks or blocks[-1]:
            yield begin, at
            begin = at + 1
        if mark[0] == "}" and blocks:
            blocks.pop()


def check(path, text, registered):
    """Yields (line, rule, why). `registered`: the CMakeLists.txt that may name a test."""
    lines = text.split("\n")
    code = COMMENT_OR_STRING.sub(lambda found: '""' * (found[0][0] != "/")
                                 + "\n" * found[0].count("\n"), text)
    for rule, (pattern, applies, why) in LINE_RULES.items():
        if applies(path):
            for number, line in enumerate(lines if rule in RAW_RULES else code.split("\n"), 1):
                if re.search(pattern, line) and f"// {rule}-ok: " not in lines[number - 1]:
                    yield number, rule, why
    if len(lines) > 601:  # the last line ends with a newline
        yield 601, "length", "more than 600 lines: ask which decision wants a file of its own"
    if not is_cxx(path):
        return
    if lines[0] != "// SPDX-License-Identifier: Apache-2.0":
        yield 1, "spdx", "the first line is `// SPDX-License-Identifier: Apache-2.0`"
    if path.endswith(".hpp"):
        if "#pragma once" not in lines:
            yield 1, "pragma_once", "without #pragma once a header is defined twice one day"
        if not re.search(r"(^|/)(include|src)/|^(tests|examples)/", path):
            yield 1, "placement", "public headers live under include/, private ones under src/"
    name = Path(path).stem
    if path.startswith("tests/") and re.search(r"(_test|_fuzz)$|^scenario_", name):
        if not re.search(rf"\b{name}\b", registered):
            yield 1, "unregistered", "no CMakeLists.txt under tests/ above it names this test"
    for begin, end in statements(code) if not path.startswith("tests/canary/") else ():
        awaits = code.find("co_await", begin, end)
        if awaits >= 0 and TEMPORARY.search(code[begin:end]):
            first, last = (code.count("\n", 0, at) for at in (awaits, end))
            if not any("// co_await-ok: " in line for line in lines[first:last + 1]):
                yield first + 1, "co_await", "name the temporary first: g++ 12 destroys it twice"


def check_tree(root):
    """Prints what it finds under `root`; returns how much."""
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not SKIPPED_DIRS.fullmatch(name))
        for full in sorted(Path(folder, name) for name in files):
            path = full.relative_to(root).as_posix()
            if path == "tests/tidy.py" or not path.endswith(CODE):
                continue  # this file quotes what it forbids
            lists = [above / "CMakeLists.txt" for above in full.parents if root in above.parents]
            registered = "".join(file.read_text() for file in lists if file.exists())
            for line, rule, why in check(path, full.read_text(), registered):
                print(f"{path}:{line}: {rule}: {why}")
                count += 1
    return count


SPDX = "// SPDX-License-Identifier: Apache-2.0\n"
AWAIT = ["f(Msg{a, 1});", "f(ns::Msg<int>{\n  a});", "f({a, 1});", "f([a] { return a; });",
         "f([&b, a = g()] {});"]
SAMPLES = [  # (rule that must fire, or "" for none; path; text)
    ("columns", "cli/a.cpp", SPDX + "x" * 101), ("", "cli/a.cpp", SPDX + "x" * 100),
    ("clock", "cli/a.cpp", SPDX + "steady_clock::now()"), ("", CLOCK, SPDX + "steady_clock::now()"),
    ("sleep", "tests/a.cpp", SPDX + "this_thread::sleep_for()"), ("", "tests/bench/a", "usleep(1)"),
    ("", "tests/a.cpp", SPDX + "// usleep\n'\"'; \"usleep\"; usleep(1);  // sleep-ok: why"),
    ("random_device", "cli/a.cpp", SPDX + "random_device r;"), ("", RANDOM, SPDX + "random_device"),
    ("heavy_include", "node/include/a.hpp", SPDX + "#pragma once\n#include <zmq.hpp>"),
    ("", "node/include/grove/asio.hpp", SPDX + "#pragma once\n#include <asio/post.hpp>"),
    ("todo", "tests/a.sh", "# TODO: later"), ("", "tests/a.sh", "# TODO(ada): later"),
    ("length", "cli/a.cpp", SPDX + "\n" * 600), ("", "cli/a.cpp", SPDX + "\n" * 599),
    ("spdx", "cli/a.cpp", "int a;"), ("pragma_once", "cli/src/a.hpp", SPDX),
    ("placement", "node/a.hpp", SPDX + "#pragma once"), ("", "src/a.hpp", SPDX + "#pragma once"),
    ("unregistered", "tests/b_test.cpp", SPDX), ("", "tests/listed_test.cpp", SPDX),
    *(("co_await", "cli/a.cpp", SPDX + "auto r = co_await " + call) for call in AWAIT),
    ("co_await", "cli/a.cpp", SPDX + "void f() {\n  Msg m{a, co_await g()};\n}"),
    ("", "cli/a.cpp", SPDX + "if (a) {\n  B b{a};\n  co_await f({.n = 1}, seconds{1});\n}\nB b{};"),
    ("", "cli/a.cpp", SPDX + "co_await f([&a, &b] { return B{1}; });\nco_await f<B>([this] {});"),
    ("", "cli/a.cpp", SPDX + "co_await f(B{\n  1});  // co_await-ok: B is trivial"),
]


def self_test():
    """Every sample makes its rule fire, and no other; every rule has a sample."""
    failures = {*LINE_RULES, *FILE_RULES} - {rule for rule, _, _ in SAMPLES}
    for wanted, path, text in SAMPLES:
        fired = " ".join(sorted({rule for _, rule, _ in check(path, text, "listed_test.cpp")}))
        if fired != wanted:
            failures.add(f"wanted `{wanted}`, got `{fired}` in {path}:\n{text[:200]}")
    print(*failures, f"self-test: {len(SAMPLES)} samples, {len(failures)} failures", sep="\n")
    return len(failures)


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent
    sys.exit(bool(self_test() if given == "--self-test" else check_tree(Path(given).resolve())))
