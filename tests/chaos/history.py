# SPDX-License-Identifier: Apache-2.0
"""The histories of one run: what each node wrote down, and what the driver did and saw."""
import json
import re
from collections import defaultdict
from pathlib import Path

PID = re.compile(r"([^:]+):([0-9a-z]+):(\d+\.\d+)")
WATCHER = re.compile(r"watcher: (MONITOR|DOWN) (\S+) (\S+)|supervisor \S+ (gives up)")

CALM, DRAINED = "1", "2"  # the censuses: when all is whole again, and when all targets have ended


def node_of(pid):
    return PID.fullmatch(pid)[1]


def life_of(pid):
    """A number: later lives of a node have greater ones."""
    return int(PID.fullmatch(pid)[2], 36)


class Run:
    """`events`: of each node, in the order in which it wrote them; `driver`: the driver's;
    `watchers`: what the transaction tracker's watchers logged, (what, name, pid, whether instead
    their supervisor gave up, and they began anew), of each life of each node."""

    def __init__(self, events, driver=(), watchers=None):
        self.events = {node: list(until_last_census(all_)) for node, all_ in events.items()}
        self.driver, self.watchers = list(driver), watchers or {}
        self.of = defaultdict(list)         # kind -> events of all nodes
        for node in sorted(self.events):
            for event in self.events[node]:
                self.of[event["kind"]].append(event)
        self.ends = {e["by"]: e for e in self.of["end"]}      # pid -> how it said that it ends
        self.census = defaultdict(dict)     # number -> pid -> process, alive at that time
        for event in self.of["process"]:
            self.census[event["census"]][event["pid"]] = event
        self.names = defaultdict(lambda: defaultdict(dict))   # number -> seen from -> name -> pid
        for event in self.of["name"]:
            self.names[event["census"]][event["node"]][event["name"]] = event["pid"]
        self.takers = defaultdict(dict)     # number -> node -> the census's own line
        for event in self.of["census"]:
            self.takers[event["census"]][event["node"]] = event
        self.last_life = {}                 # node -> its greatest life
        for event in self.of["start"]:
            node, life = event["node"], life_of(event["by"])
            self.last_life[node] = max(life, self.last_life.get(node, 0))

    @classmethod
    def load(cls, folder):
        folder = Path(folder)
        events = {file.stem: lines(file) for file in folder.glob("*.jsonl")
                  if file.stem != "driver"}
        driver = folder / "driver.jsonl"
        watchers = {}
        for file in folder.glob("*.log"):
            text = file.read_text(errors="replace")
            for number, part in enumerate(re.split(r"(?m)^.*\bnode \S+, listening on ", text)):
                watchers[file.stem, number] = [m.groups() for m in WATCHER.finditer(part)]
        return cls(events, lines(driver) if driver.exists() else (), watchers)

    def over(self, pid):
        """Whether that process has ended: it said so, or its node's life is over."""
        return pid in self.ends or life_of(pid) < self.last_life.get(node_of(pid), 0)


def until_last_census(events):
    """What comes after it is the nodes' end, which is ordered, and no fault."""
    for event in events:
        yield event
        if event["kind"] == "census" and event["census"] == DRAINED:
            return


def lines(file):
    """All whole lines; a node that was killed may have left half a one."""
    found = []
    for line in file.read_text(errors="replace").split("\n")[:-1]:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            pass
    return found
