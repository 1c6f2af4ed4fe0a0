# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Forward a loopback port of the machine to an address inside a network namespace.

Run as `python -S -m tests.cluster.forward PORT NAMESPACE ADDRESS PORT`. A socket stays in the namespace that it was
made in: the listener is made first, then the process moves, so connections are taken outside and continued inside.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from tests.cluster import syscalls

_CHUNK = 1 << 16


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
    except OSError:
        # Either side may leave at any time; both directions end below.
        writer.transport.abort()


async def serve(listener: socket.socket, address: str, port: int) -> None:
    # asyncio itself refers to a waiting task only weakly once one of its two connections is gone.
    carried: set[asyncio.Task[None]] = set()

    def connected(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(carry(near_reader, near_writer))
        carried.add(task)
        task.add_done_callback(carried.discard)

    async def carry(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(address, port, limit=_CHUNK)
        except OSError:
            near_writer.transport.abort()
            return
        await asyncio.gather(_pump(near_reader, far_writer), _pump(far_reader, near_writer))
        near_writer.close()
        far_writer.close()

    server = await asyncio.start_server(connected, sock=listener, limit=_CHUNK)
    await server.serve_forever()


def main(near_port: str, namespace: str, address: str, port: str) -> None:
    listener = socket.create_server(("127.0.0.1", int(near_port)), backlog=1024)
    descriptor = os.open(namespace, os.O_RDONLY)
    syscalls.setns(descriptor, syscalls.CLONE_NEWNET)
    asyncio.run(serve(listener, address, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])
