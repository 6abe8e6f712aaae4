# SPDX-License-Identifier: Apache-2.0
"""What must hold of the histories, whatever went wrong. Written from docs/semantics.md and
docs/reliability.md; knows nothing of the code.

A checker is a function of a Run. It yields a Finding for each fact that it has looked at: a
violation, or one more that was as it must be. One that finds nothing to look at has failed, too.
"""
from collections import Counter
from dataclasses import dataclass

from history import CALM, DRAINED, life_of, node_of

MIB = 1 << 20
BUDGET = 64 * MIB         # FlowConfig::budget_bytes
PEERS = 4
SETTLED = 2               # seconds, in which what is on its way to another node has arrived


@dataclass(frozen=True)
class Finding:
    t: float
    wrong: str = ""  # empty: as it must be


def fine(event):
    return Finding(event.get("t", 0))


def bad(event, text):
    return Finding(event.get("t", 0), f"{text}: {event}")


def i1_monitors(run):
    """Each monitor gives one DOWN or is ended by demonitor; never none, never two, never a lie."""
    open_, downs = {}, Counter()
    for node in run.events:
        for event in run.events[node]:
            key = (event["by"], event.get("ref"))
            if event["kind"] == "monitor":
                open_[key] = event
            elif event["kind"] == "demonitor":
                if key in open_:
                    open_.pop(key)
                    yield fine(event)
                elif not downs[key]:
                    yield bad(event, "demonitor of what was no monitor")
            elif event["kind"] == "down":
                downs[key] += 1
                if downs[key] > 1:
                    yield bad(event, "a second DOWN")
                elif open_.pop(key, None) is None:
                    yield bad(event, "a DOWN after demonitor, or of no monitor")
                else:
                    yield judged_reason(run, event)
    last, calm = run.census[DRAINED], run.census[CALM]
    for (by, ref), event in open_.items():
        if by in last and event["pid"] not in last:
            yield bad(event, "a DOWN that never came")
    calls = called_then(run)
    for process in calm.values():
        for other in process["monitored_by"].split():
            if (other in calm and process["pid"] not in calm[other]["monitors"].split()
                    and (other, process["pid"]) not in calls):
                yield bad(process, f"half a monitor: {other} knows nothing of it")
        for other in process["monitors"].split():
            if other in calm and process["pid"] not in calm[other]["monitored_by"].split():
                yield bad(process, f"half a monitor: {other} knows nothing of it")
    yield from watched(run)


def called_then(run):
    """(who, whom) of the calls that were under way at the first census, or had just ended: a call is
    a monitor, too, but none that its caller would show."""
    returned = {e["id"]: e["t"] for e in run.of["return"]}
    times = [taken["t"] for taken in run.takers[CALM].values()] or [0]
    first, last = min(times) - SETTLED, max(times)
    return {(e["by"], e["pid"]) for e in run.of["call"]
            if e["t"] <= last and returned.get(e["id"], last) >= first}


def judged_reason(run, down):
    reason, pid = down["reason"], down["pid"]
    if reason == "noconnection":
        return fine(down)
    if reason == "noproc":
        return fine(down) if run.over(pid) else bad(down, "noproc of a process that lives")
    if run.ends.get(pid, {}).get("reason") == reason:
        return fine(down)
    return bad(down, "a reason that its process did not end with")


def watched(run):
    """The same of the transaction tracker's watchers, who say so in their logs."""
    for (node, _), lines in run.watchers.items():
        watching = set()
        for what, name, pid, gave_up in lines:
            if gave_up:
                watching.clear()
                continue
            event = {"node": node, "name": name, "pid": pid}
            if what == "MONITOR":
                if pid in watching:
                    yield bad(event, "a watcher monitors again without a DOWN")
                watching.add(pid)
            elif pid not in watching:
                yield bad(event, "a second DOWN at a watcher")
            else:
                watching.remove(pid)
                yield fine(event)


def i2_links(run):
    """A link has two ends or none, and each gives one EXIT at most, and at last one."""
    state, made = {}, Counter()
    for event in run.of["link"]:
        made[event["by"], event["pid"]] += 1
    for node in run.events:
        received = Counter()
        for event in run.events[node]:
            pair = (event["by"], event.get("pid") or event.get("from"))
            if event["kind"] == "link":
                state[pair] = "linked"
            elif event["kind"] == "unlink":
                state[pair] = "unlinked"
            elif event["kind"] == "exit" and pair in state:
                # After unlink one may have been in the mailbox already.
                yield bad(event, "a second EXIT") if state[pair] == "gone" else fine(event)
                state[pair] = "gone"
            elif event["kind"] == "exit":
                received[pair] += 1
                if received[pair] > made[pair[1], pair[0]]:
                    yield bad(event, "more EXITs than links")
                else:
                    yield fine(event)
    last = run.census[DRAINED]
    for (by, pid), now in state.items():
        if now == "linked" and by in last and pid not in last:
            yield bad({"by": by, "pid": pid}, "an EXIT that never came")
    calm = run.census[CALM]
    for process in calm.values():
        for other in process["links"].split():
            if other not in calm:
                yield bad(process, f"linked to {other}, which is no more")
            elif process["pid"] not in calm[other]["links"].split():
                yield bad(process, f"half a link: {other} knows nothing of it")
            else:
                yield fine(process)


def i3_order(run):
    """From one process to another messages arrive in the order sent, each once, none missing but a
    last part of those of a session that was lost."""
    lost = {(e["by"], e["ref"]) for e in run.of["down"] if e["reason"] == "noconnection"}
    next_ = Counter()  # by row, and by who has received it
    for event in run.of["got"]:
        row, number = (event["from"], event["row"]), int(event["number"])
        expected = next_[row, event["by"]]
        if number < expected:
            yield bad(event, "a message again, or after a later one")
        elif number > expected and row not in lost and not run.over(event["from"]):
            yield bad(event, f"messages from {expected} on are missing before it")
        else:
            yield fine(event)
        next_[row, event["by"]] = number + 1
    sinks = {(e["by"], e["ref"]): e["pid"] for e in run.of["monitor"]}
    alive = run.census[DRAINED]
    for event in run.of["sent"]:
        row = (event["by"], event["row"])
        sink, sent = sinks[row], int(event["count"])
        if next_[row, sink] > sent:
            yield bad(event, f"{next_[row, sink]} messages arrived")
        elif next_[row, sink] < sent and row not in lost and {event["by"], sink} <= alive.keys():
            yield bad(event, f"{next_[row, sink]} messages arrived")
        else:
            yield fine(event)


def i4_lives(run):
    """Nothing of a former life arrives: no message after one of a later life, none for another
    process, no name of a dead process."""
    newest = {}
    for node in run.events:
        for event in run.events[node]:
            if event["kind"] == "got" and event["to"] != event["by"]:
                yield bad(event, "a message for another process")
                continue
            if event["kind"] == "exit" and event["reason"] == "noconnection":
                continue
            if event["kind"] not in ("got", "exit"):
                continue
            key, life = (event["by"], node_of(event["from"])), life_of(event["from"])
            if life < newest.get(key, 0):
                yield bad(event, "it comes from a former life, after the next has been heard")
            else:
                yield fine(event)
            newest[key] = max(life, newest.get(key, 0))
    for number, seen in run.names.items():
        for viewer, names in seen.items():
            for name, pid in names.items():
                if life_of(pid) < run.last_life.get(node_of(pid), 0):
                    yield bad({"t": run.takers[number][viewer]["t"], "name": name, "pid": pid},
                              f"{viewer} knows a name of a former life")


def i5_calls(run):
    """Each call ends, once: by an answer, the server's end, or the timeout."""
    calls = {e["id"]: e for e in run.of["call"]}
    ended = Counter()
    for event in run.of["return"]:
        call, how = calls.get(event["id"]), event["how"].split()
        ended[event["id"]] += 1
        if call is None or ended[event["id"]] > 1:
            yield bad(event, "a return of no call, or a second one")
        elif how[0] == "reply" and how[1:] != [call["id"], call["pid"]]:
            yield bad(event, f"an answer to another call, not to {call}")
        elif call["forever"] == "1" and how[:2] == ["exit", "timeout"]:
            yield bad(event, "a timeout of a call without one")
        else:
            yield fine(event)
    for call in calls.values():
        if call["by"] in run.census[DRAINED] and not ended[call["id"]]:
            yield bad(call, "it never returned")


def i6_agreement(run):
    """When all is whole again the nodes agree on who belongs to them and on every name; each name
    has one living holder, each process has the names that it was not told to have lost, and is
    told so once."""
    calm = run.census[CALM]
    views = {viewer: run.names[CALM][viewer] for viewer in run.takers[CALM]}
    agreed = views[min(views)] if views else {}
    for viewer, names in sorted(views.items()):
        taken = run.takers[CALM][viewer]
        for name in sorted(names.keys() | agreed.keys()):
            fact = {"t": taken["t"], "name": name, "seen from": viewer, "pid": names.get(name)}
            if names.get(name) != agreed.get(name):
                yield bad(fact, f"{min(views)} says {agreed.get(name)}")
            elif names[name] not in calm:
                yield bad(fact, "its holder is no more")
            else:
                yield fine(fact)
    holds, told = {}, Counter()
    for node in run.events:
        for event in run.events[node]:
            if run.takers[CALM].get(node, event)["t"] < event["t"]:
                break
            key = (event["by"], event.get("name"))
            if event["kind"] == "registered":
                holds[key], told[key] = event, told[key] + 1
            elif event["kind"] in ("unregister", "lost"):
                holds.pop(key, None)
            if event["kind"] == "lost":
                told[key] -= 1
                yield bad(event, "told twice") if told[key] < 0 else fine(event)
    for process in calm.values():
        name = own_name(process)
        if name and agreed.get(name) != process["pid"]:
            yield bad(process, f"it lives, and its name {name} is {agreed.get(name)}'s")
    for (pid, name), event in holds.items():
        if pid in calm and agreed.get(name) != pid:
            yield bad(event, f"it never heard that it lost the name to {agreed.get(name)}")
    for event in run.driver:
        if event["kind"] != "members":
            continue
        for viewer, members in event["seen"].items():
            for name, member in members.items():
                if member["state"] != "up" or member["life"] != event["lives"][name]:
                    yield bad({"t": event["t"], "seen from": viewer, "of": name}, str(member))
                else:
                    yield fine(event)


def own_name(process):
    """The name that such a process has for all its life; empty: none."""
    label, node = process["label"], process["node"]
    if label == "sink":
        return f"sink-{node}"
    if label.startswith("target-"):
        return label.replace("target-", f"target-{node}-")
    return label if label.startswith("txn-") else ""


def i8_restarts(run):
    """No supervisor gives up: nothing here fails so often, and to lose a name is no failure."""
    for (node, _), lines in run.watchers.items():
        for what, name, pid, gave_up in lines:
            if gave_up:
                yield bad({"node": node}, "a supervisor gave up")
    for event in run.of["start"]:
        yield fine(event)


def i9_orphans(run):
    """What a process has started on another node never outlives it; nothing is left at the end."""
    calm = run.census[CALM]
    for process in calm.values():
        if process["label"] == "guest":
            if any(other in calm for other in process["links"].split()):
                yield fine(process)
            else:
                yield bad(process, "an orphan")
    for event in run.of["start"]:
        if event["what"] == "guest" and event["by"] not in run.census[DRAINED]:
            yield fine(event)
    for process in run.census[DRAINED].values():
        if process["label"] == "guest":
            yield bad(process, "it outlived its parent's word that it ends")
    for event in run.driver:
        if event["kind"] == "ended":
            yield bad(event, "a node that ended by itself, or not in good order")


def i10_memory(run):
    """Who has a peer that takes nothing needs no more memory than its budget for each peer."""
    base, flooded, grown = {}, [], 0
    for event in run.driver:
        if event["kind"] == "start":
            base.pop(event["node"], None)
        elif event["kind"] == "flood":
            flooded.append(event)
        elif event["kind"] == "memory":
            for node, size in event["bytes"].items():
                first = base.setdefault(node, size)
                grown = max(grown, size - first)
                limit = first + BUDGET * PEERS + 128 * MIB
                if size > limit:
                    yield bad({"t": event["t"], "node": node, "bytes": size, "limit": limit},
                              "too much memory")
                elif flooded:
                    yield fine(event)
    if flooded and grown < 32 * MIB:
        yield bad(flooded[0], f"no flood arrived: no node grew by more than {grown} bytes")


def i11_paused(run):
    """A node that was stopped, and nothing else, removes nobody, and comes back by itself as it
    was; when others had removed it, with a higher incarnation."""
    for event in run.driver:
        if event["kind"] != "paused_alone":
            continue
        before, after, node = event["before"], event["after"], event["node"]
        removed = {n: after[n]["removed"] - before[n]["removed"] for n in after}
        if removed[node] != 0:
            yield bad(event, "it removed others")
        elif after[node]["life"] != before[node]["life"]:
            yield bad(event, "it came back with another life")
        elif sum(removed.values()) and after[node]["incarnation"] <= before[node]["incarnation"]:
            yield bad(event, "it was removed, and came back with no higher incarnation")
        else:
            yield fine(event)


CHECKERS = {
    "I1": i1_monitors, "I2": i2_links, "I3": i3_order, "I4": i4_lives, "I5": i5_calls,
    "I6": i6_agreement, "I8": i8_restarts, "I9": i9_orphans, "I10": i10_memory, "I11": i11_paused,
}


def still_open(run):
    """What the drain has not brought to its end yet; for who waits for it. Needs no census. Targets
    and guests end in the drain, also those that have not said so yet."""
    gone = {e["by"] for e in run.of["end"]}
    done = {(e["by"], e["ref"]) for kind in ("down", "demonitor") for e in run.of[kind]}
    monitors = [e for e in run.of["monitor"] if (e["by"], e["ref"]) not in done]
    left = Counter((e["by"], e["pid"]) for e in run.of["link"])
    left.subtract(Counter((e["by"], e["from"]) for e in run.of["exit"]))
    unlinked = {(e["by"], e["pid"]) for e in run.of["unlink"]}
    links = [{"by": by, "pid": pid} for (by, pid), n in left.items()
             if n > 0 and (by, pid) not in unlinked]
    returned = {e["id"] for e in run.of["return"]}
    calls = [e for e in run.of["call"] if e["id"] not in returned]
    ending = {e["by"] for e in run.of["start"] if e["what"] in ("target", "guest")}
    return [e for e in monitors + links + calls if not run.over(e["by"]) and e["by"] not in gone
            and (run.over(e["pid"]) or e["pid"] in ending)]


def check(run, whole=True):
    """{checker: findings}; of a whole run, one that had nothing to look at has a finding that says
    so."""
    found = {}
    for name, checker in CHECKERS.items():
        found[name] = list(checker(run))
        if whole and all(finding.wrong for finding in found[name]):
            found[name].append(Finding(0, "nothing was seen that it could have judged"))
    return found
