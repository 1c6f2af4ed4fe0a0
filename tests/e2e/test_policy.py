# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``avi_proxy`` with real packets: who gets through to the egress pod, by the article's policy and by others.

Each policy is preceded by its contrary, so that no outcome can be the one of the policy before. A client is a pod,
``green@node1`` is project green's on node1; each tries the service's virtual IP and the egress pod's own.

Addresses: in this cluster's enforcer an address block means whoever sends with such an address, pods too.
Kubernetes leaves that to the network, so ``client_ip`` on pods' addresses is shown here as a truth of this enforcer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.seed import ARTICLE
from tests.support.client import Answer
from tests.support.namespace_client import request
from tests.support.outside import DemoError, Outside
from tests.support.project import NODES, Project
from tests.support.waiting import wait_for

SERVICE = "policed"
HEALTH_PORT = 4
"""The egress pod's ``hm_port``, where the annotation names none."""
ENFORCED_SECONDS = 30
EVERYBODY = frozenset(f"{title}@{node}" for title in ("green", "blue", "third") for node in NODES)

Json = dict[str, Any]


@dataclass(frozen=True)
class World:
    """The service of project green, and the clients of three projects."""

    projects: dict[str, Project]
    source: str
    hosts: tuple[str, str]
    """The service's virtual IP and the egress pod's own."""
    addresses: dict[str, str]
    """Each client's address."""

    @property
    def green(self) -> Project:
        return self.projects["green"]

    def answers(self, client: str, port: int) -> list[Answer]:
        """Those of each of the hosts."""
        title, node = client.split("@")
        return [self.projects[title].fetch(host, port, node) for host in self.hosts]

    def reached(self, port: int = 80) -> frozenset[str]:
        """The clients that get through. A client is treated alike at both destinations, and refused if not served."""
        clients = sorted(EVERYBODY)
        tries = [(client, host) for client in clients for host in self.hosts]
        with ThreadPoolExecutor(4) as pool:
            answers = [
                answer for both in pool.map(lambda client: self.answers(client, port), clients) for answer in both
            ]
        served = {item for item, answer in zip(tries, answers, strict=True) if answer.seen}
        assert {answer.seen for answer in answers} <= {self.source, None}
        assert all(answer.refused for answer in answers if not answer.seen), answers
        by_service, by_pod = ({client for client, to in served if to == host} for host in self.hosts)
        return frozenset(by_service & by_pod) if by_service == by_pod else frozenset({"not the same by both"})

    def annotate(self, rules: list[Json] | str) -> None:
        text = rules if isinstance(rules, str) else json.dumps({"networksecuritypolicy": {"rules": rules}})
        wish = f"avi_proxy={text}"
        self.green.kubectl.run("-n", self.green.name, "annotate", "service", SERVICE, "--overwrite", wish)

    def policy(self) -> Json:
        found: Json = self.green.json("get", "networkpolicy", f"{SERVICE}-avi-egress-pod")
        return found

    def wait_reached(self, expected: frozenset[str], port: int = 80) -> None:
        seen: list[frozenset[str]] = []

        def as_expected() -> bool:
            seen.append(self.reached(port))
            return seen[-1] == expected

        try:
            wait_for("the policy's outcome", as_expected, ENFORCED_SECONDS)
        except AssertionError:
            pytest.fail(f"port {port}: {sorted(seen[-1])} get through, {sorted(expected)} should", pytrace=False)


@pytest.fixture(scope="module")
def world(green: Project, blue: Project, new_project: Any, outside: Outside) -> Iterator[World]:
    ports = [{"name": "foo", "port": 80}, {"name": "bar", "port": 8080}]
    green.create_service(SERVICE, {"destination_ip": outside.destination}, ports=ports)
    projects = {"green": green, "blue": blue, "third": new_project("third", included=False)}
    green.wait_ready(SERVICE)
    addresses = {
        f"{title}@{node}": project.json("get", "pod", f"client-{node}")["status"]["podIP"]
        for title, project in projects.items()
        for node in NODES
    }
    hosts = (green.cluster_ip(SERVICE), green.egress_pods(SERVICE)[0]["status"]["podIP"])
    yield World(projects, green.source_ip(SERVICE), hosts, addresses)
    green.kubectl.run("-n", green.name, "delete", "service", SERVICE)


def rule(index: int, action: str, match: Json, **fields: Any) -> Json:
    action = f"NETWORK_SECURITY_POLICY_ACTION_TYPE_{action}"
    return {"index": index, "enable": True, "name": f"rule{index}", "action": action, "match": match, **fields}


def group(project: Project, criteria: str = "IS_IN") -> Json:
    ref = f"/api/microservicegroup/?name={project.name}-avi-microservicegroup"
    return {"microservice": {"match_criteria": criteria, "group_ref": ref}}


def client_ip(criteria: str = "IS_IN", **kinds: Any) -> Json:
    return {"client_ip": {"match_criteria": criteria, **kinds}}


def ip(address: str) -> Json:
    return {"type": "V4", "addr": address}


def prefix(network: str) -> Json:
    address, _slash, mask = network.partition("/")
    return {"ip_addr": ip(address), "mask": int(mask)}


ALLOW_ALL = [rule(1, "ALLOW", {})]
DENY_ALL = [rule(1, "DENY", {})]


def clients_of(*titles: str) -> frozenset[str]:
    return frozenset(client for client in EVERYBODY if client.split("@")[0] in titles)


def two_groups(world: World) -> tuple[list[Json], frozenset[str]]:
    rules = [rule(10, "ALLOW", group(world.green)), rule(20, "ALLOW", group(world.projects["blue"]))]
    return rules, clients_of("green", "blue")


def another_projects_group_alone(world: World) -> tuple[list[Json], frozenset[str]]:
    return [rule(10, "ALLOW", group(world.projects["blue"]))], clients_of("blue")


def whoever_is_not_in_the_group_is_denied(world: World) -> tuple[list[Json], frozenset[str]]:
    return [rule(10, "DENY", group(world.green, "IS_NOT_IN")), rule(20, "ALLOW", {})], clients_of("green")


def single_addresses(world: World) -> tuple[list[Json], frozenset[str]]:
    chosen = ("green@node1", "third@node2")
    return [rule(10, "ALLOW", client_ip(addrs=[ip(world.addresses[item]) for item in chosen]))], frozenset(chosen)


def a_prefix(world: World) -> tuple[list[Json], frozenset[str]]:
    """The pods of node2, whatever their project."""
    expected = frozenset(client for client in EVERYBODY if client.endswith("@node2"))
    return [rule(10, "ALLOW", client_ip(prefixes=[prefix("10.244.2.0/24")]))], expected


def all_but_a_prefix(world: World) -> tuple[list[Json], frozenset[str]]:
    expected = frozenset(client for client in EVERYBODY if client.endswith("@node1"))
    return [rule(10, "ALLOW", client_ip("IS_NOT_IN", prefixes=[prefix("10.244.2.0/24")]))], expected


def a_range(world: World) -> tuple[list[Json], frozenset[str]]:
    """From the second to the third of node1's clients, as their addresses are ordered."""
    ordered = sorted((IPv4Address(address), client) for client, address in world.addresses.items() if "node1" in client)
    begin, end = ordered[1], ordered[2]
    limits = {"begin": ip(str(begin[0])), "end": ip(str(end[0]))}
    return [rule(10, "ALLOW", client_ip(ranges=[limits]))], frozenset({begin[1], end[1]})


def a_disabled_rule(world: World) -> tuple[list[Json], frozenset[str]]:
    rules = [
        rule(10, "ALLOW", group(world.projects["blue"]), enable=False),
        rule(20, "DENY", group(world.green), enable=False),
        rule(30, "ALLOW", group(world.green)),
    ]
    return rules, clients_of("green")


def the_lower_index_decides(world: World) -> tuple[list[Json], frozenset[str]]:
    """The list is in the contrary order."""
    rules = [
        rule(3000, "ALLOW", group(world.green)),
        rule(2000, "DENY", {}),
        rule(1500, "DENY", group(world.projects["blue"])),
        rule(1000, "ALLOW", group(world.projects["blue"])),
    ]
    return rules, clients_of("blue")


def an_empty_match(world: World) -> tuple[list[Json], frozenset[str]]:
    return ALLOW_ALL, EVERYBODY


def deny_all(world: World) -> tuple[list[Json], frozenset[str]]:
    return DENY_ALL, frozenset()


def rules_of_which_none_decides(world: World) -> tuple[list[Json], frozenset[str]]:
    """An empty list: whom no rule decides on is denied, the own project too."""
    return [], frozenset()


CASES = (
    *(two_groups, another_projects_group_alone, whoever_is_not_in_the_group_is_denied, single_addresses, a_prefix),
    *(
        all_but_a_prefix,
        a_range,
        a_disabled_rule,
        the_lower_index_decides,
        an_empty_match,
        deny_all,
        rules_of_which_none_decides,
    ),
)


def start_from_the_contrary(world: World, expected: frozenset[str], port: int = 80) -> None:
    """Enforce a policy of which no client has the expected outcome, as far as there are only two of them."""
    nobody = bool(expected)
    world.annotate(DENY_ALL if nobody else ALLOW_ALL)
    world.wait_reached(frozenset() if nobody else EVERYBODY, port)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_policy_admits_whom_its_rules_admit(
    world: World, case: Callable[[World], tuple[list[Json], frozenset[str]]]
) -> None:
    rules, expected = case(world)
    start_from_the_contrary(world, expected)
    world.annotate(rules)
    world.wait_reached(expected)


def test_the_articles_policy_admits_the_project_and_nobody_else(world: World) -> None:
    start_from_the_contrary(world, clients_of("green"))
    world.annotate(ARTICLE.avi_proxy.replace("default-avi-micro", f"{world.green.name}-avi-micro"))
    world.wait_reached(clients_of("green"))


def test_a_port_has_its_own_clients(world: World) -> None:
    blue = group(world.projects["blue"])
    start_from_the_contrary(world, clients_of("green"))
    world.annotate(
        [
            rule(10, "ALLOW", {**blue, "vs_port": {"match_criteria": "IS_IN", "ports": [8080]}}),
            rule(20, "ALLOW", group(world.green)),
        ]
    )
    world.wait_reached(clients_of("green"))
    world.wait_reached(clients_of("green", "blue"), port=8080)


def test_without_the_annotation_the_project_alone_is_admitted(world: World) -> None:
    world.annotate(ALLOW_ALL)
    world.wait_reached(EVERYBODY)
    world.green.kubectl.run("-n", world.green.name, "annotate", "service", SERVICE, "avi_proxy-")
    world.wait_reached(clients_of("green"))


def test_a_policy_for_nobody_still_lets_kubelet_probe(world: World) -> None:
    world.annotate(DENY_ALL)
    world.wait_reached(frozenset())
    (pod,) = world.green.egress_pods(SERVICE)
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    assert world.green.condition(SERVICE)["status"] == "True"


def test_a_namespace_that_monitors_reads_the_metrics_and_reaches_nothing_else(world: World) -> None:
    """Whatever the rules say, here that nobody is admitted, and for as long as the cloud lists it."""
    world.annotate(DENY_ALL)
    world.wait_reached(frozenset())
    third, pod = world.projects["third"], world.hosts[1]

    def scraped(title: str) -> str | None:
        try:
            return world.projects[title].scrape(pod, HEALTH_PORT)
        except DemoError:
            return None

    def monitored_from(namespaces: list[str] | None) -> None:
        patch = json.dumps({"spec": {"monitoringNamespaces": namespaces}})
        world.green.kubectl.run("patch", "egresscloud", "default", "--type=merge", "-p", patch)

    assert scraped("third") is None
    try:
        monitored_from([third.name])
        text = wait_for("the scraper to be let in", lambda: scraped("third"), ENFORCED_SECONDS)
        assert text
        assert "egress_router_ready 1.0" in text
        assert scraped("blue") is None
        assert world.reached() == frozenset(), "the health port alone"
    finally:
        monitored_from(None)
    wait_for("the scraper to be refused", lambda: scraped("third") is None, ENFORCED_SECONDS)


@dataclass(frozen=True)
class Refusal:
    """A policy that cannot be enforced, and what the sentence about it must hold."""

    rules: Callable[[World], list[Json]]
    words: tuple[str, ...]


REFUSALS = {
    "rate limit": Refusal(
        lambda world: [rule(7, "RATE_LIMIT", {}, rl_param={"max_rate": 5, "burst_size": 1})],
        ("rule 7", "'rule7'", "cannot limit a rate"),
    ),
    "log": Refusal(
        lambda world: [rule(8, "ALLOW", group(world.green), log=True)],
        ("rule 8", "cannot log", "set log to false"),
    ),
    "age": Refusal(
        lambda world: [rule(9, "ALLOW", group(world.green), age=60)],
        ("rule 9", "60 minutes", "set age to 0"),
    ),
    "a deny inside an allowed group": Refusal(
        lambda world: [
            rule(10, "DENY", client_ip(addrs=[ip(world.addresses["green@node1"])])),
            rule(20, "ALLOW", group(world.green)),
        ],
        ("rule 20", "cannot except addresses from a project"),
    ),
    "everybody but a project": Refusal(
        lambda world: [rule(10, "DENY", group(world.projects["blue"])), rule(20, "ALLOW", {})],
        ("rule 20", "a project from addresses"),
    ),
    "a group that is nobody's": Refusal(
        lambda world: [
            rule(11, "ALLOW", {"microservice": {"match_criteria": "IS_IN", "group_ref": "/api/microservicegroup/7"}})
        ],
        ("rule 11", "is not known here", "PROJECT-avi-microservicegroup"),
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_enforced_is_told_and_touches_nothing(world: World, refusal: Refusal) -> None:
    allowed = [rule(10, "ALLOW", group(world.green))]
    start_from_the_contrary(world, clients_of("green"))
    world.annotate(allowed)
    world.wait_reached(clients_of("green"))
    wait_for("the service is ready", lambda: world.green.condition(SERVICE)["status"] == "True")
    version, pod = world.policy()["metadata"]["resourceVersion"], world.green.egress_pods(SERVICE)[0]["metadata"]["uid"]

    world.annotate(refusal.rules(world))
    wait_for("the condition tells", lambda: world.green.condition(SERVICE)["reason"] == "PolicyNotSupported")
    told = world.green.condition(SERVICE)
    assert told["status"] == "False"
    assert all(word in told["message"] for word in (SERVICE, "avi_proxy", *refusal.words)), told["message"]
    assert world.policy()["metadata"]["resourceVersion"] == version
    assert [item["metadata"]["uid"] for item in world.green.egress_pods(SERVICE)] == [pod]
    assert world.reached() == clients_of("green")

    world.annotate(allowed)
    world.green.wait_ready(SERVICE)


def test_a_policy_with_a_slip_is_told_with_its_position_and_touches_nothing(world: World) -> None:
    world.annotate([rule(10, "ALLOW", group(world.green))])
    world.wait_reached(clients_of("green"))
    version = world.policy()["metadata"]["resourceVersion"]
    world.annotate(ARTICLE.avi_proxy_with_its_slip)
    wait_for("the condition tells", lambda: world.green.condition(SERVICE)["reason"] == "InvalidAnnotation")
    message = world.green.condition(SERVICE)["message"]
    assert all(word in message for word in ("avi_proxy", "line 1", "column 102", "a ':' is missing")), message
    assert world.policy()["metadata"]["resourceVersion"] == version
    assert world.reached() == clients_of("green")


def test_a_node_is_let_through_to_its_own_pod_and_by_its_address_to_others(world: World, cluster: Cluster) -> None:
    """``client_ip`` may name another node, as whose programs run in no project; its own node needs no rule."""
    (pod,) = world.green.egress_pods(SERVICE)
    own = pod["spec"]["nodeName"]
    other = next(name for name in NODES if name != own)
    world.annotate(DENY_ALL)
    world.wait_reached(frozenset())
    assert request(cluster.namespace(own), world.hosts[1]).seen == world.source
    assert request(cluster.namespace(other), world.hosts[1]).refused
    address = str(cluster.layout.node(other).underlay.ip)
    world.annotate([rule(10, "ALLOW", client_ip(addrs=[ip(address)]))])
    wait_for("the other node, too", lambda: request(cluster.namespace(other), world.hosts[1]).seen == world.source)
    world.wait_reached(frozenset())
