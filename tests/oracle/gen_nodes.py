# SPDX-License-Identifier: Apache-2.0
"""The generator's level 5: nodes. Its servers are those of level 2."""
from gen_signals import SignalGen


class NodeGen(SignalGen):
    """Emits what happens to nodes and between them, and keeps a model of who is connected."""

    def level5(self):
        self.up = ["n1", "n2", "n3"][:self.r.randint(2, 3)]
        self.down_nodes = []
        self.watching = set()
        self.split = None     # a disconnected pair of nodes
        self.left += len(self.up)
        for n in self.up:
            self.emit("node", n)
        for n in self.up:
            self.spawn_on(n)
            self.spawn_on(n)
        while self.left > 0:
            free = self.free()
            if len(free) < 3:
                self.spawn_on(self.r.choice(self.up))
                continue
            self.r.choices([self.cross, self.batch5, self.node_op, self.name_op, self.call5],
                           [50, 8, 14, 20, 16])[0](self.r.choice(free))

    def spawn_on(self, n):
        p, trap = self.fresh("p"), self.chance(0.5)
        opt = (["trap"] if trap else []) + ["on", n]
        self.node_of[p] = n
        free = [a for a in self.free() if {self.node_of[a], n} != self.split] if self.actors else []
        self.add(p, trap)
        if free and self.chance(0.4):
            a = self.r.choice(free)
            if self.chance(0.6):
                self.emit("spawn_link", a, p, *opt)
                self.join(a, p)
            else:
                self.emit("spawn_monitor", a, p, self.fresh("m"), *opt)
        else:
            self.emit("spawn", p, *opt)

    def cross(self, a):
        if self.chance(0.12):
            n = self.r.choice(self.up)
            fun = self.r.choice(["ret:x", "raise:x", "exit:r", "throw:t", "signal:kill"])
            if fun == "signal:kill" and n == self.node_of[a]:
                fun = "ret:x"
            self.emit("erpc", a, n, fun)
        elif self.chance(0.12):
            self.emit(self.r.choice(["alive", "links", "monitors", "monitored_by"]), self.pick())
        else:
            self.actor_op(a)

    def batch5(self, a):
        if self.split is None:
            self.batch()

    def node_dies(self, n):
        for a in [a for a in self.alive() if self.node_of[a] == n]:
            self.actors[a]["alive"] = False
            if a in self.servers:
                self.blocked -= set(self.servers[a]["waiting"])
                self.servers[a]["waiting"] = []
            for pair in [p for p in self.links if a in p]:
                self.links.discard(pair)
                for b in pair - {a}:
                    if not self.actors[b]["trap"] and self.node_of[b] != n:
                        self.die(b, "noconnection")
        self.regs = {k: o for k, o in self.regs.items() if self.node_of[o] != n}

    def node_op(self, a):
        if self.split:
            n, m = sorted(self.split)
            if self.chance(0.5):
                self.emit("reconnect", n, m)
                self.split = None
            return
        if self.down_nodes and self.chance(0.5):
            n = self.down_nodes.pop()
            self.emit("restart_node", n)
            self.up.append(n)
            self.spawn_on(n)
            return
        kind = self.r.choice(["kill_node", "stop_node", "disconnect", "disconnect", "nodes", "watch"])
        if kind == "nodes":
            self.emit("nodes", self.r.choice(self.up))
        elif kind == "watch":
            if a not in self.watching:
                self.watching.add(a)
                self.emit("monitor_nodes", a, "on")
        elif kind == "disconnect":
            n, m = self.r.sample(self.up, 2)
            self.emit("disconnect", n, m)
            self.split = {n, m}
            cut = [p for p in self.links if {self.node_of[x] for x in p} == self.split]
            for pair in cut:
                self.links.discard(pair)
            for pair in cut:
                for x in sorted(pair):
                    if not self.actors[x]["trap"]:
                        self.die(x, "noconnection")
            for s in self.servers:
                # callers across the cut are unblocked, but may still be in the queue
                self.servers[s]["waiting"] = [w for w in self.servers[s]["waiting"]
                                              if {self.node_of[w], self.node_of[s]} != self.split]
        elif len(self.up) > 2 or (len(self.up) == 2 and self.chance(0.4)):
            n = self.r.choice(self.up)
            self.emit(kind, n)
            self.up.remove(n)
            self.down_nodes.append(n)
            self.node_dies(n)
            if len(self.up) == 1:
                self.emit("restart_node", n)
                self.up.append(self.down_nodes.pop())
                self.spawn_on(n)

    def name_op(self, a):
        n = self.r.choice(self.up)
        kind = self.r.choice(["register", "whereis", "pg_join", "pg_join", "pg_leave", "pg_members",
                              "pg_members", "pg_local", "global_register", "global_register",
                              "global_whereis", "global_unregister", "global_send"])
        if kind == "register":
            name = self.fresh("name")
            self.emit("register", name, a)
            if a not in self.regs.values():
                self.regs[name] = a
        elif kind == "whereis":
            self.emit("whereis", self.r.choice(list(self.regs) + ["nobody"]), n)
        elif kind.startswith("pg"):
            g = self.r.choice(["grp1", "grp2"])
            if kind in ("pg_members", "pg_local"):
                self.emit(kind, g, n)
            else:
                self.emit(kind, a, g)
        elif self.split is None:
            g = self.r.choice(["glob1", "glob2"])
            if kind == "global_register":
                self.emit(kind, a, g)
            elif kind in ("global_whereis", "global_unregister"):
                self.emit(kind, g, n)
            else:
                self.emit("send", a, "%" + g, "via_global")

    def call5(self, a):
        live = self.live_servers()
        if not live or self.chance(0.2):
            s = self.fresh("s")
            trap = self.chance(0.5)
            linked = self.chance(0.5)
            n = self.node_of[a] if linked else self.r.choice(self.up)
            head = ["gs_start_link", a] if linked else ["gs_start"]
            self.emit(*head, s, "ok", *(["trap"] if trap else []), *([] if linked else [n]))
            self.node_of[s] = n
            self.add(s, trap)
            self.servers[s] = {"waiting": [], "suspended": False, "parent": a if linked else None}
            if linked:
                self.join(a, s)
            return
        s = self.r.choice(live) if self.chance(0.85) else self.r.choice(list(self.servers))
        cut = {self.node_of[a], self.node_of[s]} == self.split
        alive = self.actors[s]["alive"]
        cmd = self.r.choice(["echo:x", "echo:x", "defer", "stop:bad:x", "raise:x", "release", "noname"])
        if cmd == "noname":
            self.emit("call", a, f"@nobody/{self.r.choice(['n1', 'n2', 'n3'])}", "echo:x")
        elif cmd == "release":
            self.emit("cast", a, s, "release:r")
            if alive and not cut and self.servers[s]["waiting"]:
                self.blocked.discard(self.servers[s]["waiting"].pop(0))
        else:
            self.emit("call", a, s, cmd)
            if alive and not cut:
                if cmd == "defer":
                    self.blocked.add(a)
                    self.servers[s]["waiting"].append(a)
                elif cmd != "echo:x":
                    self.die(s, "bad")
