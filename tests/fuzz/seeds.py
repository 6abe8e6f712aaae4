#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the corpus' first files: what the transcripts of tests/transport/transcripts hold, and
events that bring a session up. A file is named after its content, so that none is there twice.

Usage: seeds.py [TARGET_DIR]
"""
import hashlib
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
RECORD_HEAD, SESSION_HEADER = 40, 48


def frames():
    """Yields both parts of every frame of the transcripts; the second one is mostly empty."""
    for path in sorted((TESTS / "transport/transcripts").glob("v*/*.txt")):
        for line in path.read_text().splitlines():
            if line.startswith(("> frame", "> answer", "< send", "< answer")):
                yield bytes.fromhex(line.split()[-1]), b""
            elif line.startswith("> parts"):
                head, tail = line.split()[-2:]
                yield bytes.fromhex(head), bytes.fromhex(tail)


def bodies(batch):
    """Yields the bodies of a batch's records."""
    at = SESSION_HEADER
    while at < len(batch):
        length = int.from_bytes(batch[at:at + 4], "little")
        name = int.from_bytes(batch[at + 6:at + 8], "little")
        yield batch[at + RECORD_HEAD + name:at + 4 + length]
        at += 4 + length


def plays():
    """Yields scripts of sessions_fuzz.cpp: what happens, to which link, on which route, with what."""
    proved = bytes([2, 0, 0, 0, 50, 7, 0, 0, 3, 0, 0])  # HELLO and AUTH of ba: we dial back, link 1
    up = proved + bytes([11, 0, 0, 4, 0, 0, 1, 50, 1, 0, 0, 5, 0, 0])
    batches = bytes([9, 0, 0, 0, 1, 9, 0, 0, 0, 2, 9, 0, 0, 0, 4, 9, 0, 0, 0, 255])
    dialled = bytes([13, 0, 0, 0, 11, 0, 0, 4, 0, 0, 1, 50, 1, 0, 0, 5, 0, 0])
    yield from (proved, up, up + batches, dialled, dialled + proved + batches)
    yield up + bytes([10, 0, 0, 200]) + batches + bytes([6, 0, 0, 10, 0, 0, 3, 11, 1, 0])
    yield up + bytes([15, 0, 0, 7, 10, 0, 0, 20, 11, 1, 0, 4, 1, 0, 1, 51, 1, 0, 0, 5, 1, 0])
    yield up + bytes([2, 0, 1, 1, 51, 1, 0, 0, 3, 0, 1, 14, 0, 0, 1, 9, 12, 0, 0, 15, 0, 0, 1])


def main(root):
    seeds = {"header": set(), "handshake": set(), "batch": set(), "body": set(),
             "sessions": set(plays())}
    for frame, tail in frames():
        kind = frame[3]
        if kind in (1, 2):
            seeds["handshake"].add(frame)
        else:
            seeds["header"].add(frame[:SESSION_HEADER])
        if kind == 17:
            seeds["batch"].add(len(tail).to_bytes(2, "little") + frame[SESSION_HEADER:] + tail)
            seeds["body"].update(bodies(frame + tail))
        seeds["sessions"].add(bytes([0, 0, 0, min(len(frame), 255)]) + frame)
    for target, contents in seeds.items():
        (root / target).mkdir(parents=True, exist_ok=True)
        for content in contents:
            (root / target / f"seed-{hashlib.sha256(content).hexdigest()[:12]}").write_bytes(content)


main(Path(sys.argv[1]) if len(sys.argv) > 1 else TESTS / "fuzz/corpus")
