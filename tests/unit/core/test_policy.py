# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The compiled NetworkPolicy admits whom the rules admit: held against an evaluator of one client at a time."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.annotations.avi_proxy import parse_avi_proxy
from ansible_collections.avi.egress.plugins.module_utils.annotations.service_port import ServicePort
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidAnnotation, Refused
from ansible_collections.avi.egress.plugins.module_utils.workload.exposure import EgressPods, widening
from ansible_collections.avi.egress.plugins.module_utils.workload.manifests import network_policy
from ansible_collections.avi.egress.plugins.module_utils.workload.network_policy import (
    MAX_BLOCKS,
    Project,
    ingress_rules,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.builders import cloud, service

from .samples import ALLOW_TENANT_DENY_ALL

ACTION = "NETWORK_SECURITY_POLICY_ACTION_TYPE_"
PORTS = (ServicePort(80, "TCP", 8080), ServicePort(443, "TCP", 443), ServicePort(53, "UDP", 53))
OWN = [{"podSelector": {}}]


def rule(index: int, action: str, match: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    base = {"index": index, "enable": True, "name": f"rule-{index}", "action": ACTION + action, "match": match or {}}
    return {**base, **fields}


def group(project: str, criteria: str = "IS_IN", slash: str = "/") -> dict[str, Any]:
    ref = f"/api/microservicegroup{slash}?name={project}-avi-microservicegroup"
    return {"microservice": {"match_criteria": criteria, "group_ref": ref}}


def ip(address: str) -> dict[str, str]:
    return {"addr": address, "type": "V6" if ":" in address else "V4"}


def prefix(cidr: str) -> dict[str, Any]:
    address, _slash, mask = cidr.partition("/")
    return {"ip_addr": ip(address), "mask": int(mask)}


def clients(*cidrs: str, criteria: str = "IS_IN", **kinds: Any) -> dict[str, Any]:
    content = {"match_criteria": criteria, **kinds}
    if cidrs:
        content["prefixes"] = [prefix(cidr) for cidr in cidrs]
    return {"client_ip": content}


def vs_port(*numbers: int, criteria: str = "IS_IN") -> dict[str, Any]:
    return {"vs_port": {"match_criteria": criteria, "ports": list(numbers)}}


GREEN = Project("green", {"podSelector": {}})


def text(*rules: dict[str, Any]) -> str:
    return json.dumps({"networksecuritypolicy": {"rules": rules}})


def compiled(*rules: dict[str, Any], ports: tuple[ServicePort, ...] = PORTS) -> list[dict[str, Any]]:
    policy = parse_avi_proxy(text(*rules))
    assert policy is not None
    return ingress_rules(policy, GREEN, ports, "Service green/web")


def refused(*rules: dict[str, Any], ports: tuple[ServicePort, ...] = PORTS) -> str:
    with pytest.raises(Refused) as caught:
        compiled(*rules, ports=ports)
    assert caught.value.reason == "PolicyNotSupported"
    assert str(caught.value).startswith("Service green/web: avi_proxy")
    return str(caught.value)


def test_the_articles_sample_is_the_default() -> None:
    assert network_policy(service(avi_proxy=ALLOW_TENANT_DENY_ALL), cloud()) == network_policy(service(), cloud())
    assert network_policy(service(), cloud())["spec"]["ingress"] == [{"from": OWN}]


def test_the_egress_pods_network_policy_follows_the_annotation() -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "blue"}}}
    found = network_policy(service(avi_proxy=text(rule(1, "ALLOW", {**group("blue"), **vs_port(80)}))), cloud())
    assert found["spec"]["ingress"] == [{"from": [peer], "ports": [{"protocol": "TCP", "port": 80}]}]
    assert found["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert found["spec"]["egress"] == [{}], "all, so that a project's default-deny doesn't keep it from its names"


def test_the_egress_controller_reaches_the_health_port_alone() -> None:
    pods = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "avi-egress"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "avi-egress-controller"}},
    }
    asking = {"from": [pods], "ports": [{"protocol": "TCP", "port": 1000}]}
    egress_pod = {"destination_ip": "10.10.10.200", "hm_port": 1000}
    known = replace(cloud(), controller_namespace="avi-egress")
    assert network_policy(service(egress_pod), known)["spec"]["ingress"] == [{"from": OWN}, asking]
    closed = service(egress_pod, avi_proxy=text(rule(1, "DENY")))
    assert network_policy(closed, known)["spec"]["ingress"] == [asking]
    off = service({**egress_pod, "probe": {"interval": 0}})
    assert network_policy(off, known)["spec"]["ingress"] == [{"from": OWN}]


@pytest.mark.parametrize("avi_proxy", [None, text(rule(1, "DENY"))])
def test_those_who_read_metrics_reach_the_health_port_alone(avi_proxy: str | None) -> None:
    of = service({"destination_ip": "10.10.10.200", "hm_port": 1000}, avi_proxy=avi_proxy)
    before = network_policy(of, cloud())["spec"]["ingress"]
    found = network_policy(of, replace(cloud(), monitoring_namespaces=("monitoring", "apm")))
    names = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": x}}} for x in ("monitoring", "apm")]
    assert found["spec"]["ingress"] == [*before, {"from": names, "ports": [{"protocol": "TCP", "port": 1000}]}]
    pods = EgressPods("green", found["metadata"]["name"], "green", avi_proxy is not None)
    assert list(widening([found], pods)) == [], "what the cloud admits is no finding"


@pytest.mark.parametrize("value", ["{}", '{"virtualservice": {"a": [1]}, "pool": "x"}'])
def test_without_rules_the_own_project_alone_is_admitted(value: str) -> None:
    assert network_policy(service(avi_proxy=value), cloud()) == network_policy(service(), cloud())


@pytest.mark.parametrize("slash", ["/", ""])
def test_another_projects_group_is_its_namespace(slash: str) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "blue"}}}
    assert compiled(rule(1, "ALLOW", group("blue", slash=slash))) == [{"from": [peer]}]
    assert compiled(rule(2, "ALLOW", group("blue")), rule(1, "ALLOW", group("green"))) == [{"from": [*OWN, peer]}]


def test_addresses_are_blocks() -> None:
    content = {
        "addrs": [ip("192.0.2.1"), "2001:db8::1"],
        "prefixes": [prefix("10.0.0.7/8")],
        "ranges": [{"begin": ip("198.51.100.0"), "end": ip("198.51.100.2")}],
    }
    assert compiled(rule(1, "DENY", clients("10.0.0.0/9")), rule(2, "ALLOW", clients(**content))) == [
        {
            "from": [
                {"ipBlock": {"cidr": cidr}}
                for cidr in ("10.128.0.0/9", "192.0.2.1/32", "198.51.100.0/31", "198.51.100.2/32", "2001:db8::1/128")
            ]
        }
    ]


def test_everybody_is_a_rule_without_peers_and_nobody_is_no_rule() -> None:
    assert compiled(rule(1, "ALLOW")) == [{}]
    assert compiled(rule(1, "ALLOW", clients("0.0.0.0/0", "::/0"))) == [{}]
    assert compiled(rule(1, "ALLOW", clients("0.0.0.0/0"))) == [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]
    assert compiled() == compiled(rule(1, "DENY")) == compiled(rule(1, "DENY"), rule(2, "ALLOW")) == []


def test_whom_no_rule_decides_on_is_denied() -> None:
    assert compiled(rule(1, "DENY", clients("10.0.0.0/8"))) == []


def test_the_lower_index_decides_wherever_it_stands() -> None:
    assert compiled(rule(20, "ALLOW"), rule(3, "DENY")) == []
    assert compiled(rule(3, "DENY"), rule(2, "ALLOW")) == [{}]


def test_a_disabled_rule_has_no_effect_whatever_it_asks_for() -> None:
    idle = rule(1, "RATE_LIMIT", {**clients(group_refs=["/api/ipaddrgroup/?name=x"])}, enable=False, log=True, age=5)
    assert compiled(idle, rule(2, "ALLOW", group("green"))) == [{"from": OWN}]


def test_ports_of_the_service_become_ports_of_the_pod() -> None:
    assert compiled(rule(1, "ALLOW", {**group("green"), **vs_port(80, 53, 9999)})) == [
        {"from": OWN, "ports": [{"protocol": "TCP", "port": 8080}, {"protocol": "UDP", "port": 53}]}
    ]
    assert compiled(rule(1, "ALLOW", vs_port(80, criteria="IS_NOT_IN")), rule(2, "ALLOW", group("green"))) == [
        {"from": OWN, "ports": [{"protocol": "TCP", "port": 8080}]},
        {"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "UDP", "port": 53}]},
    ]


def test_ports_that_share_a_target_cannot_be_told_apart() -> None:
    shared = (ServicePort(80, "TCP", 8080), ServicePort(81, "TCP", 8080), ServicePort(82, "UDP", 8080))
    assert "rule 1 'rule-1'" in refused(rule(1, "ALLOW", vs_port(80)), ports=shared)
    assert compiled(rule(1, "ALLOW", vs_port(80, 81)), ports=shared) == [{"ports": [{"protocol": "TCP", "port": 8080}]}]


@pytest.mark.parametrize(
    ("unsupported", "why"),
    [
        (rule(7, "RATE_LIMIT", rl_param={"max_rate": 1, "burst_size": 0}), "rate"),
        (rule(7, "RATE_LIMIT"), "rate"),
        (rule(7, "ALLOW", rl_param={"max_rate": 1}), "rate"),
        (rule(7, "ALLOW", log=True), "log"),
        (rule(7, "DENY", log=True), "log"),
        (rule(7, "ALLOW", age=10), "10 minutes"),
        (rule(7, "ALLOW", clients(group_refs=["/api/ipaddrgroup/?name=dmz"])), "dmz"),
        (rule(7, "DENY", clients("10.0.0.0/8", group_refs=["/api/ipaddrgroup/?name=dmz"])), "dmz"),
        (
            rule(
                7, "ALLOW", {"microservice": {"match_criteria": "IS_IN", "group_ref": "/api/microservicegroup/?name=x"}}
            ),
            "x",
        ),
        (rule(7, "ALLOW", group("green\n")), "green"),
        (rule(7, "ALLOW", group("a.b")), "a.b"),
        (rule(7, "ALLOW", group("Green")), "Green"),
        (rule(7, "ALLOW", group("green", slash="//")), "green"),
    ],
)
def test_what_a_network_policy_has_no_words_for_is_refused_by_name(unsupported: dict[str, Any], why: str) -> None:
    sentence = refused(rule(1, "ALLOW", group("green")), unsupported)
    assert "rule 7 'rule-7'" in sentence
    assert why in sentence


@pytest.mark.parametrize(
    "rules",
    [
        [rule(1, "DENY", clients("10.0.0.0/24")), rule(2, "ALLOW", group("green"))],
        [rule(1, "DENY", clients("0.0.0.0/0")), rule(2, "ALLOW", group("green"))],
        [rule(1, "DENY", group("blue")), rule(2, "ALLOW", clients("10.0.0.0/8"))],
        [rule(1, "DENY", group("blue")), rule(2, "ALLOW")],
        [rule(1, "ALLOW"), rule(2, "ALLOW", group("blue", "IS_NOT_IN"))][1:],
        [rule(1, "ALLOW", {**group("green"), **clients("10.0.0.0/8")})],
    ],
)
def test_a_verdict_on_group_and_address_at_once_is_refused(rules: list[dict[str, Any]]) -> None:
    assert f"rule {rules[-1]['index']} " in refused(*rules)


def test_what_later_rules_make_good_is_not_refused() -> None:
    deny, allow = rule(1, "DENY", clients("128.0.0.0/1", "::/0")), rule(2, "ALLOW", group("green"))
    assert "rule 2 " in refused(deny, allow)
    assert compiled(deny, allow, rule(3, "ALLOW")) == [{"from": [{"ipBlock": {"cidr": "0.0.0.0/1"}}]}]


def test_a_rules_name_cannot_deceive_who_reads_the_sentence() -> None:
    sentence = refused(rule(1, "ALLOW", log=True, name="x\n\u202e" + "y" * 9000))
    assert sentence.isprintable()
    assert len(sentence) < 300


def test_more_blocks_than_nodes_should_carry_are_refused() -> None:
    scattered = [f"2001:db8:{number:x}::1" for number in range(5)]
    assert str(MAX_BLOCKS) in refused(rule(1, "ALLOW", clients(criteria="IS_NOT_IN", addrs=scattered)))


GOOD = rule(1, "ALLOW")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("", []),
        ("", {}),
        ("", {"rules": []} | {"name": "x"}),
        (".rules", {"rules": {}}),
        (".rules", {"rules": [GOOD, {**GOOD, "name": "other"}]}),
        (".rules", {"rules": [rule(index, "ALLOW") for index in range(65)]}),
        (".rules[0]", {"rules": ["x"]}),
        (".rules[0].Match", {"rules": [{**GOOD, "Match": {}}]}),
        *((f".rules[0].{key}", {"rules": [{k: v for k, v in GOOD.items() if k != key}]}) for key in GOOD),
        *((".rules[0].index", {"rules": [{**GOOD, "index": index}]}) for index in (-1, 2**32, True, "1", 1.0, None)),
        *((".rules[0].enable", {"rules": [{**GOOD, "enable": enable}]}) for enable in (1, "true", None)),
        *((".rules[0].action", {"rules": [{**GOOD, "action": word}]}) for word in ("ALLOW", ACTION, "", None, ["x"])),
        (".rules[0].name", {"rules": [{**GOOD, "name": None}]}),
        (".rules[0].log", {"rules": [{**GOOD, "log": 1}]}),
        (".rules[0].age", {"rules": [{**GOOD, "age": -1}]}),
        (".rules[0].rl_param.max_rate", {"rules": [{**GOOD, "rl_param": {"max_rate": 0}}]}),
        (".rules[0].match.geo", {"rules": [{**GOOD, "match": {"geo": {}}}]}),
    ],
)
def test_a_rule_that_is_not_of_the_grammar_is_refused_by_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidAnnotation) as caught:
        parse_avi_proxy(json.dumps({"networksecuritypolicy": value}))
    assert caught.value.field.startswith(f"avi_proxy.networksecuritypolicy{field}")


@pytest.mark.parametrize(
    "match",
    [
        *({"microservice": {"match_criteria": "IS_IN"}}, {"microservice": {"match_criteria": "IN", "group_ref": "x"}}),
        *({"vs_port": {"match_criteria": "IS_IN", "ports": ports}} for ports in ([], [0], [70000], [True], 80, ["x"])),
        *(clients(), clients(addrs=[]), clients(addrs="10.0.0.1"), clients(addrs=["10.1"]), clients(addrs=[5])),
        *(clients(addrs=[{"addr": "10.0.0.1"}]), clients(addrs=[{"addr": "10.0.0.1", "type": "V6"}])),
        *(clients(addrs=[{"addr": "a.example", "type": "DNS"}]), clients(addrs=["::ffff:10.0.0.1"])),
        *(clients(prefixes=[{"ip_addr": ip("10.0.0.0"), "mask": mask}]) for mask in (33, -1, True, "8", None)),
        *(clients(prefixes=[{"ip_addr": ip("10.0.0.0")}]), clients(prefixes=["10.0.0.0/8"])),
        clients(ranges=[{"begin": ip("10.0.0.2"), "end": ip("10.0.0.1")}]),
        clients(ranges=[{"begin": ip("10.0.0.2"), "end": ip("::1")}]),
        clients("10.0.0.0/8", criteria="is_in"),
    ],
)
def test_a_match_that_is_not_of_the_grammar_is_refused_whole_even_when_disabled(match: dict[str, Any]) -> None:
    with pytest.raises(InvalidAnnotation, match=r"avi_proxy\.networksecuritypolicy\.rules\[0\]\.match"):
        parse_avi_proxy(text(rule(1, "ALLOW", match, enable=False)))


@pytest.mark.parametrize("key", ["networksecuritypolicies", "NetworkSecurityPolicy", ""])
def test_an_unknown_top_level_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidAnnotation, match="known are networksecuritypolicy, virtualservice, pool"):
        parse_avi_proxy(json.dumps({key: {}}))


# --- the reference: one client against one rule at a time, on Python's own ipaddress ---


@dataclass(frozen=True)
class Client:
    """A pod of a project, or (None) something that is no pod."""

    project: str | None
    address: str


INSIDE = [f"10.0.0.{last}" for last in range(8)]
ADDRESSES = [*INSIDE, "9.255.255.255", "10.0.0.8", "192.0.2.1", "2001:db8::", "2001:db8::1", "2001:db8::2", "fe00::"]
"""Everything that generated rules can name, and neighbours: within the rest all addresses of a family are alike."""
PROJECTS = ["green", "blue", "red"]


address_of = cache(ipaddress.ip_address)
network_of = cache(ipaddress.ip_network)


def holds(criteria: str, is_in: bool) -> bool:
    return is_in == (criteria == "IS_IN")


def named(content: dict[str, Any], address: str) -> bool:
    found = address_of(address)
    singles = [address_of(item["addr"]) for item in content.get("addrs", [])]
    nets = [network_of(f"{i['ip_addr']['addr']}/{i['mask']}", strict=False) for i in content.get("prefixes", [])]
    ranges = [[address_of(i[key]["addr"]) for key in ("begin", "end")] for i in content.get("ranges", [])]
    within = any(found.version == low.version and low <= found <= high for low, high in ranges)  # type: ignore[operator]
    return found in singles or any(found in net for net in nets) or within


def matches(match: dict[str, Any], client: Client, port: ServicePort) -> bool:
    group_of = match.get("microservice")
    by_address, by_port = match.get("client_ip"), match.get("vs_port")
    return (
        (not group_of or holds(group_of["match_criteria"], f"={client.project}-avi" in group_of["group_ref"]))
        and (not by_address or holds(by_address["match_criteria"], named(by_address, client.address)))
        and (not by_port or holds(by_port["match_criteria"], port.port in by_port["ports"]))
    )


def allowed_by_rules(rules: list[dict[str, Any]], client: Client, port: ServicePort) -> bool:
    enabled = [item for item in sorted(rules, key=lambda item: item["index"]) if item["enable"]]
    deciding = next((item for item in enabled if matches(item["match"], client, port)), None)
    return deciding is not None and deciding["action"] == ACTION + "ALLOW"


def allowed_by_network_policy(
    found: list[dict[str, Any]], client: Client, port: ServicePort, blocks_match_pods: bool
) -> bool:
    def peer_matches(peer: dict[str, Any]) -> bool:
        if "podSelector" in peer:
            return client.project == "green"
        if "namespaceSelector" in peer:
            return client.project == peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        is_pod = client.project is not None
        block = network_of(peer["ipBlock"]["cidr"])
        return (blocks_match_pods or not is_pod) and address_of(client.address) in block

    def rule_matches(item: dict[str, Any]) -> bool:
        on_port = "ports" not in item or {"protocol": port.protocol, "port": port.pod_port} in item["ports"]
        return on_port and ("from" not in item or any(map(peer_matches, item["from"])))

    return any(map(rule_matches, found))


blocks = st.sampled_from(
    [
        *(f"{address}/32" for address in INSIDE),
        *("10.0.0.0/30", "10.0.0.4/30", "10.0.0.2/31", "0.0.0.0/0", "::/0"),
        *("2001:db8::/128", "2001:db8::1/128", "2001:db8::/127"),
    ]
)
criteria_words = st.sampled_from(["IS_IN", "IS_NOT_IN"])


@st.composite
def client_matches(draw: st.DrawFn) -> dict[str, Any]:
    low, high = sorted(draw(st.tuples(st.sampled_from(INSIDE), st.sampled_from(INSIDE))))
    kinds: dict[str, Any] = {}
    if draw(st.booleans()):
        kinds["addrs"] = [ip(address) for address in draw(st.lists(st.sampled_from(INSIDE), max_size=2))]
    if draw(st.booleans()):
        kinds["ranges"] = [{"begin": ip(low), "end": ip(high)}]
    return clients(*draw(st.lists(blocks, min_size=1, max_size=3)), criteria=draw(criteria_words), **kinds)


@st.composite
def rule_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    indexes = draw(st.lists(st.integers(0, 50), max_size=5, unique=True))
    found = []
    for index in indexes:
        match: dict[str, Any] = {}
        if draw(st.booleans()):
            match |= group(draw(st.sampled_from(PROJECTS[:2])), draw(criteria_words))
        if draw(st.booleans()):
            match |= draw(client_matches())
        if draw(st.integers(0, 3)) == 0:
            match |= vs_port(*draw(st.lists(st.sampled_from([80, 443, 53, 99]), min_size=1, max_size=2)))
            match["vs_port"]["match_criteria"] = draw(criteria_words)
        action = draw(st.sampled_from(["ALLOW", "ALLOW", "DENY"]))
        found.append(rule(index, action, match, enable=draw(st.integers(0, 4)) > 0))
    return found


@settings(max_examples=400)
@given(rule_lists())
def test_the_network_policy_admits_exactly_whom_the_rules_admit(rules: list[dict[str, Any]]) -> None:
    try:
        found = compiled(*rules)
    except Refused:
        assert any(inexpressible(rules, project, port) for project in PROJECTS for port in PORTS)
        return
    for port in PORTS:
        for address in ADDRESSES:
            for project in [None, *PROJECTS]:
                client = Client(project, address)
                wanted = allowed_by_rules(rules, client, port)
                assert allowed_by_network_policy(found, client, port, blocks_match_pods=True) == wanted
                if project is None or not wanted:  # where blocks spare pods it may deny more, never less
                    assert allowed_by_network_policy(found, client, port, blocks_match_pods=False) == wanted


def inexpressible(rules: list[dict[str, Any]], project: str, port: ServicePort) -> bool:
    """Whether the project's pods are allowed from some addresses only, and other ones than everybody else is."""
    own = [allowed_by_rules(rules, Client(project, address), port) for address in ADDRESSES]
    others = [allowed_by_rules(rules, Client(None, address), port) for address in ADDRESSES]
    return own != others and not all(own)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(["ALLOW", "DENY"]), st.sampled_from(PROJECTS)), max_size=6))
def test_rules_on_groups_alone_are_always_expressible(items: list[tuple[str, str]]) -> None:
    rules = [rule(index, action, group(project)) for index, (action, project) in enumerate(items)]
    found = compiled(*rules)
    for project in [None, *PROJECTS]:
        client = Client(project, "192.0.2.1")
        assert allowed_by_network_policy(found, client, PORTS[0], True) == allowed_by_rules(rules, client, PORTS[0])
