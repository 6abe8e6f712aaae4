# SPDX-License-Identifier: Apache-2.0
"""Five nodes as containers, by containers.yml; containers.sh has seen to an engine and an image.

Faults are docker's: kill, pause, network disconnect. What one of them can do to a link of two
nodes alone is nothing, so only faults of whole nodes are played here.
"""
import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

from faults import NODES
from processes import resident

STOP_WAIT = 60   # seconds; a stop in good order takes one
DOCKER_WAIT = 120


class Containers:
    """As processes.Processes."""

    name = "containers"

    def __init__(self, bin_dir, folder, cookie):
        self.folder = Path(folder)
        self.folder.chmod(0o777)  # the nodes are another user's, in there
        self.project = f"grove-chaos-{os.getpid()}"
        programs = self.folder / "programs"
        programs.mkdir()
        for program in ("chaos_node", "grove"):
            shutil.copy(Path(bin_dir) / program, programs)
        self.folder.joinpath("programs").chmod(0o755)
        self.env = {**os.environ, "CHAOS_FOLDER": str(self.folder), "CHAOS_COOKIE": cookie,
                    "CHAOS_PROGRAMS": str(programs)}
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode
        self.compose = [*(["docker-compose"] if plugin else ["docker", "compose"]),
                        "--project-name", self.project,
                        "--file", Path(__file__).with_name("containers.yml")]
        self.ids, self.pids = {}, {}   # of containers; of the nodes in them, while they run
        self.first = set()              # nodes whose first lives have begun
        self.placeholders, self.cut_off = [], set()

    async def docker(self, *args, program=("docker",)):
        """Runs a command that must succeed. Returns: what it says."""
        process = await asyncio.create_subprocess_exec(
            *program, *args, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)
        try:
            out, err = await asyncio.wait_for(process.communicate(), DOCKER_WAIT)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise RuntimeError(f"{args}: {err.decode(errors='replace')}")
        return out.decode().strip()

    async def inspect(self, node, what):
        return await self.docker("inspect", "--format", what, self.ids[node])

    @property
    def network(self):
        return f"{self.project}_default"

    async def start(self, node, other_address=False):
        if not self.ids:  # all at once, which is quicker
            await self.docker("up", "-d", "--no-build", program=self.compose)
            for each in NODES:
                self.ids[each] = await self.docker("ps", "-q", each, program=self.compose)
        elif node in self.first:
            if other_address:  # docker gives the lowest that is free: somebody else takes it
                self.placeholders.append(await self.docker(
                    "run", "--detach", "--network", self.network, self.env["GROVE_IMAGE"],
                    "sleep", "infinity"))
            await self.docker("start", self.ids[node])
        self.first.add(node)
        self.pids[node] = await self.inspect(node, "{{.State.Pid}}")

    async def kill(self, node):
        pid = self.pids.pop(node)
        await self.docker("kill", self.ids[node])
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.05)

    async def stop(self, node):
        await self.docker("pause", self.ids[node])

    async def go_on(self, node):
        await self.docker("unpause", self.ids[node])

    async def set_ways(self, ways):
        """Nodes that are cut off from all others leave the network."""
        wanted = {node for node in NODES
                  if all((way := ways.get((node, other))) is not None and way.cut
                         for other in NODES if other != node)}
        for node in wanted - self.cut_off:
            await self.docker("network", "disconnect", self.network, self.ids[node])
        for node in self.cut_off - wanted:
            await self.docker("network", "connect", "--alias", "grove", "--alias", node,
                              self.network, self.ids[node])
        self.cut_off = wanted

    def reset_between(self, a, b):
        raise NotImplementedError("not a fault of containers")

    def ended(self):
        return {node: "see its log" for node, pid in self.pids.items()
                if not Path(f"/proc/{pid}").exists()}

    def memory(self):
        return resident(self.pids)

    async def ask(self, node, *verb):
        try:
            return json.loads(await self.docker("exec", self.ids[node], "/chaos/grove", *verb,
                                                "--json", "--node", node))
        except (RuntimeError, asyncio.TimeoutError):
            return None

    async def end(self):
        self.pids.clear()
        wrong = {}
        await self.docker("stop", "--time", str(STOP_WAIT), *self.ids.values())
        for node in self.ids:
            code = await self.inspect(node, "{{.State.ExitCode}}")
            if code != "0":
                wrong[node] = int(code)
        return wrong

    async def close(self):
        for node, container in self.ids.items():
            with open(self.folder / f"{node}.log", "wb") as log:
                subprocess.run(["docker", "logs", container], env=self.env, stdout=log, stderr=log)
        if self.placeholders:
            subprocess.run(["docker", "rm", "--force", *self.placeholders], env=self.env,
                           stdout=subprocess.DEVNULL)
        subprocess.run([*self.compose, "down", "--volumes", "--timeout", "5"], env=self.env,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.folder / "programs")
