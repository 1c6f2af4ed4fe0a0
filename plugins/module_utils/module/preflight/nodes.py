# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_egress_preflight``: looks at nodes by short-lived pods of the router's image, and takes all away again.

What it makes is in one namespace of its own, but for the leases of the addresses that the pods send from. A task that
is killed leaves both; the next one begins with taking them away.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from time import monotonic
from typing import Any, Iterator, Mapping, Sequence

from ...api import addresses
from ...api.errors import AlreadyExists, Conflict, EgressError, InvalidInput, NotFound, PoolExhausted, Refused
from ...api.reasons import Reason
from ...api.resources import (
    DEPLOYMENT,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    NAMESPACE,
    NAMESPACE_LABEL,
    NODE,
    POD,
    SECRET,
    SERVICE_ACCOUNT,
    KubeObject,
)
from ...api.timestamps import utc_now
from ...client.fan_out import each
from ...client.kube_client import KubeClient, Selection
from ...ipam import lease_status, leases
from ...ipam.cloud import DEFAULT_ROUTER_IMAGE, EgressCloud, read_cloud
from ...ipam.leases import Claim, Slot
from ...ipam.network import EgressNetwork
from ..argument_specs import ArgumentSpec
from ..lease.dry_run import ChanceDraw
from ..lease.snapshot_store import SnapshotStore
from ..lease.view import LeasingView
from ..result import Result
from ..waiting import Objects, until
from . import pods
from .pods import PREFLIGHT_NAMESPACE, Finding, Question, Setting

SUBJECT = "avi_egress_preflight"
CONTROLLER = "avi-egress-controller"
SERVICE = "preflight"
"""What the leases are for, in place of a service."""
ENDED = "PreflightEnded"
LAST_SLOT = 63
GONE_SECONDS = 60
"""How long the namespace may take to go."""
SPEC = ArgumentSpec(
    {
        "networks": {"type": "list", "elements": "str", "default": []},
        "node_selector": {"type": "dict", "default": {}},
        "image": {"type": "str"},
        "controller_namespace": {"type": "str", "default": "avi-egress"},
        "wait_timeout": {"type": "int", "default": 180},
    }
)

Options = Mapping[str, Any]


def validate(options: Options) -> None:
    """Refuse what would look at nothing."""
    if options["wait_timeout"] < 1:
        expected = "give the seconds that pods may take, from 1"
        raise InvalidInput(SUBJECT, "wait_timeout", options["wait_timeout"], expected)


def report(cluster: KubeClient, options: Options, check_mode: bool) -> Result:
    """A finding for each node and subnet; in check mode those that there would be. Nothing is changed for good."""
    view = LeasingView(cluster)
    networks = _networks(view, options["networks"])
    cloud = _cloud(cluster)
    selector = {key: str(value) for key, value in options["node_selector"].items()}
    nodes = pods.candidates(cluster.list(NODE), selector or (cloud.pods.node_selector if cloud else {}))
    if selector and not nodes:
        raise InvalidInput(SUBJECT, "node_selector", options["node_selector"], "no node has these labels")
    if check_mode or not nodes or not any(network.subnets for network in networks):
        questions = list(_questions(networks, {}))
        return _result([finding for node in nodes for finding in pods.foreseen(node, questions)], ())
    image = options["image"] or (cloud.router_image if cloud else DEFAULT_ROUTER_IMAGE)
    return _look(cluster, view, networks, nodes, {**options, "image": image})


def _networks(view: LeasingView, names: Sequence[str]) -> list[EgressNetwork]:
    return [view.network(name) for name in dict.fromkeys(names) or sorted(view.network_objects)]


def _questions(networks: Sequence[EgressNetwork], leased: Mapping[tuple[str, str], str]) -> Iterator[Question]:
    for network in networks:
        for subnet in network.subnets:
            yield Question(network, subnet, leased.get((network.name, subnet.cidr)))


def _result(found: Sequence[Finding], warnings: Sequence[str]) -> Result:
    told = [{**asdict(item), "looks": list(item.looks)} for item in found]
    return Result(False, {}, {}, {"findings": told}, warnings)


def _look(
    cluster: KubeClient,
    view: LeasingView,
    networks: Sequence[EgressNetwork],
    nodes: Sequence[KubeObject],
    options: Options,
) -> Result:
    image, secrets = options["image"], _pull_secrets(cluster, options["controller_namespace"])
    place = _make_place(cluster)
    warnings: list[str] = []
    try:
        for secret in secrets:
            cluster.create(SECRET, pods.pull_secret(secret))
        leased = dict(_lease(cluster, view, networks, warnings))
        questions = list(_questions(networks, leased))
        setting = Setting(image, [secret["metadata"]["name"] for secret in secrets], options["wait_timeout"])
        found = _run(cluster, nodes, questions, setting)
    finally:
        if not _remove(cluster, place):
            warnings.append(
                f"Namespace {PREFLIGHT_NAMESPACE} is not gone after {GONE_SECONDS} s, so the addresses leased for it "
                "stay leased; the next run takes both away"
            )
    return _result(found, warnings)


def _cloud(cluster: KubeClient) -> EgressCloud | None:
    clouds = sorted(cluster.list(EGRESS_CLOUD), key=lambda cloud: str(cloud["metadata"]["name"]))
    return read_cloud(clouds[0]) if clouds else None


def _pull_secrets(cluster: KubeClient, namespace: str) -> list[KubeObject]:
    """What the controller's image is pulled with, and so the router's."""
    controller = cluster.get(DEPLOYMENT, CONTROLLER, namespace)
    named = controller["spec"]["template"]["spec"].get("imagePullSecrets") or () if controller else ()
    found = (cluster.get(SECRET, item["name"], namespace) for item in named)
    return [secret for secret in found if secret]


def _make_place(cluster: KubeClient) -> KubeObject:
    """The namespace with the account, made anew: what a killed task has left is taken away first."""
    if former := cluster.get(NAMESPACE, PREFLIGHT_NAMESPACE):
        if pods.PREFLIGHT_LABEL not in (former["metadata"].get("labels") or {}):
            raise Refused(
                Reason.NAME_TAKEN,
                f"Namespace {PREFLIGHT_NAMESPACE}: it is there, and no preflight has made it; delete or rename it",
            )
        if not _remove(cluster, former):
            raise EgressError(f"Namespace {PREFLIGHT_NAMESPACE}: it is of an earlier preflight and does not go")
    _give_back(cluster)
    try:
        place = cluster.create(NAMESPACE, pods.namespace())
    except AlreadyExists:
        raise Refused(Reason.IN_USE, "another preflight has just begun; wait for its end") from None
    cluster.create(SERVICE_ACCOUNT, pods.account())
    return place


def _remove(cluster: KubeClient, place: KubeObject) -> bool:
    """Take the namespace away, with all that is in it, and then give the addresses back; False if it does not go.

    One that another task has made meanwhile is left alone, and so are the addresses, which are that task's by now.
    """
    uid = place["metadata"]["uid"]
    try:
        cluster.delete_named(NAMESPACE, PREFLIGHT_NAMESPACE, preconditions={"uid": uid})
    except Conflict:
        return True

    def is_gone(found: Objects) -> bool:
        return all(item["metadata"]["uid"] != uid for item in found.values())

    watched = Selection(NAMESPACE, fields=f"metadata.name={PREFLIGHT_NAMESPACE}")
    left = until(cluster, watched, is_gone, monotonic() + GONE_SECONDS)
    if not left:
        _give_back(cluster)
    return is_gone(left)


def _lease(
    cluster: KubeClient, view: LeasingView, networks: Sequence[EgressNetwork], warnings: list[str]
) -> Iterator[tuple[tuple[str, str], str]]:
    """An address of each subnet, by network and subnet; none where none is to be had, and a warning."""
    snapshot = view.snapshot()
    store = SnapshotStore(cluster, snapshot)
    for name in [network.name for network in networks]:
        network = view.leasable[name]
        for number, subnet in enumerate(network.subnets[: LAST_SLOT + 1]):
            slot = Slot(name, PREFLIGHT_NAMESPACE, SERVICE, number)
            asked = Claim(slot, ip_family=addresses.family_of(subnet.cidr))
            try:
                lease = leases.claim(store, network.within(subnet), asked, ChanceDraw(snapshot, name), utc_now())
            except (PoolExhausted, Refused, Conflict) as error:
                warnings.append(f"{subnet.cidr} is looked at without an address of its own: {error}")
            else:
                yield (name, subnet.cidr), str(lease_status.address(lease))


def _give_back(cluster: KubeClient) -> None:
    """At once, without a quarantine: no firewall was told of these addresses."""
    for lease in cluster.list(EGRESS_LEASE, labels=f"{NAMESPACE_LABEL}={PREFLIGHT_NAMESPACE}"):
        if not lease_status.is_expired(lease):
            with suppress(Conflict, NotFound):
                leases.free(cluster, leases.release(cluster, lease, utc_now(), ENDED))


def _run(
    cluster: KubeClient, nodes: Sequence[KubeObject], questions: Sequence[Question], setting: Setting
) -> list[Finding]:
    """All pods side by side."""
    asked = {node["metadata"]["name"]: pods.asked_of(node, questions) for node in nodes if pods.is_ready(node)}
    wanted = [pods.pod(number, name, mine, setting) for number, (name, mine) in enumerate(asked.items()) if mine]
    each(lambda pod: cluster.create(POD, pod), wanted)
    made = {f"{PREFLIGHT_NAMESPACE}/{pod['metadata']['name']}" for pod in wanted}
    seen = until(
        cluster,
        Selection(POD, PREFLIGHT_NAMESPACE),
        lambda found: all(name not in found or pods.is_over(found[name]) for name in made),
        monotonic() + setting.seconds,
    )
    by_node = {pod["spec"]["nodeName"]: pod for pod in seen.values()}
    return [
        finding for node in nodes for finding in pods.findings(node, questions, by_node.get(node["metadata"]["name"]))
    ]
