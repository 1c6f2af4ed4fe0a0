# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A client of the remote application, which answers with the address that it saw.

``URL...`` calls each once, all at the same time, and prints a list of answers; ``--forever URL`` calls again and again,
each time on a new connection, and prints an answer a line; ``--wait`` does nothing until it is ended.
"""

import json
import signal
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

TIMEOUT_SECONDS = 3
PAUSE_SECONDS = 0.1
REFUSALS = ("refused", "timed out", "unreachable", "prohibited")


def call(url):
    """Which address was seen, or why none was, and whether it was the network that said no."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return {"url": url, "seen": json.load(answer)["peer"], "error": None, "refused": False}
    except (OSError, urllib.error.URLError) as error:
        text = str(getattr(error, "reason", error))
        return {"url": url, "seen": None, "error": text, "refused": any(word in text for word in REFUSALS)}


def main(arguments):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if arguments == ["--wait"]:
        signal.pause()
    while arguments[0] == "--forever":
        print(json.dumps(call(arguments[1])), flush=True)
        time.sleep(PAUSE_SECONDS)
    with ThreadPoolExecutor(len(arguments)) as pool:
        print(json.dumps(list(pool.map(call, arguments))))


main(sys.argv[1:])
