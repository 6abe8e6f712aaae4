#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A plan is made from its seed alone, and says what it says."""
import random
import unittest
from collections import Counter

import faults
import table
from faults import KINDS, NODES, OPEN, Fault, Way


class Plan(unittest.TestCase):
    def test_a_seed_is_a_plan(self):
        self.assertEqual(faults.plan(7, 300), faults.plan(7, 300))
        self.assertNotEqual(faults.plan(7, 300), faults.plan(8, 300))

    def test_a_long_plan_has_every_kind(self):
        for seed in range(20):
            kinds = Counter(f.kind for one in faults.plan(seed, 720) for f in one.faults)
            self.assertEqual(set(kinds), set(KINDS), seed)

    def test_most_nodes_are_left_standing(self):
        for seed in range(50):
            for one in faults.plan(seed, 300):
                down = [f.nodes[0] for f in one.faults if f.kind in ("kill", "stop")]
                self.assertEqual(len(down), len(set(down)))
                self.assertLessEqual(len(down), 2)

    def test_a_plan_may_leave_kinds_out(self):
        kinds = tuple(kind for kind in KINDS if KINDS[kind].containers)
        for one in faults.plan(1, 300, kinds):
            self.assertLessEqual({f.kind for f in one.faults}, set(kinds))

    def test_a_short_plan_is_short(self):
        for seed in range(50):
            rounds = faults.shortened(faults.plan(seed, 40), 6.0)
            self.assertLess(sum(one.seconds for one in rounds), 50)
            self.assertTrue(rounds[0].alone)

    def test_what_a_fault_does_to_the_network(self):
        cut = Way(cut=True)
        self.assertEqual(Fault(0, "cut", ("a", "b"), 1).ways(0), {("a", "b"): cut, ("b", "a"): cut})
        self.assertEqual(Fault(0, "one-way", ("a", "b"), 1).ways(0), {("a", "b"): Way(hole=True)})
        self.assertEqual(len(Fault(0, "isolate", ("c",), 1).ways(0)), 2 * 4)
        self.assertEqual(len(Fault(0, "split", ("c", "d"), 1).ways(0)), 2 * 2 * 3)
        self.assertEqual(Fault(0, "kill", ("c",), 1).ways(0), {})
        flap = Fault(0, "flap", ("a", "b"), 4, 0.5)
        self.assertEqual([bool(flap.ways(t)) for t in (0.2, 0.7, 1.2)], [True, False, True])

    def test_faults_on_one_way_add_up(self):
        ways = faults.Ways({Fault(0, "slow", ("a", "b"), 9, 1000): 0.0,
                            Fault(0, "slice", ("a", "b"), 9, 7): 0.0,
                            Fault(0, "slow", ("b", "a"), 9, 500): 0.0})
        self.assertEqual(ways.at(1)["b", "a"], Way(rate=500, slice=7))
        self.assertEqual(OPEN.with_(Way(hole=True)).with_(Way(delay=1.0)),
                         Way(hole=True, delay=1.0))

    def test_every_kind_can_be_drawn(self):
        dice = random.Random(1)
        for kind, one in KINDS.items():
            drawn = faults.fault(kind, dice, 0.0)
            self.assertLessEqual(set(drawn.nodes), set(NODES))
            self.assertEqual(bool(drawn.ways(0.0)), one.way is not None, kind)


class Table(unittest.TestCase):
    def counts(self):
        counts = Counter()
        for kind in KINDS:
            counts[kind, "times"] = 3
        return counts

    def page(self, backend, counts=None):
        empty = "text\n" + "\n".join(table.marks(backend)) + "\ntext\n"
        return table.written(empty, backend, counts or self.counts(), "chaos.py --seed 1")

    def test_the_tables_own_lines_are_in_order(self):
        for backend in table.BACKENDS:
            page = self.page(backend)
            self.assertEqual(list(table.problems(page, backend)), [])
            again = table.written(page, backend, self.counts(), "chaos.py --seed 1")
            self.assertEqual(again, page)

    def test_a_row_that_is_missing_wrong_or_too_much_is_found(self):
        page = self.page("processes")
        cut = next(line for line in page.splitlines() if line.startswith("| `cut`"))
        for wrong in (page.replace(cut + "\n", ""), page.replace("SIGKILL", "SIGTERM"),
                      page.replace("| I11 |", "|"), page.replace(cut, f"{cut}\n{cut}"),
                      page.replace(cut, f"{cut}\n| `made-up`: one | 1 |"), ""):
            self.assertNotEqual(list(table.problems(wrong, "processes")), [])

    def test_a_fault_that_no_run_has_shown_is_found(self):
        counts = self.counts()
        counts["slice", "times"] = 0
        self.assertEqual(len(list(table.problems(self.page("processes", counts), "processes"))), 1)


if __name__ == "__main__":
    unittest.main()
