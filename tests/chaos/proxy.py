# SPDX-License-Identifier: Apache-2.0
"""A faulty network: what one node says to another passes here, each of the two ways as it is told.

Each node has a front, the address that it advertises. Who dials a front is found by the kernel's
own tables (`who`), since all nodes advertise one address to everybody; so a connection is known to
belong to two nodes, and what passes over it, each way, to a directed pair.

A hole holds bytes back and lets them go when it closes, as TCP does that finds its way again after
a while; a stream from which something is missing is nothing that TCP ever delivers.
"""
import asyncio
import random
import socket
import struct

from faults import OPEN

QUEUED_MAX = 64         # chunks on their way in each direction of a connection
CHUNK = 65536           # bytes
SHORTEST_SLEEP = 0.002  # seconds
SLICE_COST = 0.0001     # seconds


def reset(sock):
    """Closes with a RST rather than a FIN."""
    if sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


class Proxy:
    def __init__(self, who):
        """`who(peer, front)`: the name of the node that has a connection from `peer` to `front`,
        both (host, port); None when nobody has any more."""
        self.who = who
        self.ways = {}          # (from, to) -> Way; what is missing is open
        self.changed = asyncio.Condition()
        self.open = {}          # connection's task -> (dialler, dialled)
        self.fronts = {}        # node -> (its front's server task, socket)
        self.unknown = 0        # connections whose dialler was gone before it was known
        self.dice = random.Random()

    def way(self, source, to):
        return self.ways.get((source, to), OPEN)

    def lead(self, node, front, target):
        """From now on connections to `front` lead to `target`, which is `node`'s. Instead of any
        former front of that node."""
        self.close_front(node)
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(front)
        door.listen(64)
        door.setblocking(False)
        self.fronts[node] = (asyncio.ensure_future(self.accept(node, door, target)), door)

    def close_front(self, node):
        if node in self.fronts:
            task, door = self.fronts.pop(node)
            task.cancel()
            door.close()

    async def set(self, ways):
        """The state of all ways, from now on."""
        if ways == self.ways:
            return
        self.ways = dict(ways)
        for task, (dialler, dialled) in list(self.open.items()):
            if self.way(dialler, dialled).cut or self.way(dialled, dialler).cut:
                task.cancel()
        async with self.changed:
            self.changed.notify_all()

    def reset_between(self, a, b):
        for task, pair in list(self.open.items()):
            if set(pair) == {a, b}:
                task.cancel()

    async def close(self):
        for node in list(self.fronts):
            self.close_front(node)
        tasks = list(self.open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- connections ---------------------------------------------------------------------------

    async def accept(self, node, door, target):
        loop = asyncio.get_running_loop()
        while True:
            sock, peer = await loop.sock_accept(door)
            sock.setblocking(False)
            dialler = self.who(peer, door.getsockname())
            if dialler is None:
                self.unknown += 1
                reset(sock)
                continue
            task = asyncio.ensure_future(self.serve(dialler, node, sock, target))
            self.open[task] = (dialler, node)
            task.add_done_callback(self.open.pop)

    async def serve(self, dialler, dialled, inner, target):
        """One connection, to its end: that of both ways, or a reset."""
        outer = socket.socket()
        outer.setblocking(False)
        both = []
        try:
            await self.until_open(dialler, dialled)
            await self.until_open(dialled, dialler)
            for sock in (inner, outer):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(outer, target)
            for pair, source, sink in (((dialler, dialled), inner, outer),
                                       ((dialled, dialler), outer, inner)):
                queue = asyncio.Queue(QUEUED_MAX)
                both += [asyncio.ensure_future(self.take(pair, source, queue)),
                         asyncio.ensure_future(self.give(pair, queue, sink))]
            await asyncio.gather(*both)
        except OSError:
            pass
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            reset(inner)
            reset(outer)

    async def until_open(self, source, to):
        """Waits until the way is no hole. Raises ConnectionResetError when it is cut."""
        while True:
            way = self.way(source, to)
            if way.cut:
                raise ConnectionResetError
            if not way.hole:
                return way
            async with self.changed:
                await self.changed.wait()

    async def take(self, pair, source, queue):
        loop = asyncio.get_running_loop()
        data = True
        while data:
            data = await loop.sock_recv(source, CHUNK)
            delay = self.way(*pair).delay
            await queue.put((loop.time() + delay * (1 + self.dice.random()) if delay else 0, data))

    async def give(self, pair, queue, sink):
        loop = asyncio.get_running_loop()
        owed = 0.0  # seconds of sleep, at a limited rate
        while True:
            due, data = await queue.get()
            while (left := due - loop.time()) > 0:
                await asyncio.sleep(left)
            if not data:
                await self.until_open(*pair)
                sink.shutdown(socket.SHUT_WR)
                return
            while data:
                way = await self.until_open(*pair)
                size = min(way.slice or CHUNK, max(1, way.rate // 50) if way.rate else CHUNK)
                await loop.sock_sendall(sink, data[:size])
                data = data[size:]
                # Slices cost time, too: they would keep the loop for themselves.
                owed += size / way.rate if way.rate else SLICE_COST if way.slice else 0
                if owed > SHORTEST_SLEEP:
                    await asyncio.sleep(owed)
                    owed = 0.0
