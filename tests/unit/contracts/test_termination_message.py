# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a router leaves in its termination message is what the controller takes from there, word for word."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import read_service
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.workload import manifests
from ansible_collections.avi.egress.plugins.module_utils.workload.termination_message import report_of
from egress_router import faults
from egress_router.last_words import LastWords, Told, conflict, of_fault
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import cloud, network, service_object

MAC = bytes.fromhex("0200000000fe")

macs = st.binary(min_size=6, max_size=6)
sources = st.ip_addresses(v=4) | st.ip_addresses(v=6)


class Mark:
    """A mark that no other run of the container has set."""

    def is_set(self) -> bool:
        return False

    def set(self) -> None:
        """Nothing outlasts this test."""

    def remove(self) -> None:
        """Nothing outlasts this test."""


def pod_of(sources: list[str], ordinal: int, message: str, **status: object) -> KubeObject:
    """An egress pod as the controller rendered it, whose router has ended with a message."""
    service = read_service(service_object({"destination_ip": "10.10.10.200", "ha": len(sources) > 1}))
    assert service is not None
    render = manifests.stateful_set if len(sources) > 1 else manifests.replication_controller
    made = render(service, cloud(), network(), sources)
    suffix = str(ordinal) if len(sources) > 1 else "7k2lp"
    ended = {"terminated": {"exitCode": 75, "message": message}}
    container = {"name": manifests.CONTAINER_NAME, "started": False, "restartCount": 1, "lastState": ended, **status}
    return {
        "metadata": {"name": f"{made['metadata']['name']}-{suffix}"},
        "spec": made["spec"]["template"]["spec"],
        "status": {"containerStatuses": [container]},
    }


@given(source=sources, mac=macs)
def test_any_address_and_mac_is_read_back(source: object, mac: bytes) -> None:
    address = ip_address(str(source))
    found = report_of(pod_of([str(source)], 0, conflict(address, mac).message))
    assert found is not None
    assert bytes.fromhex(found.mac.replace(":", "")) == mac
    assert found.first_run


@pytest.mark.parametrize("ordinal", [0, 1])
@pytest.mark.parametrize("pair", [["10.70.112.155", "10.70.112.156"], ["fd70:112::155", "fd70:112::156"]])
def test_a_pod_of_a_set_speaks_of_its_own_address_alone(pair: list[str], ordinal: int) -> None:
    own, other = ip_address(pair[ordinal]), ip_address(pair[1 - ordinal])
    assert report_of(pod_of(pair, ordinal, conflict(own, MAC).message)) is not None
    assert report_of(pod_of(pair, ordinal, conflict(other, MAC).message)) is None


def test_the_file_that_the_router_writes_is_the_message(tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    router = LastWords(log, 0, lambda _kind: Mark())
    with pytest.raises(Told):
        router.troubled(conflict(ip_address("10.70.112.155"), MAC))
    found = report_of(pod_of(["10.70.112.155"], 0, log.read_text()))
    assert found is not None
    assert found.mac == MAC.hex(":")


def test_a_fault_is_not_taken_for_a_conflict() -> None:
    source = ip_address("10.70.112.155")
    for fault in (faults.lan_proxy(source, MAC), faults.node_masquerades(source, "10.70.112.61", "eth1")):
        assert report_of(pod_of([str(source)], 0, of_fault(fault).message)) is None
