# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The health ports of very many egress pods, played by one process: every address of 127/8 answers at one port.

A router says by this watch what it has found out of its destinations. Here all of them answer, always.
"""

from __future__ import annotations

import asyncio
import json
import sys

DESTINATION = "10.10.10.200"
"""Of every service, at port 80."""
_BACKLOG = 4096
_FINDINGS = [{"port": "80/tcp", "destination": f"{DESTINATION}:80", "verdict": "Open"}]
_ANSWER = b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(_FINDINGS).encode() + b"\n"


async def _serve(port: int) -> None:
    async with await asyncio.start_server(_answer, "0.0.0.0", port, backlog=_BACKLOG) as server:
        await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As long as the client stays; it says nothing after its question."""
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER)
        await reader.read()
    except (OSError, asyncio.IncompleteReadError):
        pass  # It has gone.
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
