# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The command line of the image: reads the contract, opens the namespaces, runs the router, or with ``preflight`` its
looks at the node alone, whose outcome is one line of JSON on stdout and in the termination message (docs/how-to).

Exit codes: 0 after SIGTERM and after a preflight, whatever that has found, 78 (EX_CONFIG of sysexits.h) if the contract
or the node's network doesn't fit, 71 (EX_OSERR) if the system refuses something that the router needs, 75 (EX_TEMPFAIL)
once for each kind of trouble that lasts, so that the kubelet tells of it, 70 (EX_SOFTWARE) by a defect.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from egress_router.config import ConfigError, parse
from egress_router.faults import Reason
from egress_router.last_words import PATIENCE, TERMINATION_LOG, LastWords, Told
from egress_router.link import LinkError
from egress_router.namespace import Namespace
from egress_router.nat import ToldMark
from egress_router.netlink import NetlinkError
from egress_router.pod_interface import pod_interface
from egress_router.preflight import Findings, Obstructed, Preflight, from_environment
from egress_router.resolv_conf import ResolvConf
from egress_router.resolv_conf import parse as parse_resolv_conf
from egress_router.router import Router

# Where the pod mounts the node's /proc/1/ns. The directory: containerd refuses to mount the file ``net`` in it.
HOST_NAMESPACES: Final = Path("/hostroot/proc/1/ns")
RESOLV_CONF: Final = "/etc/resolv.conf"

EX_SOFTWARE: Final = 70
EX_OSERR: Final = 71
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the router, or look at the node for it; the exit code."""
    options = _options(arguments)
    if options.command == "preflight":
        return _preflight(options)
    _log_to_stdout()
    end_with_a_thread(options.termination_log)
    try:
        config = parse(os.environ)
        pod, node = _namespaces(options.host_ns)
        interface = pod_interface(pod, config.family)
        words = LastWords(options.termination_log, options.patience, ToldMark)
        Router(config, pod, node, interface, _resolv_conf(options.resolv_conf), words).run()
    except Told as told:
        print(told, file=sys.stderr)
        return EX_TEMPFAIL
    except ConfigError as error:
        return _failed(options, str(error), EX_CONFIG)
    except (LinkError, NetlinkError, OSError) as error:
        return _failed(options, f"egress router: {error}.", EX_OSERR)
    return 0


def end_with_a_thread(termination_log: Path) -> None:
    """From now on a thread that dies of a defect takes the process along: half a router would never come right."""

    def end(died: threading.ExceptHookArgs) -> None:
        words = f"egress router: defect in thread {died.thread.name if died.thread else '?'}: {died.exc_value!r}"
        log.error(words, exc_info=died.exc_value)
        _leave(termination_log, words)
        os._exit(EX_SOFTWARE)

    threading.excepthook = end


def _failed(options: argparse.Namespace, words: str, code: int) -> int:
    """Told to the log and, as the pod's last words, to the kubelet: the Service's condition repeats them."""
    print(words, file=sys.stderr)
    _leave(options.termination_log, words)
    return code


def _leave(termination_log: Path, words: str) -> None:
    """For the kubelet, which has made the file; elsewhere there is none."""
    with suppress(OSError), termination_log.open("r+", encoding="utf-8") as file:
        file.write(words)


def _preflight(options: argparse.Namespace) -> int:
    """Also what keeps it from looking is told like that: a pod that fails would not look at the networks behind."""
    signal.signal(signal.SIGTERM, _end)
    try:
        config, has_address = from_environment(os.environ)
        told = Preflight(config, *_namespaces(options.host_ns), has_address=has_address).look()
    except ConfigError as error:
        told = _unseen(error, "mend the EgressNetwork")
    except OSError as error:
        told = _unseen(error, "run the pod privileged, with the node's /proc/1/ns mounted, and not in its network")
    print(told.to_json())
    _leave(options.termination_log, told.to_json())
    return 0


def _unseen(error: Exception, remedy: str) -> Findings:
    return Findings(obstacle=Obstructed(Reason.FAILED, str(error).rstrip("."), remedy))


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    """What was put on the node is taken away on the way out."""
    sys.exit(0)


def _namespaces(host: Path) -> tuple[Namespace, Namespace]:
    """The pod's own and the node's."""
    pod, node = Namespace.own(), _host_namespace(host)
    if pod.is_same_as(node):
        raise LinkError("the pod has the node's own network (hostNetwork), which must not become a router's")
    return pod, node


def _host_namespace(path: Path) -> Namespace:
    try:
        return Namespace(path)
    except OSError as error:
        raise OSError(
            f"cannot open the node's network namespace at {path} ({error.strerror}): mount the node's /proc/1/ns"
            " there and run the pod privileged"
        ) from error


def _resolv_conf(path: str) -> ResolvConf:
    try:
        return parse_resolv_conf(Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise OSError(f"cannot read {path}: {error.strerror}") from error


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="egress_router", description="Gives this pod's outgoing traffic its EGRESS_SOURCE."
    )
    parser.add_argument(
        "command", nargs="?", choices=("preflight",), help="only look whether the node would let a router serve"
    )
    parser.add_argument(
        "--host-ns", type=Path, default=HOST_NAMESPACES, help="the node's network namespace (%(default)s)"
    )
    parser.add_argument("--resolv-conf", default=RESOLV_CONF, help="name servers for destinations (%(default)s)")
    parser.add_argument(
        "--termination-log", type=Path, default=TERMINATION_LOG, help="where lasting trouble is told (%(default)s)"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help="how long trouble may last before it is told (%(default)s)",
    )
    return parser.parse_args(arguments)


def _log_to_stdout() -> None:
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
