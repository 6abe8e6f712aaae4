# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, and when: a plan is made from a seed alone, so that the seed replays it.

A plan is a list of rounds. In a round faults overlap; it ends when all of them have been taken back
and the cluster is whole again. What a fault does to the network is decided here, too, as values:
proxy.py only obeys.
"""
import itertools
import random
from dataclasses import dataclass, field, replace

NODES = ("a", "b", "c", "d", "e")


@dataclass(frozen=True)
class Way:
    """What happens to bytes that go from one node to another, beyond what TCP does by itself."""
    cut: bool = False    # connections are reset, and no new one comes up
    hole: bool = False   # nothing arrives while it is so; what was sent arrives afterwards
    delay: float = 0     # seconds, and as much again at most, by chance
    rate: int = 0        # bytes a second; 0: no limit
    slice: int = 0       # bytes at a time; 0: as they come

    def with_(self, other):
        """Both at once: the worse of each."""
        return Way(self.cut or other.cut, self.hole or other.hole, max(self.delay, other.delay),
                   min(filter(None, (self.rate, other.rate)), default=0),
                   min(filter(None, (self.slice, other.slice)), default=0))


OPEN = Way()


@dataclass(frozen=True)
class Kind:
    what: str
    containers: str  # what stands for it where nodes are containers; empty: nothing does
    weight: int      # how often, beside the others
    seconds: tuple   # from, to
    on: str          # node, pair, or half: a minority
    way: object = None      # of the fault's argument: the Way that it makes
    arguments: tuple = ("",)
    one_way: bool = False


# docs/reliability.md has a row for each: table.py sees to it.
KINDS = {
    "kill": Kind("SIGKILL, later a new life at the same or another address",
                 "docker kill, start, with another address too", 4, (0.5, 10), "node",
                 arguments=("same address", "new address")),
    "stop": Kind("SIGSTOP, later SIGCONT; mostly flooded meanwhile", "docker pause, unpause", 3,
                 (0.1, 12), "node", arguments=("flooded", "flooded", "")),
    "isolate": Kind("one node is cut off from all others", "docker network disconnect, connect", 2,
                    (1, 15), "node", lambda _: Way(cut=True)),
    "split": Kind("two nodes and three are cut off from each other", "", 3, (1, 15), "half",
                  lambda _: Way(cut=True)),
    "cut": Kind("a link is cut; both ends reach the others", "", 2, (1, 12), "pair",
                lambda _: Way(cut=True)),
    "silence": Kind("a link swallows everything, both ways", "", 2, (1, 15), "pair",
                    lambda _: Way(hole=True)),
    "one-way": Kind("a link swallows everything, one way only", "", 2, (1, 15), "pair",
                    lambda _: Way(hole=True), one_way=True),
    "flap": Kind("a link is cut and mended, again and again, every 0.1 to 2 s", "", 2, (2, 12),
                 "pair", lambda _: Way(cut=True), arguments=(0.1, 0.5, 2.0)),
    "reset": Kind("all connections of a link are reset, every 0.1 to 1 s", "", 2, (1, 10), "pair",
                  arguments=(0.1, 0.3, 1.0)),
    "slow": Kind("a link carries little: 20 to 200 kB a second", "", 1, (3, 12), "pair",
                 lambda rate: Way(rate=rate), arguments=(20_000, 60_000, 200_000)),
    "delay": Kind("a link is slow to deliver: 0.05 to 0.4 s and as much again by chance", "", 1,
                  (3, 12), "pair", lambda delay: Way(delay=delay), arguments=(0.05, 0.2, 0.4)),
    "slice": Kind("a link delivers 1 to 100 bytes at a time", "", 1, (3, 12), "pair",
                  lambda size: Way(slice=size), arguments=(1, 7, 100)),
}


@dataclass(frozen=True)
class Fault:
    at: float       # seconds from the round's start
    kind: str
    nodes: tuple    # the one; the two, from and to; or those of the smaller half
    seconds: float  # until it is taken back
    argument: object = ""

    @property
    def end(self):
        return self.at + self.seconds

    def ways(self, elapsed):
        """What it does to which ways, `elapsed` seconds after its start: {(from, to): Way}."""
        kind = KINDS[self.kind]
        if kind.way is None:
            return {}
        if self.kind == "flap" and int(elapsed / self.argument) % 2 == 1:
            return {}
        if kind.on == "pair":
            pairs = [self.nodes]
        else:
            pairs = itertools.product(self.nodes, [n for n in NODES if n not in self.nodes])
        way = kind.way(self.argument)
        both = pairs if kind.one_way else [p for a, b in pairs for p in ((a, b), (b, a))]
        return {pair: way for pair in both}

    def __str__(self):
        return (f"{self.at:6.1f} s  {self.kind:8} {'-'.join(self.nodes):6} {self.seconds:5.1f} s"
                f"  {self.argument}").rstrip()


@dataclass(frozen=True)
class Round:
    faults: tuple
    alone: bool = False  # one fault, and nothing else: what follows from it can be told exactly

    @property
    def seconds(self):
        return max(fault.end for fault in self.faults)


@dataclass
class Ways:
    """The network's state: what all faults under way do together."""
    faults: dict = field(default_factory=dict)  # fault -> when it began

    def at(self, now):
        state = {}
        for fault, began in self.faults.items():
            for pair, way in fault.ways(now - began).items():
                state[pair] = state.get(pair, OPEN).with_(way)
        return state


def fault(kind, dice, at, nodes=NODES):
    seconds = round(dice.uniform(*KINDS[kind].seconds), 1)
    count = {"node": 1, "pair": 2, "half": 2}[KINDS[kind].on]
    return Fault(round(at, 1), kind, tuple(dice.sample(sorted(nodes), count)), seconds,
                 dice.choice(KINDS[kind].arguments))


def mixed_round(dice, kinds, seconds):
    """Faults that overlap; no more than two nodes are killed or stopped, each of them once."""
    faults, whole = [], set(NODES)
    for kind in kinds:
        at = dice.uniform(0, seconds * 0.7)
        one = fault(kind, dice, at, whole if kind in ("kill", "stop") else NODES)
        if kind in ("kill", "stop"):
            if len(whole) <= len(NODES) - 2:
                continue
            whole -= set(one.nodes)
        faults.append(one)
    return Round(tuple(sorted(faults, key=lambda f: f.at)))


def lone_stop(dice, seconds):
    return Round((Fault(0.0, "stop", (dice.choice(NODES),), seconds, "flooded"),), alone=True)


def plan(seed, seconds, kinds=tuple(KINDS)):
    """Rounds for about `seconds`: every kind comes before one comes again, and then by weight."""
    dice = random.Random(f"chaos {seed}")
    rounds, used = [], 0.0
    deck = []
    settle = 3  # about what a cluster takes to be whole again
    while not rounds or used < seconds:
        if "stop" in kinds and len(rounds) % 4 == 0:
            one = lone_stop(dice, 8.0 if not rounds else round(dice.uniform(1, 30), 1))
        else:
            wanted = []
            while len(wanted) < 5:
                if not deck:
                    again = [k for k in kinds for _ in range(KINDS[k].weight if rounds[2:] else 1)]
                    deck = dice.sample(again, len(again))
                wanted.append(deck.pop())
            one = mixed_round(dice, wanted, 12)
        rounds.append(one)
        used += one.seconds + settle
    return rounds


def shortened(rounds, seconds_max):
    """The same, for a short run: no fault lasts longer than that."""
    return [replace(one, faults=tuple(replace(f, at=min(f.at, seconds_max),
                                              seconds=min(f.seconds, seconds_max))
                                      for f in one.faults))
            if not one.alone else one for one in rounds]


def described(rounds):
    for number, one in enumerate(rounds, 1):
        yield f"round {number}{', alone' if one.alone else ''}: {one.seconds:.1f} s"
        for each in one.faults:
            yield f"  {each}"
