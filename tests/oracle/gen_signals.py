# SPDX-License-Identifier: Apache-2.0
"""The generator's model of a script's world, and level 1: signals, timers, names."""
REASONS = ["normal", "shutdown", "shutdown(x)", "boom", "kill", "killed", "noproc", "r1(2,z)"]
LONG = 600000  # ms; a timer that never fires within a script


class SignalGen:
    """Emits ops and keeps a rough model of who is alive and who may be linked to whom."""

    def __init__(self, rng, ops):
        self.r = rng
        self.left = ops
        self.out = []
        self.actors = {}      # name -> {"trap", "alive"}; plain actors
        self.links = set()    # frozenset pairs, as far as we know
        self.group = {}       # name -> set of names it may ever have been linked with
        self.regs = {}        # registered name -> owner
        self.monitors = {}    # actor -> labels
        self.timers = []
        self.n = {}           # counters for fresh names
        self.servers = {}     # level 2: name -> {"waiting", "suspended", "parent"}
        self.blocked = set()  # actors that may be inside a call
        self.node_of = {}     # level 5: actor -> node

    # -- helpers ---------------------------------------------------------------
    def emit(self, *toks):
        self.out.append(" ".join(str(t) for t in toks))
        self.left -= 1

    def fresh(self, prefix):
        self.n[prefix] = self.n.get(prefix, 0) + 1
        return f"{prefix}{self.n[prefix]}"

    def alive(self):
        return [a for a, s in self.actors.items() if s["alive"]]

    def pick(self):
        """An actor, usually a live one."""
        live = self.alive()
        if live and self.r.random() < 0.93:
            return self.r.choice(live)
        return self.r.choice(list(self.actors))

    def chance(self, p):
        return self.r.random() < p

    # -- the model ---------------------------------------------------------------
    def add(self, name, trap):
        self.actors[name] = {"trap": trap, "alive": True}
        self.group[name] = {name}

    def join(self, a, b):
        self.links.add(frozenset((a, b)))
        both = self.group[a] | self.group[b]
        for m in both:
            self.group[m] = both

    def die(self, a, reason):
        """a exits with reason; follow the links."""
        if not self.actors[a]["alive"]:
            return
        self.actors[a]["alive"] = False
        for n in [n for n, o in self.regs.items() if o == a]:
            del self.regs[n]
        for pair in [p for p in self.links if a in p]:
            self.links.discard(pair)
            for b in pair - {a}:
                if reason != "normal" and not self.actors[b]["trap"]:
                    self.die(b, reason)
        # a dead server unblocks its callers, a dead parent ends its servers
        servers = self.servers
        for s in [s for s in servers if servers[s]["parent"] == a]:
            if reason != "normal" or self.actors[s]["trap"]:
                self.die(s, reason)
        if a in servers:
            self.blocked -= set(servers[a]["waiting"]) | set(servers[a].pop("held", []))
            servers[a]["waiting"] = []

    def signal(self, a, b, reason):
        if reason == "kill":
            self.die(b, "killed")
        elif not self.actors[b]["trap"] and (reason != "normal" or a == b):
            self.die(b, reason)

    # -- level 1 -------------------------------------------------------------------
    def spawn(self):
        p, trap = self.fresh("p"), self.chance(0.4)
        opt = ["trap"] if trap else []
        a = self.pick() if self.actors and self.chance(0.6) else None
        if a is None or not self.actors[a]["alive"]:
            self.emit("spawn", p, *opt)
        elif self.chance(0.6):
            self.emit("spawn_link", a, p, *opt)
            self.add(p, trap)
            self.join(a, p)
            return
        else:
            m = self.fresh("m")
            self.monitors.setdefault(a, []).append(m)
            self.emit("spawn_monitor", a, p, m, *opt)
        self.add(p, trap)

    def target(self, safe):
        if safe and self.regs and self.chance(0.15):
            name = self.r.choice(list(self.regs) + ["nobody"])
            if not self.node_of:
                return "@" + name
            node = self.node_of[self.regs[name]] if name in self.regs else self.r.choice(self.up)
            return f"@{name}/{node}"
        return self.pick()

    def actor_op(self, a, batch=None):
        """One op executed by a. batch: None, or {"hit": {...}} while a is paused.

        Returns False when the op must be the last one of the batch.
        """
        kind = self.r.choices(
            ["link", "unlink", "monitor", "demonitor", "exit", "quit", "trap", "send",
             "burst", "timer", "cancel"],
            [14, 7, 12, 10, 12, 4, 4, 14, 5] + ([0, 0] if self.node_of else [6, 3]))[0]
        hit = batch["hit"] if batch is not None else {}
        b = self.pick()
        loose = any(b in self.group[t] and b != t for t in hit)

        if kind == "link":
            # a failing link to a remote process ends a before its next op, or after
            if batch is not None and self.node_of:
                return True
            if any(b in self.group[t] for t in hit):
                return True
            self.emit("link", a, b)
            if self.actors[b]["alive"] and a != b:
                self.join(a, b)
        elif kind == "unlink":
            if any(b in self.group[t] for t in hit):
                return True
            self.emit("unlink", a, b)
            self.links.discard(frozenset((a, b)))
        elif kind == "monitor":
            if loose:
                return True
            m = self.fresh("m")
            self.emit("monitor", a, self.target(not hit) if not hit else b, m)
            self.monitors.setdefault(a, []).append(m)
            if batch is not None:
                batch["monitors"].append(m)
        elif kind == "demonitor":
            if self.monitors.get(a):
                m = self.r.choice(self.monitors[a])
                opts = self.r.choice([[], ["flush"], ["flush"], ["info"], ["flush", "info"]])
                # whether a DOWN caused within this batch is there already is a
                # race that only flush hides
                if hit or (batch is not None and m in batch["monitors"]):
                    opts = ["flush"]
                self.emit("demonitor", a, m, *opts)
        elif kind == "exit":
            if loose:
                return True
            reason = self.r.choice(REASONS)
            self.emit("exit", a, b, reason)
            own = a in self.group[b]
            self.signal(a, b, reason)
            hit[b] = True
            return not own
        elif kind == "quit":
            if batch is None and self.chance(0.5):
                return True
            reason = self.r.choice(REASONS)
            how = self.r.random()
            if how < 0.7:
                self.emit("quit", a, reason)
            elif how < 0.85:
                self.emit("raise", a, "oops")
                reason = "error"
            else:
                self.emit("return", a)
                reason = "normal"
            self.die(a, reason)
            return False
        elif kind == "trap":
            on = self.chance(0.6)
            self.emit("trap", a, "on" if on else "off")
            self.actors[a]["trap"] = on
        elif kind == "send":
            self.emit("send", a, self.target(not hit), self.r.choice(["x", "y", "t(1,z)", 7]))
        elif kind == "burst":
            self.emit("burst", a, b, self.r.choice([1, 2, 30]))
        elif kind == "timer":
            label = self.fresh("t")
            if batch is not None and not hit and self.chance(0.5):
                self.emit("send_after", a, b, 900, "tick", label)
                self.emit("cancel", a, label)
            else:
                self.emit("send_after", a, b, self.r.choice([0, 5, 20, LONG]), "tick", label)
            self.timers.append(label)
        elif kind == "cancel":
            # in a batch after a deadly op the timer's target may be dying
            if self.timers and not hit:
                self.emit("cancel", a, self.r.choice(self.timers))
        return True

    def batch(self):
        """pause a; things happen; ops queue up; resume a runs them back to back."""
        a = self.r.choice(self.free())
        self.emit("pause", a)
        for _ in range(self.r.randint(0, 3)):
            others = [x for x in self.free() if x != a]
            if others:
                x = self.r.choice(others)
                if self.chance(0.3):
                    self.emit("send", x, a, "while_paused")
                elif self.chance(0.4):
                    self.emit("quit", x, "gone")
                    self.die(x, "gone")
                else:
                    self.actor_op(x)
        state = {"hit": {}, "monitors": []}
        for _ in range(self.r.randint(1, 5)):
            if not self.actor_op(a, state):
                break
        self.emit("resume", a)

    def query(self):
        kind = self.r.choice(["alive", "links", "monitors", "monitored_by"])
        self.emit(kind, self.pick())

    def registry_op(self):
        name = self.r.choice(["reg1", "reg2", "reg3"])
        kind = self.r.choice(["register", "register", "unregister", "whereis"])
        if kind == "register":
            p = self.pick()
            self.emit("register", name, p)
            if self.actors[p]["alive"] and name not in self.regs and p not in self.regs.values():
                self.regs[name] = p
        else:
            self.emit(kind, name)
            if kind == "unregister":
                self.regs.pop(name, None)

    def level1(self):
        for _ in range(3):
            self.spawn()
        while self.left > 0:
            if len(self.alive()) < 3:
                self.spawn()
                continue
            what = self.r.choices(
                [self.spawn, lambda: self.actor_op(self.pick()), self.batch, self.query,
                 self.registry_op], [8, 60, 10, 12, 8])[0]
            what()
