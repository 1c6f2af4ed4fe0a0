# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The command line: `python -m tests.cluster <up|down|status|kubeconfig|load-image ARCHIVE...>`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.cluster.cluster import Cluster
from tests.cluster.errors import ClusterError


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--name", help="the cluster's name (EGRESS_CLUSTER_NAME, else egress)")
    common.add_argument(
        "--api-port", type=int, help="loopback port of the API server (EGRESS_CLUSTER_API_PORT, else 16443)"
    )
    common.add_argument(
        "--state", type=Path, help="where clusters keep their state (EGRESS_CLUSTER_STATE, else /var/lib/avi-egress)"
    )
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__, parents=[common])
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", parents=[common], help="bring the cluster up; nothing is done when it is healthy")
    up.add_argument(
        "--without-scc", action="store_true", help="leave out SecurityContextConstraints, as plain Kubernetes does"
    )
    commands.add_parser("down", parents=[common], help="remove the cluster and all that it made")
    commands.add_parser("status", parents=[common], help="show every component; the exit code is 0 when all is healthy")
    commands.add_parser("kubeconfig", parents=[common], help="print the path of the administrator's kubeconfig")
    load = commands.add_parser("load-image", parents=[common], help="import image archives into every node")
    load.add_argument("archives", nargs="+", type=Path, metavar="ARCHIVE", help="a docker or OCI archive")
    return parser


def _show_status(cluster: Cluster) -> int:
    states = cluster.states()
    print(f"{'COMPONENT':<26} {'PID':>8}  STATE")
    for one in states:
        print(f"{one.name:<26} {one.pid or '-':>8}  {one.state}")
    problems = cluster.problems()
    print(*problems or ["healthy"], sep="\n")
    return 1 if problems else 0


def main() -> int:
    arguments = _parser().parse_args()
    began = time.monotonic()

    def report(message: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {message}", flush=True)

    try:
        cluster = Cluster(
            getattr(arguments, "name", None),
            getattr(arguments, "api_port", None),
            getattr(arguments, "state", None),
            scc=not getattr(arguments, "without_scc", False),
            report=report,
        )
        match arguments.command:
            case "up":
                cluster.up()
            case "down":
                cluster.down()
                report("nothing of the cluster is left")
            case "status":
                return _show_status(cluster)
            case "kubeconfig":
                print(cluster.kubeconfig)
            case "load-image":
                cluster.load_images(arguments.archives)
    except ClusterError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
