#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No checker finds anything in a sound history; each finds every way to doctor it."""
import copy
import unittest

import checkers
from history import Run

A, B = "a:a1", "b:b1"  # nodes in their first lives; a process is A + ":1.1"
WEAVER, CALLER, STREAMER = A + ":1.1", A + ":2.1", A + ":3.1"
TARGET, SINK, GUEST, HOLDER = B + ":1.1", B + ":2.1", B + ":3.1", B + ":4.1"
RIVAL = A + ":5.1"
NAMES = (("prize", HOLDER), ("sink-b", SINK), ("target-b-1", TARGET))
MIB = checkers.MIB


def event(t, kind, by, **fields):
    return {"t": t, "node": by.split(":")[0], "kind": kind, "by": by, **fields}


def process(t, census, pid, label, links="", monitors="", monitored_by=""):
    return event(t, "process", pid, census=census, pid=pid, label=label, links=links,
                 monitors=monitors, monitored_by=monitored_by)


def sound():
    """Two nodes: links, monitors, calls, a row of messages, a name that two had; then the drain."""
    a = [
        event(1, "start", WEAVER, what="weaver"),
        event(1, "monitor", WEAVER, ref="r1", pid=TARGET),
        event(1, "monitor", WEAVER, ref="r2", pid=TARGET),
        event(1, "link", WEAVER, pid=TARGET),
        event(1, "link", WEAVER, pid=GUEST),
        event(2, "demonitor", WEAVER, ref="r2"),
        event(2, "call", CALLER, id="c1", pid=TARGET, forever="0"),
        event(2, "return", CALLER, id="c1", how=f"reply c1 {TARGET}"),
        event(2, "call", CALLER, id="c2", pid=TARGET, forever="1"),
        event(2, "monitor", STREAMER, ref="row", pid=SINK),
        event(3, "registered", RIVAL, name="prize"),
        event(4, "lost", RIVAL, name="prize", reason="name_conflict"),
        event(5, "sent", STREAMER, row="row", count="3"),
        process(6, "1", WEAVER, "weaver-1", links=f"{TARGET} {GUEST}", monitors=TARGET),
        process(6, "1", CALLER, "caller-1"),
        process(6, "1", STREAMER, "streamer", monitors=SINK),
        process(6, "1", RIVAL, "contender-1"),
        *(event(6, "name", A + ":9.1", census="1", name=name, pid=pid) for name, pid in NAMES),
        event(6, "census", A + ":9.1", census="1"),
        event(7, "return", CALLER, id="c2", how="exit shutdown"),
        event(7, "down", WEAVER, ref="r1", pid=TARGET, reason="shutdown"),
        event(7, "exit", WEAVER, **{"from": TARGET}, reason="shutdown"),
        event(7, "exit", WEAVER, **{"from": GUEST}, reason="shutdown"),
        process(8, "2", WEAVER, "weaver-1"),
        process(8, "2", CALLER, "caller-1"),
        process(8, "2", STREAMER, "streamer", monitors=SINK),
        process(8, "2", RIVAL, "contender-1"),
        event(8, "census", A + ":9.1", census="2"),
    ]
    b = [
        event(1, "start", TARGET, what="target"),
        event(1, "start", GUEST, what="guest"),
        event(1, "start", HOLDER, what="contender"),
        event(2, "registered", HOLDER, name="prize"),
        *(event(3, "got", SINK, **{"from": STREAMER}, to=SINK, row="row", number=str(n))
          for n in range(3)),
        process(6, "1", TARGET, "target-1", links=WEAVER, monitored_by=WEAVER),
        process(6, "1", SINK, "sink", monitored_by=STREAMER),
        process(6, "1", GUEST, "guest", links=WEAVER),
        process(6, "1", HOLDER, "contender-1"),
        *(event(6, "name", B + ":9.1", census="1", name=name, pid=pid) for name, pid in NAMES),
        event(6, "census", B + ":9.1", census="1"),
        event(7, "end", TARGET, reason="shutdown"),
        process(8, "2", SINK, "sink", monitored_by=STREAMER),
        process(8, "2", HOLDER, "contender-1"),
        event(8, "census", B + ":9.1", census="2"),
    ]
    up = {"life": "a1", "state": "up", "incarnation": 0}
    alone = {"life": "a1", "incarnation": 0, "removed": 0}
    driver = [
        {"t": 0, "kind": "start", "node": "a"},
        {"t": 1, "kind": "memory", "bytes": {"a": 20 * MIB}},
        {"t": 2, "kind": "flood", "node": "b"},
        {"t": 3, "kind": "memory", "bytes": {"a": 80 * MIB}},
        {"t": 5, "kind": "members", "lives": {"a": "a1"}, "seen": {"a": {"a": up}}},
        {"t": 5, "kind": "paused_alone", "node": "a", "before": {"a": alone, "b": alone},
         "after": {"a": {**alone, "incarnation": 1}, "b": {**alone, "removed": 1}}},
    ]
    watchers = {("a", 1): [("MONITOR", "txn-b-1", TARGET, ""), ("DOWN", "txn-b-1", TARGET, "")]}
    return {"a": a, "b": b}, driver, watchers


class Drain(unittest.TestCase):
    def still_open(self, kept=lambda event: True):
        events = {node: [e for e in all_ if kept(e)] for node, all_ in sound()[0].items()}
        return {(e["by"], e["pid"]) for e in checkers.still_open(Run(events))}

    def test_is_over_when_all_has_ended(self):
        self.assertEqual(self.still_open(), set())

    def test_waits_for_what_has_not_been_heard(self):
        self.assertEqual(self.still_open(lambda e: e["kind"] != "exit"),
                         {(WEAVER, TARGET), (WEAVER, GUEST)})

    def test_waits_for_a_target_that_has_not_ended_yet(self):
        self.assertEqual(self.still_open(lambda e: e["t"] < 7),
                         {(WEAVER, TARGET), (WEAVER, GUEST), (CALLER, TARGET)})


class Checkers(unittest.TestCase):
    def setUp(self):
        self.events, self.driver, self.watchers = copy.deepcopy(sound())

    def violations(self):
        found = checkers.check(Run(self.events, self.driver, self.watchers))
        return {name: [f.wrong for f in findings if f.wrong] for name, findings in found.items()
                if any(f.wrong for f in findings)}

    def at(self, node, kind, **fields):
        """The first such event's index."""
        return next(i for i, e in enumerate(self.events[node])
                    if e["kind"] == kind and all(e[k] == v for k, v in fields.items()))

    def remove(self, node, kind, **fields):
        del self.events[node][self.at(node, kind, **fields)]

    def repeat(self, node, kind, **fields):
        at = self.at(node, kind, **fields)
        self.events[node].insert(at + 1, self.events[node][at])

    def change(self, node, kind, new, **fields):
        self.events[node][self.at(node, kind, **fields)].update(new)

    def found(self, checker, words):
        violations = self.violations()
        self.assertIn(checker, violations)
        self.assertTrue(any(words in text for text in violations[checker]), violations[checker])

    def test_nothing_is_found_in_a_sound_history(self):
        self.assertEqual(self.violations(), {})

    def test_a_checker_that_has_seen_nothing_has_failed(self):
        self.events, self.driver, self.watchers = {}, [], {}
        self.assertEqual(set(self.violations()), set(checkers.CHECKERS))

    def test_i1_finds_a_down_that_never_came(self):
        self.remove("a", "down", ref="r1")
        self.found("I1", "never came")

    def test_i1_finds_a_second_down(self):
        self.repeat("a", "down", ref="r1")
        self.found("I1", "a second DOWN")

    def test_i1_finds_a_down_after_demonitor(self):
        self.events["a"].insert(
            -1, event(7, "down", WEAVER, ref="r2", pid=TARGET, reason="shutdown"))
        self.found("I1", "after demonitor")

    def test_i1_finds_a_reason_that_is_none(self):
        self.change("a", "down", {"reason": "tired"}, ref="r1")
        self.found("I1", "did not end with")

    def test_i1_finds_noproc_of_the_living(self):
        self.change("a", "monitor", {"pid": SINK}, ref="r1")
        self.change("a", "down", {"pid": SINK, "reason": "noproc"}, ref="r1")
        self.found("I1", "noproc of a process that lives")

    def test_i1_finds_half_a_monitor(self):
        self.change("b", "process", {"monitored_by": ""}, census="1", pid=TARGET)
        self.found("I1", "half a monitor")
        self.change("b", "process", {"monitored_by": f"{WEAVER} {RIVAL}"}, census="1", pid=TARGET)
        self.found("I1", f"half a monitor: {RIVAL}")

    def test_i1_knows_that_a_call_is_a_monitor(self):
        self.change("b", "process", {"monitored_by": f"{WEAVER} {CALLER}"}, census="1", pid=TARGET)
        self.assertEqual(self.violations(), {})
        self.remove("a", "call", id="c2")
        self.found("I1", f"half a monitor: {CALLER}")

    def test_i1_finds_what_the_trackers_watchers_were_told_twice(self):
        self.watchers["a", 1].append(self.watchers["a", 1][1])
        self.found("I1", "a second DOWN at a watcher")

    def test_i1_finds_a_watcher_that_forgot(self):
        monitor = self.watchers["a", 1][0]
        self.watchers["a", 1].insert(0, monitor)
        self.found("I1", "without a DOWN")
        self.watchers["a", 1].insert(1, ("", "", "", "gives up"))
        self.assertNotIn("I1", self.violations())

    def test_i2_finds_an_exit_that_never_came(self):
        self.remove("a", "exit", **{"from": TARGET})
        self.found("I2", "never came")

    def test_i2_finds_a_second_exit(self):
        self.repeat("a", "exit", **{"from": TARGET})
        self.found("I2", "a second EXIT")

    def test_i2_finds_an_exit_of_no_link_at_the_other_end(self):
        for _ in range(2):
            self.events["b"].insert(3, event(3, "exit", TARGET, **{"from": WEAVER}, reason="tired"))
        self.found("I2", "more EXITs than links")

    def test_i2_finds_half_a_link(self):
        self.change("b", "process", {"links": ""}, census="1", pid=TARGET)
        self.found("I2", "half a link")

    def test_i2_finds_a_link_to_the_dead(self):
        self.remove("b", "process", census="1", pid=TARGET)
        self.found("I2", "which is no more")

    def test_i3_finds_a_hole(self):
        self.remove("b", "got", number="1")
        self.found("I3", "are missing")

    def test_i3_finds_what_came_twice(self):
        self.repeat("b", "got", number="1")
        self.found("I3", "again")

    def test_i3_finds_what_changed_places(self):
        at = self.at("b", "got", number="1")
        got = self.events["b"]
        got[at], got[at + 1] = got[at + 1], got[at]
        self.found("I3", "after a later one")

    def test_i3_finds_a_last_part_missing_without_a_lost_session(self):
        self.remove("b", "got", number="2")
        self.found("I3", "2 messages arrived")

    def test_i3_finds_more_than_was_sent(self):
        self.change("a", "sent", {"count": "2"})
        self.found("I3", "3 messages arrived")

    def test_i3_lets_a_lost_session_take_a_last_part(self):
        self.remove("b", "got", number="2")
        self.events["a"].insert(
            -1, event(7, "down", STREAMER, ref="row", pid=SINK, reason="noconnection"))
        self.assertEqual(self.violations(), {})

    def test_i4_finds_a_message_of_a_former_life(self):
        at = self.at("b", "got", number="2")
        new = dict(self.events["b"][at], row="row2", number="0")
        new["from"] = "a:a2:3.1"
        self.events["b"].insert(at, new)
        self.found("I4", "from a former life")

    def test_i4_finds_a_message_for_another(self):
        self.change("b", "got", {"to": TARGET}, number="2")
        self.found("I4", "for another process")

    def test_i4_finds_a_name_of_a_former_life(self):
        self.change("a", "name", {"pid": "b:a9:4.1"}, census="1")
        self.found("I4", "a name of a former life")

    def test_i5_finds_a_call_that_hangs(self):
        self.remove("a", "return", id="c2")
        self.found("I5", "never returned")

    def test_i5_finds_a_second_return(self):
        self.repeat("a", "return", id="c1")
        self.found("I5", "a second one")

    def test_i5_finds_an_answer_to_another_call(self):
        self.change("a", "return", {"how": f"reply c7 {TARGET}"}, id="c1")
        self.found("I5", "an answer to another call")

    def test_i5_finds_a_timeout_of_a_call_without_one(self):
        self.change("a", "return", {"how": "exit timeout"}, id="c2")
        self.found("I5", "a timeout")

    def test_i6_finds_a_name_with_two_holders(self):
        self.change("a", "name", {"pid": RIVAL}, census="1")
        self.found("I6", "says")

    def test_i6_finds_a_name_that_one_does_not_know(self):
        self.remove("b", "name", census="1")
        self.found("I6", "says")

    def test_i6_finds_a_holder_that_is_dead(self):
        for node in "ab":
            self.change(node, "name", {"pid": B + ":8.1"}, census="1")
        self.found("I6", "is no more")

    def test_i6_finds_a_loser_that_was_never_told(self):
        self.remove("a", "lost")
        self.found("I6", "never heard")

    def test_i6_finds_a_loser_that_was_told_twice(self):
        self.repeat("a", "lost")
        self.found("I6", "told twice")

    def test_i6_finds_a_living_holder_without_its_name(self):
        for node in "ab":
            self.remove(node, "name", name="prize")
        self.found("I6", "never heard")
        for node in "ab":
            self.remove(node, "name", name="target-b-1")
        self.found("I6", "it lives, and its name")

    def test_i6_finds_a_member_that_is_not_up(self):
        self.driver[4]["seen"]["a"]["a"]["state"] = "suspect"
        self.found("I6", "suspect")

    def test_i6_finds_a_member_of_another_life(self):
        self.driver[4]["seen"]["a"]["a"]["life"] = "a0"
        self.found("I6", "a0")

    def test_i8_finds_a_supervisor_that_gave_up(self):
        self.watchers["a", 1].append(("", "", "", "gives up"))
        self.found("I8", "gave up")

    def test_i9_finds_an_orphan(self):
        self.change("b", "process", {"links": ""}, census="1", pid=GUEST)
        self.found("I9", "an orphan")

    def test_i9_finds_a_guest_that_stayed(self):
        self.events["b"].insert(-1, process(8, "2", GUEST, "guest", links=WEAVER))
        self.found("I9", "outlived")

    def test_i9_finds_a_node_that_ended_by_itself(self):
        self.driver.append({"t": 9, "kind": "ended", "node": "a", "code": -6})
        self.found("I9", "ended by itself")

    def test_i10_finds_too_much_memory(self):
        self.driver[3]["bytes"]["a"] = 500 * MIB
        self.found("I10", "too much memory")

    def test_i10_finds_a_flood_that_was_none(self):
        self.driver[3]["bytes"]["a"] = 21 * MIB
        self.found("I10", "no flood arrived")

    def test_i11_finds_a_paused_node_that_removed_others(self):
        self.driver[5]["after"]["a"]["removed"] = 1
        self.found("I11", "removed others")

    def test_i11_finds_a_paused_node_with_another_life(self):
        self.driver[5]["after"]["a"]["life"] = "a2"
        self.found("I11", "another life")

    def test_i11_finds_an_incarnation_that_did_not_grow(self):
        self.driver[5]["after"]["a"]["incarnation"] = 0
        self.found("I11", "no higher incarnation")


if __name__ == "__main__":
    unittest.main()
