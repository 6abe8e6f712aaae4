#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random scenario scripts for the oracle (see SPEC.md, "What the generator avoids").

    gen.py --level {1..5} --seed N --ops K  > script
"""
import argparse
import random

from gen_nodes import NodeGen
from gen_signals import LONG


class Gen(NodeGen):
    """Levels 2 to 4."""

    # -- level 3 -------------------------------------------------------------------
    CHILD = ["ok"] * 12 + ["trap"] * 8 + ["slow_stop:20", "slow", "fail_on:2", "fail_on:2",
                                          "fail_from:3", "fail_on:1", "ignore"]

    def child(self, cid, nested=None, significant=False):
        restart = self.r.choice(["permanent", "permanent", "transient", "temporary"])
        if nested:
            shutdown = self.r.choice(["infinity", "infinity", "brutal_kill"])
            behaviour = "sup=" + nested
        else:
            shutdown = self.r.choice(["5000", "infinity", "brutal_kill"])
            behaviour = self.r.choice(self.CHILD)
            if behaviour == "slow":  # outlives its shutdown time
                behaviour, shutdown = "slow_stop:400", "20"
        word = f"{cid}:{restart}:{shutdown}:{behaviour}"
        if significant and restart != "permanent" and self.chance(0.6):
            word += ":significant"
        return word

    def sup_flags(self):
        strategy = self.r.choice(["one_for_one", "one_for_one", "rest_for_one", "one_for_all"])
        return [strategy, self.r.choice([0, 1, 2, 3, 5, 8, 12]), 1000]

    def new_sup(self):
        top, tpl = self.fresh("t"), None
        self.trees[top] = ids = []
        if self.chance(0.6):
            tpl = self.fresh("tpl")
            flags = self.sup_flags()
            auto = ["auto=any_significant"] if self.chance(0.15) else []
            inner = [f"x{i}" for i in range(1, self.r.randint(1, 3) + 1)]
            self.emit("suptpl", tpl, *flags, *auto, *[self.child(c, None, auto) for c in inner])
        auto = []
        if self.chance(0.15):
            auto = [self.r.choice(["auto=any_significant", "auto=all_significant"])]
        words = []
        for c in "abcd"[:self.r.randint(1, 4)]:
            words.append(self.child(c, None, auto))
            ids.append(c)
        if tpl:
            words.insert(self.r.randint(0, len(words)), self.child("m", tpl))
            ids += ["m"] + [f"m.{c}" for c in inner]
        self.emit("sup", top, *self.sup_flags(), *auto, *words)

    def sup_op(self):
        top = list(self.trees)[-1] if self.chance(0.8) else self.r.choice(list(self.trees))
        path = top + "." + self.r.choice(self.trees[top])
        sup, cid = path.rsplit(".", 1)
        reason = self.r.choice(["normal", "shutdown", "shutdown(x)", "boom", "boom"])
        kind = self.r.choices(
            ["crash", "kill", "exit", "terminate_child", "restart_child", "delete_child",
             "start_child", "which_children", "count_children", "watch", "end"],
            [24, 8, 6, 8, 10, 6, 6, 8, 6, 4, 1])[0]
        if kind == "crash":
            if path.endswith(".m"):
                self.emit("kill", path)
            else:
                self.emit("crash", path, reason)
        elif kind == "kill":
            self.emit("kill", path)
        elif kind == "exit":
            self.emit("exit", "w", path, self.r.choice(["boom", "normal", "kill"]))
        elif kind == "watch":
            if self.chance(0.5):
                self.emit("monitor", "w", path, self.fresh("m"))
            else:
                self.emit("link", "w", path)
        elif kind in ("which_children", "count_children"):
            self.emit(kind, self.r.choice([top, sup]))
        elif kind == "start_child":
            if cid == "m" or self.chance(0.6):
                cid = self.fresh("e")
                if sup == top:
                    self.trees[top].append(cid)
            self.emit(kind, sup, self.child(cid))
        elif kind == "end":
            how = self.r.random()
            if how < 0.35:
                self.emit("sup_shutdown", top)
            elif how < 0.7:
                self.emit("sup_stop", self.r.choice([top, sup]), self.r.choice(["normal", "boom"]))
            else:
                self.emit("kill", top)
        elif kind in ("restart_child", "delete_child"):
            if self.chance(0.6):
                self.emit("terminate_child", sup, cid)
            self.emit(kind, sup, cid)
            if kind == "delete_child" and cid != "m" and self.chance(0.7):
                self.emit("start_child", sup, self.child(cid))
        else:
            self.emit(kind, sup, cid)

    def level3(self):
        self.trees = {}
        self.emit("spawn", "w", "trap")
        self.new_sup()
        since = 0
        while self.left > 0:
            since += 1
            if since > 8 and self.chance(0.35):
                self.new_sup()
                since = 0
            else:
                self.sup_op()

    # -- level 2 -------------------------------------------------------------------
    def level2(self):
        for _ in range(3):
            p, trap = self.fresh("a"), self.chance(0.6)
            self.emit("spawn", p, *(["trap"] if trap else []))
            self.add(p, trap)
        for _ in range(2):
            self.new_server()
        while self.left > 0:
            if len(self.free()) < 2:
                p = self.fresh("a")
                self.emit("spawn", p, "trap")
                self.add(p, True)
            elif not self.live_servers():
                self.new_server()
            else:
                self.server_op()

    def free(self):
        return [a for a in self.alive() if a not in self.blocked and a not in self.servers]

    def live_servers(self):
        return [s for s in self.servers if self.actors[s]["alive"]]

    def new_server(self):
        s = self.fresh("s")
        init = self.r.choices(["ok", "continue:c", "ignore", "stop:bad", "stop:normal", "raise:x",
                               "exit:out", "timeout:10"], [30, 4, 2, 3, 1, 2, 1, 2])[0]
        trap = self.chance(0.5)
        opts = ["trap"] if trap else []
        if self.chance(0.3):
            name = self.r.choice(["reg1", "reg2"])
            opts.append("name=" + name)
            if name in self.regs:
                init = "taken"
        parent = self.r.choice(self.free()) if self.free() and self.chance(0.5) else None
        head = ["gs_start_link", parent] if parent else ["gs_start"]
        self.emit(*head, s, "ok" if init == "taken" else init, *opts)
        if init.split(":")[0] in ("ok", "continue", "timeout"):
            self.add(s, trap)
            self.servers[s] = {"waiting": [], "suspended": False, "parent": parent}
            if len(opts) and opts[-1].startswith("name="):
                self.regs[opts[-1][5:]] = s
            if parent:
                self.join(parent, s)
        elif parent and init not in ("taken", "ignore", "stop:normal") \
                and not self.actors[parent]["trap"]:
            self.die(parent, "bad")

    def server_op(self):
        a = self.r.choice(self.free())
        s = self.r.choice(self.live_servers() if self.chance(0.93) else list(self.servers))
        st = self.servers[s]
        dead = not self.actors[s]["alive"]
        ready = not dead and not st["suspended"]
        to = s
        mine = [n for n, o in self.regs.items() if o == s]
        if mine and self.chance(0.4):
            to = "@" + mine[0]
        kind = self.r.choices(
            ["call", "cast", "info", "state", "suspend", "stop", "new", "level1", "send_blocked"],
            [45, 12, 8, 6, 5, 4, 9, 12, 4])[0]
        reason = self.r.choice(["normal", "shutdown", "shutdown(x)", "bad"])
        if kind == "call":
            cmd = self.r.choices(
                ["echo:x", "get", "set:v", "defer", "noreply", "late", "late_ok", "stop", "stop_noreply",
                 "continue:c", "timeout:10", f"timeout:{LONG}", "raise:x", "exit:out", "self",
                 "unknown"], [10, 4, 4, 12, 2, 1, 2, 3, 3, 4, 3, 3, 2, 2, 2, 2])[0]
            if cmd == "self":
                # only a server can call itself: it executes the op when it handles it
                if ready:
                    self.emit("call", s, s, "echo:x")
            elif cmd == "unknown":
                self.emit("call", a, "@nobody", "echo:x")
            elif dead:
                self.emit("call", a, to, "echo:x")
            elif st["suspended"]:
                if self.chance(0.5):
                    self.emit("call", a, to, "echo:x", 20)
                else:
                    self.emit("call", a, to, self.r.choice(["echo:x", "set:q", "continue:c"]))
                    self.blocked.add(a)
                    st.setdefault("held", []).append(a)
            elif cmd == "defer":
                self.emit("call", a, to, cmd)
                self.blocked.add(a)
                st["waiting"].append(a)
            elif cmd == "noreply":
                self.emit("call", a, to, cmd, 20)
            elif cmd == "late":
                self.emit("call", a, to, "late:400:x", 20)
            elif cmd == "late_ok":
                self.emit("call", a, to, "late:20:x", 5000)
            elif cmd in ("stop", "stop_noreply"):
                self.emit("call", a, to, f"stop:{reason}:x" if cmd == "stop" else f"{cmd}:{reason}")
                self.die(s, reason)
            else:
                self.emit("call", a, to, cmd)
                if cmd.split(":")[0] in ("raise", "exit"):
                    self.die(s, "bad")
        elif kind in ("cast", "info"):
            if ready:
                cmd = self.r.choices(["echo:x", "release:r", "set:v", "continue:c", "timeout:10",
                                      "stop", "raise:x", "exit:out"], [6, 14, 3, 3, 2, 2, 2, 1])[0]
                self.emit(kind, a, to, f"stop:{reason}" if cmd == "stop" else cmd)
                if cmd == "release:r" and st["waiting"]:
                    self.blocked.discard(st["waiting"].pop(0))
                elif cmd in ("stop", "raise:x", "exit:out"):
                    self.die(s, "bad" if cmd != "stop" else reason)
            else:
                self.emit(kind, a, s, "echo:x")
        elif kind == "state":
            if self.chance(0.5):
                self.emit("get_state", s)
            else:
                self.emit("replace_state", s, self.r.choice(["v1", "v2"]))
        elif kind == "suspend":
            if not dead:
                if st["suspended"]:
                    self.emit("unsuspend", s)
                    self.blocked -= set(st.pop("held", []))
                else:
                    self.emit("suspend", s)
                st["suspended"] = not st["suspended"]
        elif kind == "stop":
            self.emit("gs_stop", a, to, reason)
            self.die(s, reason)
        elif kind == "new":
            self.new_server()
        elif kind == "level1":
            what = self.r.choice(["exit", "monitor", "link", "unlink", "quit", "trap", "send", "alive"])
            if what == "exit":
                r = self.r.choice(["boom", "normal", "kill", "shutdown"])
                self.emit("exit", a, s, r)
                if st.get("parent") == a and r != "kill":
                    self.die(s, r)
                else:
                    self.signal(a, s, r)
            elif what == "monitor":
                self.emit("monitor", a, to, self.fresh("m"))
            elif what == "link":
                self.emit("link", a, s)
                if not dead:
                    self.join(a, s)
            elif what == "unlink":
                self.emit("unlink", a, s)
            elif what == "quit":
                r = self.r.choice(["boom", "normal"])
                self.emit("quit", a, r)
                self.die(a, r)
            elif what == "trap":
                self.emit("trap", a, "on")
                self.actors[a]["trap"] = True
            elif what == "send":
                self.emit("send", a, s, "hello")
            else:
                self.emit("alive", s)
        elif kind == "send_blocked":
            b = [x for x in self.blocked if self.actors[x]["alive"] and self.actors[x]["trap"]]
            if b:
                self.emit("send", self.r.choice(sorted(b)), a, "late_send")

    # -- level 4 -------------------------------------------------------------------
    def level4(self):
        self.blocked = {}     # owner -> the task it awaits
        self.tasks = {}       # label -> {"owner", "state"}
        self.dyns = {}
        self.emit("registry", "u", "unique")
        self.emit("registry", "d", "duplicate")
        self.emit("tsup", "ts")
        while self.left > 0:
            live = [a for a in self.alive() if a not in self.blocked]
            if len(live) < 3:
                p, trap = self.fresh("a"), self.chance(0.6)
                self.emit("spawn", p, *(["trap"] if trap else []))
                self.add(p, trap)
                continue
            a = self.r.choice(live)
            self.r.choices([self.reg_op, self.dyn_op, self.task_op, self.end_op],
                           [35, 30, 30, 4])[0](a)

    def reg_op(self, a):
        r = self.r.choice("uud")
        key = self.r.choice(["k1", "k2", "k3"])
        kind = self.r.choices(["reg", "unreg", "lookup", "keys", "rcount", "update", "dispatch",
                               "gs", "call"], [14, 5, 8, 4, 4, 5, 5, 4, 4])[0]
        if kind == "reg":
            self.emit("reg", a, r, key, self.r.choice(["v1", "v2"]))
        elif kind == "unreg":
            self.emit("unreg", a, r, key)
        elif kind == "lookup":
            self.emit("lookup", r, key)
        elif kind == "keys":
            self.emit("keys", r, a)
        elif kind == "rcount":
            self.emit("rcount", r)
        elif kind == "update":
            self.emit("update", a, "u", key, "new")
        elif kind == "dispatch":
            self.emit("dispatch", a, r, key, "news")
        elif kind == "gs":
            self.emit("gs_start", self.fresh("g"), "ok", f"name=~u:g{self.r.randint(1, 2)}")
        else:
            # plain actors do not answer calls, so only keys that servers use
            self.emit("call", a, f"~u:g{self.r.randint(1, 2)}",
                      self.r.choice(["echo:x", "stop:normal:x", "raise:x"]))

    def dyn_op(self, a):
        if not self.dyns or (len(self.dyns) < 3 and self.chance(0.05)):
            d = self.fresh("dyn")
            self.dyns[d] = []
            opts = [f"max={self.r.randint(1, 3)}"] if self.chance(0.4) else []
            self.emit("dynsup", d, self.r.choice([1, 2, 3, 5]), 1000, *opts)
            return
        d = self.r.choice(list(self.dyns))
        ids = self.dyns[d]
        kind = self.r.choices(["start", "crash", "kill", "terminate", "which", "count", "end"],
                              [16, 12, 5, 5, 5, 4, 1])[0]
        if kind == "start" or not ids:
            cid = self.fresh("c")
            word = self.child(cid)
            if self.chance(0.25):
                restart = self.r.choice(["permanent", "transient", "temporary"])
                word = f"{cid}:{restart}:5000:via=~u:g{self.r.randint(1, 2)}"
            ids.append(cid)
            self.emit("dyn_start", d, word)
        elif kind == "crash":
            self.emit("crash", f"{d}.{self.r.choice(ids[-4:])}",
                      self.r.choice(["normal", "shutdown", "boom", "boom"]))
        elif kind == "kill":
            self.emit("kill", f"{d}.{self.r.choice(ids[-4:])}")
        elif kind == "terminate":
            self.emit("dyn_terminate", d, self.r.choice(ids[-4:]))
        elif kind == "which":
            self.emit("dyn_which", d)
        elif kind == "count":
            self.emit("dyn_count", d)
        else:
            self.emit(self.r.choice(["sup_shutdown", "kill"]), d)
            if self.chance(0.8):
                del self.dyns[d]

    def task_op(self, a):
        open_ = [t for t, s in self.tasks.items() if s["state"] == "blocked"]
        if open_ and self.chance(0.45):
            t = self.r.choice(open_)
            owner = self.tasks[t]["owner"]
            if self.chance(0.5) and owner in self.actors and self.actors[owner]["alive"] \
                    and owner not in self.blocked:
                how = self.r.choice(["await", "await20", "yield", "tshutdown", "brutal"])
                if how == "await":
                    self.emit("await", owner, t)
                    self.blocked[owner] = t
                elif how == "await20":
                    self.emit("await", owner, t, 20)
                elif how == "yield":
                    self.emit("yield", owner, t, 20)
                else:
                    self.emit("tshutdown", owner, t, "brutal_kill" if how == "brutal" else 100)
                    self.tasks[t]["state"] = "done"
                return
            x = self.r.choice(["v", "v", "raise:x", "exit:r"])
            self.emit("release", t, x)
            self.tasks[t]["state"] = "done"
            if self.blocked.get(owner) == t:
                del self.blocked[owner]
            if x != "v" and self.tasks[t]["linked"] and owner in self.actors \
                    and not self.actors[owner]["trap"]:
                self.die(owner, x)
            return
        t = self.fresh("k")
        linked = self.chance(0.6)
        head = ["task", a, t] if linked else ["task_nolink", a, "ts", t]
        if self.chance(0.5):
            self.emit(*head, self.r.choice(["block", "block", "trap_block"]))
            self.tasks[t] = {"owner": a, "state": "blocked", "linked": linked}
            return
        body = self.r.choice(["ret:v", "ret:v", "raise:x", "exit:r", "exit:normal", "sleep:10:v"])
        if self.chance(0.5):
            # async and await back to back
            self.emit("pause", a)
            self.emit(*head, body)
            self.emit("await", a, t)
            self.emit("resume", a)
        else:
            self.emit(*head, body)
        if linked and body in ("raise:x", "exit:r") and not self.actors[a]["trap"]:
            self.die(a, body)

    def end_op(self, a):
        self.emit("quit", a, self.r.choice(["normal", "boom"]))
        self.die(a, "boom")


def script(level, seed, ops):
    """The text of one script."""
    g = Gen(random.Random(f"{level}:{seed}"), ops)
    getattr(g, f"level{level}")()
    head = f"# gen.py --level {level} --seed {seed} --ops {ops}"
    return head + "\n" + "\n".join(g.out) + "\n"


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--level", type=int, required=True)
    ap.add_argument("--seed", type=int, required=True)
    ap.add_argument("--ops", type=int, default=40)
    args = ap.parse_args()
    print(script(args.level, args.seed, args.ops), end="")


if __name__ == "__main__":
    main()
