# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``python -m tests.demo up`` shows the product at work; ``down`` removes what that made."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Callable, TypeVar

from images.engine import BuildError
from tests.cluster import ClusterError
from tests.support import playbook
from tests.support.kubectl import Kubectl
from tests.support.outside import DemoError
from tests.support.provider import Provider, choose

from . import projects, proof

T = TypeVar("T")
STEPS = 7


class Progress:
    """Numbered steps with the time each took."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._number = 0

    def step(self, title: str, work: Callable[[], T]) -> T:
        self._number += 1
        print(f"[{self._number}/{STEPS}] {title}", flush=True)
        begin = time.monotonic()
        result = work()
        print(f"[{self._number}/{STEPS}] done in {time.monotonic() - begin:.0f} s", flush=True)
        return result

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._start


def up() -> int:
    """0 when every row of the proof holds and the second run changed nothing."""
    provider, progress = choose(), Progress()
    progress.step(f"bringing up {provider.title}", provider.up)
    images = progress.step("building the images and loading them into the nodes", provider.images)
    outside = provider.outside()
    variables = {**playbook.site_variables(outside, images), **playbook.service_variables(outside)}

    def converge() -> playbook.Recap:
        return playbook.run(provider.kubeconfig, variables, "site", "egress_service")

    kubectl = Kubectl(provider.kubeconfig)
    projects.make(kubectl)
    first = progress.step("running playbooks site and egress_service", converge)
    progress.step("starting client pods", lambda: proof.start_clients(kubectl, images["avi-egress-controller"]))
    service = proof.secure_service(kubectl)
    rows = progress.step("calling the remote application", lambda: proof.prove(kubectl, service))
    second = progress.step("running the playbooks again", converge)
    progress.step("the result", lambda: proof.show(service, rows))
    holds = all(row.holds for row in rows)
    print(f"first run: ok={first.ok} changed={first.changed}; second run: ok={second.ok} changed={second.changed}")
    print(f"{'Everything holds' if holds else 'NOT everything holds'}; {progress.elapsed:.0f} s in all.")
    print(f"Look around with: export KUBECONFIG={provider.kubeconfig}; remove it all with: make demo-down")
    if second.changed:
        print("The second run changed something, and should not have.", file=sys.stderr)
    return 0 if holds and not second.changed else 1


def down() -> int:
    """Remove the cluster if the demonstration made it, else only what was installed in it."""
    provider = choose()
    removed = provider.down() if provider.disposable else _uninstall(provider)
    print("Removed." if removed else "There was nothing to remove.")
    return 0


def _uninstall(provider: Provider) -> bool:
    """Take the product out of a cluster that stays, if it was the demonstration that had put it there."""
    ours = projects.remove(Kubectl(provider.kubeconfig))
    if ours:
        playbook.run(provider.kubeconfig, {"egress_uninstall_leases": True}, "uninstall")
    return ours


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("command", choices=("up", "down"))
    try:
        return up() if parser.parse_args().command == "up" else down()
    except (DemoError, ClusterError, BuildError) as error:
        print(f"demo: {error}", file=sys.stderr)
    except subprocess.TimeoutExpired as error:
        print(f"demo: {' '.join(map(str, error.cmd[:4]))} gave no answer within {error.timeout:.0f} s", file=sys.stderr)
    except KeyboardInterrupt:
        print("demo: interrupted; what is up stays up: run `make demo` again, or `make demo-down`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
