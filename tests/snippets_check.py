#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The C++ that docs/*.md show stands, word for word, in a test that is compiled and run.

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
PAGES_WITHOUT = {"architecture.md"}  # shows parts of the inside


def in_file(text, name):
    """The snippet `name` of a file's text; None without one."""
    name = re.escape(name)
    found = re.search(rf"^[ \t]*// \[snippet {name}\]\n(.*?)^[ \t]*// \[/snippet {name}\]$", text,
                      re.DOTALL | re.MULTILINE)
    return found and textwrap.dedent(found[1])


def check(root):
    """Yields (page, line, why) for each block that no test contains."""
    for page in sorted((root / "docs").glob("*.md")):
        text = page.read_text()
        for block in BLOCK.finditer(text) if page.name not in PAGES_WITHOUT else ():
            line = text.count("\n", 0, block.start()) + 1
            if block[1] is None:
                yield page.name, line, "a cpp block that names no test"
                continue
            file = root / block[1]
            wanted = in_file(file.read_text(), block[2]) if file.exists() else None
            if wanted is None:
                yield page.name, line, f"{block[1]} has no snippet {block[2]}"
            elif wanted.strip() != block[3].strip():
                yield page.name, line, f"differs from the snippet {block[2]} of {block[1]}"


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
    print(f"self-test: {len(samples)} samples, {failures} failures")
    return failures


def main(root):
    """Prints what is wrong; returns how much."""
    found = list(check(root))
    for page, line, why in found:
        print(f"docs/{page}:{line}: {why}")
    return len(found)


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent
    sys.exit(bool(self_test() if given == "--self-test" else main(Path(given).resolve())))
