# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Settings of the controller: flags, with the Deployment's environment as their defaults."""

from __future__ import annotations

import argparse
import os
import socket
from dataclasses import dataclass
from typing import Mapping, Sequence

from egress_controller.runtime.leader_election import ElectionConfig

LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Settings:
    """All times are in seconds."""

    kubeconfig: str | None
    """None means the pod's own account, or KUBECONFIG."""
    namespace: str
    """Where the leader Lease lives."""
    identity: str
    """The name of this replica in the election: the pod's."""
    lease_name: str
    lease_duration: int
    renew_deadline: int
    retry_period: int
    health_address: str
    health_port: int
    workers: int
    orphan_grace: float
    """How long an EgressAddress without a lease is watched before it is deleted."""
    release_grace: float
    """How long a service must be gone before its leases are given up."""
    log_level: str

    @property
    def election(self) -> ElectionConfig:
        return ElectionConfig(
            self.namespace,
            self.lease_name,
            self.identity,
            self.lease_duration,
            self.renew_deadline,
            self.retry_period,
        )


def read_settings(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings; a wrong flag ends the process with a usage message."""
    environment = os.environ if environment is None else environment
    parser = argparse.ArgumentParser(prog="egress_controller", description="Reconciles secure egress services.")
    parser.add_argument("--kubeconfig", help="default: the pod's own account, or KUBECONFIG")
    parser.add_argument("--namespace", default=environment.get("POD_NAMESPACE", "default"))
    parser.add_argument("--identity", default=environment.get("POD_NAME") or socket.gethostname())
    parser.add_argument("--lease-name", default="avi-egress-controller")
    parser.add_argument("--lease-duration", type=_positive, default=15)
    parser.add_argument("--renew-deadline", type=_positive, default=10)
    parser.add_argument("--retry-period", type=_positive, default=2)
    parser.add_argument("--health-address", default="")
    parser.add_argument("--health-port", type=_port, default=8080)
    parser.add_argument("--workers", type=_positive, default=4)
    parser.add_argument("--orphan-grace", type=float, default=60.0)
    parser.add_argument("--release-grace", type=float, default=3.0)
    parser.add_argument("--log-level", choices=LOG_LEVELS, default="info")
    given = parser.parse_args(arguments)
    # client-go's rule: a leader must notice that it is none before another one may take over.
    if not given.lease_duration > given.renew_deadline > 1.2 * given.retry_period:
        parser.error("give --lease-duration > --renew-deadline > 1.2 * --retry-period")
    return Settings(**vars(given))


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port; give 0 to 65535")
    return value
