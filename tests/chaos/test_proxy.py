#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The proxy does to each way what it is told, and nothing to the others."""
import asyncio
import os
import socket
import time
import unittest

from faults import Way
from processes import Subnet, has_socket, socket_inode
from proxy import Proxy

LONG = 20  # seconds; only what hangs takes so long


class ProxyTest(unittest.IsolatedAsyncioTestCase):
    """a dials b, who says back whatever it hears, in capitals."""

    async def asyncSetUp(self):
        self.echo = await asyncio.start_server(self.shout, "127.0.0.1", 0)
        self.dialler, self.dialled = "a", []
        self.proxy = Proxy(lambda peer, front: self.dialler)
        self.proxy.lead("b", ("127.0.0.1", 0), self.echo.sockets[0].getsockname())
        self.front = self.proxy.fronts["b"][1].getsockname()

    async def asyncTearDown(self):
        for _, writer in self.dialled:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        self.echo.close()
        await self.proxy.close()

    @staticmethod
    async def shout(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data.upper())
        except ConnectionError:
            pass
        writer.close()

    async def dial(self):
        self.dialled.append(await asyncio.open_connection(*self.front))
        return self.dialled[-1]

    async def say(self, connection, text, timeout=LONG):
        connection[1].write(text)
        return await self.hear(connection, len(text), timeout)

    @staticmethod
    async def hear(connection, count, timeout=LONG):
        return await asyncio.wait_for(connection[0].readexactly(count), timeout)

    async def silent(self, connection):
        """Nothing comes. The wait may be any time: a hole that leaks does so at once."""
        with self.assertRaises(asyncio.TimeoutError):
            await self.hear(connection, 1, 0.2)

    async def test_what_is_open_passes(self):
        self.assertEqual(await self.say(await self.dial(), b"x" * 300_000), b"X" * 300_000)

    async def test_the_end_of_one_direction_passes(self):
        connection = await self.dial()
        connection[1].write(b"last")
        connection[1].write_eof()
        self.assertEqual(await asyncio.wait_for(connection[0].read(), LONG), b"LAST")

    async def test_a_hole_holds_back_one_way_and_then_lets_go(self):
        for hole in (("a", "b"), ("b", "a")):
            connection = await self.dial()
            self.assertEqual(await self.say(connection, b"one"), b"ONE")
            await self.proxy.set({hole: Way(hole=True)})
            connection[1].write(b"two")
            await self.silent(connection)
            await self.proxy.set({})
            self.assertEqual(await self.hear(connection, 3), b"TWO")

    async def test_nobody_comes_up_through_a_hole_either_way(self):
        for hole in (("a", "b"), ("b", "a")):
            await self.proxy.set({hole: Way(hole=True)})
            connection = await self.dial()
            connection[1].write(b"one")
            await self.silent(connection)
            await self.proxy.set({})
            self.assertEqual(await self.hear(connection, 3), b"ONE")

    async def test_a_hole_elsewhere_is_no_matter(self):
        await self.proxy.set({("a", "c"): Way(hole=True), ("c", "b"): Way(cut=True)})
        self.assertEqual(await self.say(await self.dial(), b"one"), b"ONE")

    async def test_a_cut_resets_and_refuses_until_it_is_mended(self):
        connection = await self.dial()
        self.assertEqual(await self.say(connection, b"one"), b"ONE")
        await self.proxy.set({("b", "a"): Way(cut=True)})
        for cut_off in (connection, await self.dial()):
            with self.assertRaises((ConnectionResetError, asyncio.IncompleteReadError)):
                await self.say(cut_off, b"two")
        await self.proxy.set({})
        self.assertEqual(await self.say(await self.dial(), b"one"), b"ONE")

    async def test_a_cut_ends_what_waits_in_a_hole(self):
        connection = await self.dial()
        await self.proxy.set({("a", "b"): Way(hole=True)})
        waiting = await self.dial()
        await self.proxy.set({("a", "b"): Way(cut=True)})
        for each in (connection, waiting):
            with self.assertRaises((ConnectionResetError, asyncio.IncompleteReadError)):
                await self.say(each, b"one")

    async def test_a_reset_is_once(self):
        connection = await self.dial()
        await self.say(connection, b"one")
        self.proxy.reset_between("b", "a")
        with self.assertRaises(ConnectionResetError):
            await self.say(connection, b"two")
        self.assertEqual(await self.say(await self.dial(), b"one"), b"ONE")

    async def test_slices_arrive_whole(self):
        await self.proxy.set({("a", "b"): Way(slice=1), ("b", "a"): Way(slice=7)})
        text = bytes(range(97, 107)) * 100
        self.assertEqual(await self.say(await self.dial(), text), text.upper())

    async def test_delay_and_rate_take_their_time(self):
        for way, seconds in ((Way(delay=0.2), 0.2), (Way(rate=20_000), 0.2)):
            await self.proxy.set({("a", "b"): way})
            connection = await self.dial()
            began = time.monotonic()
            self.assertEqual(await self.say(connection, b"x" * 5000), b"X" * 5000)
            self.assertGreater(time.monotonic() - began, seconds)

    async def test_who_is_gone_before_it_is_known_is_not_let_in(self):
        self.dialler = None
        with self.assertRaises((ConnectionResetError, asyncio.IncompleteReadError)):
            await self.say(await self.dial(), b"one")
        self.assertEqual(self.proxy.unknown, 1)

    async def test_a_front_may_move(self):
        former = self.front
        self.proxy.lead("b", ("127.0.0.1", 0), self.echo.sockets[0].getsockname())
        self.front = self.proxy.fronts["b"][1].getsockname()
        self.assertEqual(await self.say(await self.dial(), b"one"), b"ONE")
        with self.assertRaises(OSError):
            await asyncio.open_connection(*former)


class Machine(unittest.TestCase):
    def test_two_runs_have_different_addresses(self):
        one, other = Subnet(), Subnet()
        self.assertNotEqual(one.prefix, other.prefix)
        one.lock.close()
        other.lock.close()

    def test_the_kernel_knows_who_dialled(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            front = server.getsockname()
            with socket.create_connection(front) as dialler:
                peer = dialler.getsockname()
                inode = socket_inode(peer, front)
                self.assertTrue(has_socket(os.getpid(), inode))
                self.assertFalse(has_socket(os.getpid(), inode + "0"))
                self.assertFalse(has_socket(1 << 30, inode))
            self.assertIsNone(socket_inode(peer, ("127.0.0.1", 1)))


if __name__ == "__main__":
    unittest.main()
