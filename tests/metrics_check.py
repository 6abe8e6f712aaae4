#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/metrics.md has a row for each counter of a node, and no other.

Usage: metrics_check.py [ROOT]
"""
import re
import sys
from pathlib import Path


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    code = (root / "node/core/src/metrics.cpp").read_text(encoding="utf-8")
    page = (root / "docs/metrics.md").read_text(encoding="utf-8")
    counted = {name.replace('\\"', '"')
               for name in re.findall(r'case Metric::\w+: return "((?:[^"\\]|\\.)+)";', code)}
    told = set(re.findall(r"^\| `([^`]+)`", page, re.MULTILINE))
    for name in sorted(counted - told):
        print(f"docs/metrics.md: {name} is missing")
    for name in sorted(told - counted):
        print(f"docs/metrics.md: there is no {name}")
    return 0 if counted and counted == told else 1


if __name__ == "__main__":
    sys.exit(main())
