#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real nodes under faults: they work, things go wrong by a plan made from a seed, all is mended and
must be whole again, and what everybody wrote down is checked. docs/reliability.md tells the whole.

Exit: 0 nothing was found, 1 something was (the histories are kept), 64 usage.
"""
import argparse
import asyncio
import json
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import checkers
import faults
import history
import table
from containers import Containers
from history import Run
from processes import Processes

BIN = Path(__file__).parents[2] / "build/release/bin"
WHOLE_WAIT = 180   # seconds until all is whole again; it takes 5 to 15
DRAIN_WAIT = 120   # seconds until the last monitor has fired; it takes 2
START_WAIT = 180
SMOKE = 40         # seconds of faults, and of what follows from them
SMOKE_SEED = 49    # has all kinds of faults; a gate should not fail by chance
AROUND = 40        # seconds of a run for the start, the census, the drain
QUIET = 2.0        # seconds; a tenth does
TICK = 0.05
SAMPLE = 0.25      # seconds between looks at the nodes' memory


class Failed(Exception):
    """The run cannot go on, or has shown what must not be."""


class Driver:
    def __init__(self, nodes, folder, rounds):
        self.nodes, self.folder, self.rounds = nodes, Path(folder), rounds
        self.began = time.monotonic()
        self.record = (self.folder / "driver.jsonl").open("w", buffering=1)

    def say(self, text):
        print(f"[{time.monotonic() - self.began:5.1f} s] {text}", flush=True)

    def note(self, kind, **fields):
        self.record.write(json.dumps({"t": time.monotonic(), "kind": kind, **fields}) + "\n")

    # -- what the cluster looks like -------------------------------------------------------------

    async def members(self):
        """{seen from: {name: {life, state, incarnation}}}; None when a node does not answer."""
        answers = await asyncio.gather(*(self.nodes.ask(n, "members") for n in faults.NODES))
        if not all(answers):
            return None
        return {node: {m["name"]: {k: m[k] for k in ("life", "state", "incarnation")}
                       for m in answer["members"]} for node, answer in zip(faults.NODES, answers)}

    async def names(self):
        answers = await asyncio.gather(*(self.nodes.ask(n, "names") for n in faults.NODES))
        return [answer and answer["names"] for answer in answers]

    async def whole(self):
        """Whether every node sees every node up, in its present life."""
        seen = await self.members()
        if seen is None:
            return False
        lives = {node: seen[node][node]["life"] for node in faults.NODES}
        whole = all({n: m["life"] for n, m in view.items()} == lives
                    and all(m["state"] == "up" for m in view.values()) for view in seen.values())
        if whole:
            self.note("members", seen=seen, lives=lives)
        return whole

    async def standing(self):
        """What a pause must not change, by node."""
        seen = await self.members()
        metrics = await asyncio.gather(*(self.nodes.ask(n, "metrics") for n in faults.NODES))
        if seen is None or not all(metrics):
            raise Failed("a node does not answer, though nothing is wrong with it")
        return {node: {"life": seen[node][node]["life"],
                       "incarnation": seen[node][node]["incarnation"],
                       "removed": of["metrics"]["members_declared_dead_total"]}
                for node, of in zip(faults.NODES, metrics)}

    async def until(self, what, seconds, text):
        """Waits until `what` gives something true. Raises Failed when it does not in that time."""
        give_up = time.monotonic() + seconds
        while not await what():
            if time.monotonic() > give_up:
                raise Failed(f"not within {seconds} s: {text}")
            await asyncio.sleep(0.2)

    # -- faults ----------------------------------------------------------------------------------

    async def begin(self, fault):
        self.say(f"{fault.kind} {'-'.join(fault.nodes)} for {fault.seconds} s {fault.argument}")
        self.note("fault", fault=fault.kind, nodes=fault.nodes, seconds=fault.seconds)
        if fault.kind == "kill":
            await self.nodes.kill(fault.nodes[0])
        elif fault.kind == "stop":
            await self.nodes.stop(fault.nodes[0])
            if fault.argument == "flooded":
                self.note("flood", node=fault.nodes[0])
                (self.folder / f"flood-{fault.nodes[0]}").touch()

    async def take_back(self, fault):
        node = fault.nodes[0]
        if fault.kind == "kill":
            self.note("start", node=node)
            await self.nodes.start(node, fault.argument == "new address")
        elif fault.kind == "stop":
            (self.folder / f"flood-{node}").unlink(missing_ok=True)
            await self.nodes.go_on(node)
        self.note("taken_back", fault=fault.kind, nodes=fault.nodes)

    async def play(self, one):
        """All faults of a round, until the last is taken back."""
        waiting, under_way, resets = list(one.faults), [], {}
        ways = faults.Ways()
        start = time.monotonic()
        while waiting or under_way:
            now = time.monotonic() - start
            while waiting and waiting[0].at <= now:
                fault = waiting.pop(0)
                await self.begin(fault)
                under_way.append((fault, now))
                ways.faults[fault] = now
            for fault, began in list(under_way):
                if fault.kind == "reset" and now >= resets.get(fault, 0):
                    resets[fault] = now + fault.argument
                    self.nodes.reset_between(*fault.nodes)
                if now >= began + fault.seconds:
                    under_way.remove((fault, began))
                    del ways.faults[fault]
                    await self.take_back(fault)
            await self.nodes.set_ways(ways.at(now))
            await asyncio.sleep(TICK)

    async def look_after(self):
        """Samples memory, and sees who ends by itself, for as long as it is let."""
        while True:
            self.note("memory", bytes=self.nodes.memory())
            for node, code in self.nodes.ended().items():
                self.note("ended", node=node, code=code)
                raise Failed(f"node {node} ended by itself: {code}")
            await asyncio.sleep(SAMPLE)

    # -- the run ---------------------------------------------------------------------------------

    def call_phase(self, phase):
        self.note("phase", phase=phase)
        file = self.folder / "phase.new"
        file.write_text(phase)
        file.rename(self.folder / "phase")

    async def take_census(self, number):
        (self.folder / f"census-{number}").touch()

        async def taken():
            run = Run.load(self.folder)
            return len(run.takers[number]) == len(faults.NODES)
        await self.until(taken, WHOLE_WAIT, f"census {number} on every node")

    async def drive(self):
        self.call_phase("faults")
        for node in faults.NODES:
            self.note("start", node=node)
            await self.nodes.start(node)
        await self.until(self.whole, START_WAIT, "all nodes are up")
        self.say("all nodes are up")
        for number, one in enumerate(self.rounds, 1):
            self.say(f"round {number}")
            before = await self.standing() if one.alone else None
            await self.play(one)
            healed = time.monotonic()
            await self.until(self.whole, WHOLE_WAIT, "all nodes see all others up again")
            self.say(f"whole again after {time.monotonic() - healed:.1f} s")
            if before:
                self.note("paused_alone", node=one.faults[0].nodes[0], before=before,
                          after=await self.standing())
        self.call_phase("calm")

        async def calm():
            heard = {e["node"] for e in Run.load(self.folder).of["phase"] if e["phase"] == "calm"}
            return heard == set(faults.NODES)
        await self.until(calm, WHOLE_WAIT, "all nodes are calm")
        await asyncio.sleep(QUIET)  # what they did last is still on its way

        async def agreed():
            names = await self.names()
            return all(names) and all(view == names[0] for view in names)
        await self.until(agreed, WHOLE_WAIT, "all nodes agree on all names")
        await self.take_census(history.CALM)
        self.say("calm: all nodes agree on all names")
        self.call_phase("drain")

        async def drained():
            return not checkers.still_open(Run.load(self.folder))
        try:
            await self.until(drained, DRAIN_WAIT, "every link, monitor and call has ended")
        except Failed as failure:
            self.say(f"{failure}")  # the checkers will say which
        await self.take_census(history.DRAINED)
        self.say("drained")

    async def run(self):
        """Returns: what went wrong, beside what the checkers will find; None: nothing."""
        watch = asyncio.ensure_future(self.look_after())
        drive = asyncio.ensure_future(self.drive())
        try:
            done, _ = await asyncio.wait({watch, drive}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            watch.cancel()
            for node, code in (await self.nodes.end()).items():
                self.note("ended", node=node, code=code)
                raise Failed(f"node {node} did not stop in good order: {code}")
            self.say("all nodes have stopped in good order")
        except Exception as failure:  # whatever it is, the histories are of interest
            if not isinstance(failure, Failed):
                traceback.print_exc()
            return str(failure) or repr(failure)
        finally:
            for task in (watch, drive):
                task.cancel()
            await asyncio.gather(watch, drive, return_exceptions=True)
            await self.nodes.close()
        return None


def options():
    parser = argparse.ArgumentParser(prog="./dev chaos", description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", type=int, help="replays that plan (default: another each time, "
                        f"{SMOKE_SEED} for --smoke)")
    parser.add_argument("--seconds", type=int, default=600, help="about, in all")
    parser.add_argument("--smoke", action="store_true", help="40 seconds, and no long fault")
    parser.add_argument("--containers", action="store_true", help="nodes in containers")
    parser.add_argument("--bin", default=BIN, help=argparse.SUPPRESS)
    parser.add_argument("--plan", action="store_true", help="only print the plan")
    parser.add_argument("--keep", action="store_true", help="keep the histories in any case")
    parser.add_argument("--report", metavar="PAGE", help="write the table of this run into PAGE")
    parser.add_argument("--check", metavar="FOLDER", help="only check the histories in FOLDER")
    return parser.parse_args()


def verdict(folder, failure, report):
    """Checks the histories; prints what was found; writes its table into the page `report`, if any.
    Returns: whether all is well."""
    run = Run.load(folder)
    found = checkers.check(run, whole=not failure)
    wrong = 0
    for name, findings in found.items():
        violations = [f for f in findings if f.wrong]
        wrong += len(violations)
        print(f"{name:4} {len(findings) - len(violations):7} facts as they must be, "
              f"{len(violations)} not: {' '.join(checkers.CHECKERS[name].__doc__.split())}")
        for violation in violations[:5]:
            print(f"       {violation.t:.3f} {violation.wrong[:600]}")
    if failure:
        print(f"FAILED: {failure}")
    counts = table.count(run, found)
    begin = run.driver[0]
    print("\n".join(table.lines(begin["backend"], counts)))
    if report:
        page = Path(report)
        page.write_text(table.written(page.read_text(), begin["backend"], counts, begin["replay"]))
    return not wrong and not failure


def main():
    args = options()
    if args.check:
        return 0 if verdict(args.check, None, args.report) else 1
    seed = args.seed
    if seed is None:
        seed = SMOKE_SEED if args.smoke else secrets.randbelow(1_000_000)
    kinds = tuple(k for k in faults.KINDS if not args.containers or faults.KINDS[k].containers)
    rounds = faults.plan(seed, SMOKE if args.smoke else args.seconds - AROUND, kinds)
    if args.smoke:
        rounds = faults.shortened(rounds, 6.0)
    for line in faults.described(rounds):
        print(line)
    if args.plan:
        return 0

    # Every other seed runs encrypted; and all containers, who are not on loopback.
    cookie = random.Random(seed).randbytes(24).hex() if seed % 2 or args.containers else ""
    backend = "containers" if args.containers else "processes"
    program = "tests/chaos/" + {"containers": "containers.sh", "processes": "chaos.py"}[backend]
    length = "--smoke" if args.smoke else f"--seconds {args.seconds}"
    replay = f"{program} --seed {seed} {length}"
    print(f"seed {seed}, {'encrypted' if cookie else 'no cookie'}; again: {replay}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="grove-chaos."))

    async def run():
        task = asyncio.current_task()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        nodes = (Containers if args.containers else Processes)(args.bin, folder, cookie)
        driver = Driver(nodes, folder, rounds)
        driver.note("run", backend=backend, replay=replay)
        return await driver.run()
    try:
        failure = asyncio.run(run())
    except asyncio.CancelledError:
        print(f"interrupted; the histories are in {folder}")
        return 1
    good = verdict(folder, failure, args.report)
    if good and not args.keep:
        shutil.rmtree(folder)
    else:
        print(f"the histories are in {folder}")
    print(f"chaos: {'passed' if good else f'FAILED; again: {replay}'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
