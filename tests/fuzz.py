# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``python -m tests.fuzz`` has every reader of tenants' annotations read very many hostile texts.

Each has to be read, or refused by one sentence, within a bounded number of calls. The same seed makes the same texts.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat

from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import parse_egress_pod

from tests.support.annotation_work import LONGEST_REFUSAL, MOST_CALLS, Work, compile_avi_proxy, hostile, work_of

READERS: dict[str, Callable[[str], object]] = {"avi_proxy": compile_avi_proxy, "egress_pod": parse_egress_pod}
AT_ONCE = 250
"""Texts that a process is given at a time."""


@dataclass
class Tally:
    """What became of some texts."""

    read: int = 0
    refused: int = 0
    most: int = 0
    """Calls."""
    fault: str | None = None
    """What the first of them did that none may do."""

    def add(self, other: Tally) -> None:
        self.read += other.read
        self.refused += other.refused
        self.most = max(self.most, other.most)
        self.fault = self.fault or other.fault


def try_some(seed: int, first: int) -> Tally:
    """The texts from number ``first`` on, up to one at which a reader is at fault."""
    tally = Tally()
    for number in range(first, first + AT_ONCE):
        text = hostile(random.Random(f"{seed}/{number}"))
        for name, reader in READERS.items():
            try:
                work = work_of(partial(reader, text))
            except Exception as error:
                tally.fault = f"text {number} of seed {seed} ends {name} by {error!r:.300}"
                return tally
            tally.add(Tally(not work.refusal, bool(work.refusal), work.calls, _fault(work)))
            if tally.fault:
                tally.fault = f"text {number} of seed {seed}: {name} {tally.fault}"
                return tally
    return tally


def _fault(work: Work) -> str | None:
    if work.calls >= MOST_CALLS:
        return f"takes {work.calls} calls, and may take {MOST_CALLS}"
    if len(work.refusal) >= LONGEST_REFUSAL:
        return f"answers by {len(work.refusal)} characters: {work.refusal:.300}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    total = Tally()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for tally in pool.map(try_some, repeat(asked.seed), range(0, asked.texts, AT_ONCE)):
            total.add(tally)
            if total.fault:
                pool.shutdown(cancel_futures=True)
                print(total.fault, file=sys.stderr)
                return 1
    texts = (total.read + total.refused) // len(READERS)
    print(f"{texts} texts, each by {' and '.join(READERS)}: {total.read} read, {total.refused} refused by a sentence")
    print(f"most calls for one: {total.most} of {MOST_CALLS} that it may take")
    return 0


if __name__ == "__main__":
    sys.exit(main())
