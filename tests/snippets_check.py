#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The C++ that docs/*.md and the examples' pages show stands, word for word, in a test that runs.

Usage: snippets_check.py [ROOT] | snippets_check.py --self-test
In a page, `<!-- snippet: tests/FILE.cpp NAME -->` stands right above a cpp block; in the file, the
same lines stand between `// [snippet NAME]` and `// [/snippet NAME]`, indented as they please.
"""
import re
import sys
import tempfile
import textwrap
from pathlib import Path

BLOCK = re.compile(r"(?:<!-- snippet: (\S+) (\S+) -->\n)?```cpp\n(.*?)```", re.DOTALL)
LINES_MAX = {"testing.md": (("bank", "partition"), 39)}  # a system of two servers, and its test
PAGES_WITHOUT = {"architecture.md"}  # shows parts of the inside


def in_file(text, name):
    """The snippet `name` of a file's text; None without one."""
    name = re.escape(name)
    found = re.search(rf"^[ \t]*// \[snippet {name}\]\n(.*?)^[ \t]*// \[/snippet {name}\]$", text,
                      re.DOTALL | re.MULTILINE)
    return found and textwrap.dedent(found[1])


def too_long(page, text):
    """Yields (line, why) when snippets of a page that are to be short together are not."""
    names, most = LINES_MAX.get(page, ((), 0))
    blocks = [block for block in BLOCK.finditer(text) if block[2] in names]
    lines = sum(block[3].count("\n") for block in blocks)
    if len(blocks) != len(names):
        yield 1, f"not all of the snippets {' and '.join(names)}"
    elif lines > most:
        line = text.count("\n", 0, blocks[0].start()) + 1
        yield line, f"{lines} lines in {' and '.join(names)}, at most {most}"


def check(root):
    """Yields (page, line, why) for each block that no test contains, and for what is too long."""
    for page in sorted([*root.glob("docs/*.md"), *root.glob("examples/*/README.md")]):
        text, path = page.read_text(), page.relative_to(root)
        for block in BLOCK.finditer(text) if page.name not in PAGES_WITHOUT else ():
            line = text.count("\n", 0, block.start()) + 1
            if block[1] is None:
                yield path, line, "a cpp block that names no test"
                continue
            file = root / block[1]
            wanted = in_file(file.read_text(), block[2]) if file.exists() else None
            if wanted is None:
                yield path, line, f"{block[1]} has no snippet {block[2]}"
            elif wanted.strip() != block[3].strip():
                yield path, line, f"differs from the snippet {block[2]} of {block[1]}"
        yield from ((path, line, why) for line, why in too_long(page.name, text))


def self_test():
    """Each sample page is found to be wrong as it says, and no other way."""
    test = "  // [snippet one]\n  int a;\n    int b;\n  // [/snippet one]\n"
    head = "<!-- snippet: tests/t.cpp {} -->\n"
    samples = [
        ("", head.format("one") + "```cpp\nint a;\n  int b;\n```\n"),
        ("1 differs from the snippet one of tests/t.cpp", head.format("one") + "```cpp\nint c;\n```\n"),
        ("1 tests/t.cpp has no snippet two", head.format("two") + "```cpp\nint a;\n```\n"),
        ("2 a cpp block that names no test", "\n```cpp\nint a;\n```\n"),
    ]
    failures = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "docs").mkdir()
        (root / "tests").mkdir()
        (root / "tests/t.cpp").write_text(test)
        for wanted, page in samples:
            (root / "docs/page.md").write_text(page)
            found = "; ".join(f"{line} {why}" for _, line, why in check(root))
            if found != wanted:
                failures += 1
                print(f"wanted `{wanted}`, got `{found}`")
    page = "".join(f"<!-- snippet: t.cpp {name} -->\n```cpp\n" + "int a;\n" * lines + "```\n"
                   for name, lines in (("bank", 20), ("partition", 19)))
    longer = page.replace("int a;\n", "int a;\nint b;\n", 1)
    for wanted, text in (("", page),
                         ("1 40 lines in bank and partition, at most 39", longer),
                         ("1 not all of the snippets bank and partition", page.replace("bank", "b"))):
        found = "; ".join(f"{line} {why}" for line, why in too_long("testing.md", text))
        if found != wanted:
            failures += 1
            print(f"wanted `{wanted}`, got `{found}`")
    print(f"self-test: {len(samples) + 3} samples, {failures} failures")
    return failures


def main(root):
    """Prints what is wrong; returns how much."""
    found = list(check(root))
    for page, line, why in found:
        print(f"{page}:{line}: {why}")
    return len(found)


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent
    sys.exit(bool(self_test() if given == "--self-test" else main(Path(given).resolve())))
