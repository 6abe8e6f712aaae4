# SPDX-License-Identifier: Apache-2.0
"""Five nodes as processes of this machine, on loopback addresses of this run's own, with the
faulty proxy between them."""
import asyncio
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

from faults import NODES
from proxy import Proxy

PORT = 7400
STOP_WAIT = 60  # seconds; a stop in good order takes one
ASK_WAIT = 20   # seconds; an answer takes 0.02


class Subnet:
    """127.X.Y.0/24, ours alone for as long as this object lives: a bound socket says so."""

    def __init__(self):
        for salt in range(os.getpid(), os.getpid() + 60000):
            self.prefix = f"127.{64 + salt // 250 % 128}.{1 + salt % 250}"
            self.lock = socket.socket()
            try:
                self.lock.bind((f"{self.prefix}.1", PORT))
                return
            except OSError:
                self.lock.close()
        raise RuntimeError("no free loopback addresses")

    def node(self, name):
        return f"{self.prefix}.{10 + NODES.index(name)}"

    def front(self, name):
        return f"{self.prefix}.{110 + NODES.index(name)}"


def socket_inode(peer, front):
    """Of the connection from `peer` to `front`; None when it is gone."""
    def hexed(address):
        ip = socket.inet_aton(address[0])[::-1].hex().upper()
        return f"{ip}:{address[1]:04X}"
    wanted = [hexed(peer), hexed(front)]
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table:
            fields = line.split()
            if fields[1:3] == wanted:
                return fields[9]
    return None


def has_socket(pid, inode):
    def target(fd):
        try:
            return os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:  # closed meanwhile
            return ""
    try:
        return any(target(fd) == f"socket:[{inode}]" for fd in os.listdir(f"/proc/{pid}/fd"))
    except OSError:  # it has ended
        return False


def resident(pids):
    """Of {node: process}: {node: its resident bytes}."""
    found = {}
    for node, pid in pids.items():
        try:
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
            found[node] = int(pages) * os.sysconf("SC_PAGESIZE")
        except OSError:  # it has just ended
            pass
    return found


class Processes:
    """What is asked of the nodes, however they run; containers.py has the other form."""

    name = "processes"

    def __init__(self, bin_dir, folder, cookie):
        self.bin_dir, self.folder = Path(bin_dir).resolve(), Path(folder)
        self.subnet = Subnet()
        self.ports = dict.fromkeys(NODES, PORT)
        self.running = {}   # node -> its process
        self.proxy = Proxy(self.who)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("GROVE_")}
        if cookie:
            self.env["GROVE_COOKIE"] = cookie
        self.run_dir = self.folder / "run"
        self.run_dir.mkdir()

    def who(self, peer, front):
        inode = socket_inode(peer, front)
        return next((node for node, process in self.running.items()
                     if inode and has_socket(process.pid, inode)), None)

    async def start(self, node, other_address=False):
        """A new life. Its address is that of the last one, or another."""
        self.ports[node] += other_address
        here = (self.subnet.node(node), self.ports[node])
        front = (self.subnet.front(node), self.ports[node])
        self.proxy.lead(node, front, here)
        after = NODES[(NODES.index(node) + 1) % len(NODES)]
        joins = [arg for other in NODES[:2] if other != node
                 for arg in ("--join", f"{self.subnet.front(other)}:{self.ports[other]}")]
        command = [
            "setpriv", "--pdeathsig", "KILL",  # whatever ends this program
            self.bin_dir / "chaos_node", "run", "--name", node, "--listen", f"{here[0]}:{here[1]}",
            "--advertise", f"{front[0]}:{front[1]}", *joins, "--workers", "2",
            "--history", self.folder / f"{node}.jsonl", "--control", self.folder,
            "--standby", f"txn-{after}-1"]
        # A run directory that is no absolute path has no socket for nodes of this machine: they
        # would meet there, past the proxy.
        env = {**self.env, "GROVE_RUN_DIR": "."}
        with open(self.folder / f"{node}.log", "ab") as log:
            self.running[node] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                cwd=self.run_dir, env=env, start_new_session=True)

    async def kill(self, node):
        process = self.running.pop(node)
        process.kill()
        process.wait()

    async def stop(self, node):
        self.running[node].send_signal(signal.SIGSTOP)

    async def go_on(self, node):
        self.running[node].send_signal(signal.SIGCONT)

    async def set_ways(self, ways):
        await self.proxy.set(ways)

    def reset_between(self, a, b):
        self.proxy.reset_between(a, b)

    def ended(self):
        """Nodes that have ended by themselves, with their exit codes."""
        return {node: process.returncode for node, process in self.running.items()
                if process.poll() is not None}

    def memory(self):
        return resident({node: process.pid for node, process in self.running.items()})

    async def ask(self, node, *verb):
        """The answer to `grove VERB --json`; None when there is none."""
        process = await asyncio.create_subprocess_exec(
            self.bin_dir / "grove", *verb, "--json", "--node", node, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**self.env, "GROVE_RUN_DIR": self.run_dir})
        try:
            out, _ = await asyncio.wait_for(process.communicate(), ASK_WAIT)
        except asyncio.TimeoutError:
            return None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return json.loads(out) if process.returncode == 0 else None

    async def end(self):
        """Stops all in good order. Returns: what went wrong, by node."""
        for process in self.running.values():
            process.terminate()
        wrong = {}
        for node, process in self.running.items():
            try:
                code = await asyncio.to_thread(process.wait, STOP_WAIT)
            except subprocess.TimeoutExpired:
                code = "it did not stop"
            if code != 0:
                wrong[node] = code
        return wrong

    async def close(self):
        """Whatever is left is gone afterwards. For every way out."""
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
        for process in self.running.values():
            process.wait()
        await self.proxy.close()
        self.subnet.lock.close()
