# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The work of reading an annotation, counted, and annotations that try to make it large."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from types import FrameType
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.annotations.annotation_json import MAX_LENGTH
from ansible_collections.avi.egress.plugins.module_utils.annotations.avi_proxy import parse_avi_proxy
from ansible_collections.avi.egress.plugins.module_utils.annotations.service_port import ServicePort
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.workload.network_policy import Project, ingress_rules

MOST_CALLS = 400_000
"""Some 50 ms: what an annotation full of ranges takes to be compiled, and a little beyond."""
LONGEST_REFUSAL = 400
PORTS = [ServicePort(number, "TCP", number) for number in range(1, 65)]
ACTION = "NETWORK_SECURITY_POLICY_ACTION_TYPE_"
PIECES = [
    *'{}[],:"\\',
    "0",
    "-1",
    "9" * 30,
    "1e999",
    "true",
    "null",
    "ranges",
    "addrs",
    "::",
    "10.0.0.0/8",
    " ",
    "\u0000",
    "é",
]


NUMBERS = [0, -1, 65536, 10**30, 1e300]
VALUES: list[Any] = [None, True, *NUMBERS, "", "0", "::", "::/0", "10.0.0.0/8", "é" * 300, [], {}, [[]], {"": {}}]
KEYS = ["", "ranges", "addrs", "prefixes", "begin", "mask", "ports", "destinations", "source_ip", "rules", "x" * 300]


@dataclass(frozen=True)
class Work:
    """What it took to read an annotation."""

    calls: int
    refusal: str
    """What its owner is told; empty if it was read."""


def work_of(read: Callable[[], Any]) -> Work:
    """How many calls some reading makes; only an error that is told to the annotation's owner may end it."""
    made = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    told = ""
    sys.setprofile(count)
    try:
        read()
    except EgressError as error:
        told = str(error)
    finally:
        sys.setprofile(None)
    return Work(made, told)


def calls(read: Callable[[], Any]) -> int:
    """How many calls some reading makes, which is refused by one sentence if at all."""
    work = work_of(read)
    assert len(work.refusal) < LONGEST_REFUSAL, work.refusal
    return work.calls


def rules(*matches: dict[str, Any], action: str = "ALLOW") -> dict[str, Any]:
    head = {"enable": True, "name": "", "action": ACTION + action}
    return {"networksecuritypolicy": {"rules": [{**head, "index": n, "match": each} for n, each in enumerate(matches)]}}


def ranges(count: int) -> list[dict[str, str]]:
    """The widest unaligned ranges of IPv6: each is 222 blocks."""
    return [{"begin": f"1:{n:x}::1", "end": f"1:{n:x}:ffff:ffff:ffff:ffff:ffff:fffe"} for n in range(count)]


def group(number: int, criteria: str) -> dict[str, str]:
    return {"match_criteria": criteria, "group_ref": f"/api/microservicegroup/?name=p{number}-avi-microservicegroup"}


Make = Callable[[int], dict[str, Any]]
"""An annotation with so many items."""


def clients(criteria: str) -> Callable[..., dict[str, Any]]:
    return lambda **kinds: {"client_ip": {"match_criteria": criteria, **kinds}}


def avi_proxies(criteria: str) -> dict[str, Make]:
    of = clients(criteria)
    every = {"match_criteria": "IS_NOT_IN"}

    def groups(count: int) -> dict[str, Any]:
        each = range(min(count, 64))
        return rules(*({"vs_port": {**every, "ports": [n + 1]}, "microservice": group(n, criteria)} for n in each))

    return {
        f"ranges {criteria}": lambda count: rules(of(ranges=ranges(count))),
        f"addrs {criteria}": lambda count: rules(of(addrs=hosts(count))),
        f"prefixes {criteria}": lambda count: rules(of(prefixes=[{"ip_addr": n, "mask": 128} for n in hosts(count)])),
        f"refs {criteria}": lambda count: rules(of(group_refs=["x"] * count)),
        f"ranges of each rule {criteria}": lambda count: rules(*[of(ranges=ranges(3))] * min(count, 64)),
        f"groups on all ports but one {criteria}": groups,
        f"ports {criteria}": lambda count: rules({"vs_port": {**every, "ports": list(range(1, count + 1))}}),
        f"rules {criteria}": lambda count: rules(*[{}] * count),
    }


def egress_pods() -> dict[str, Make]:
    one = {"destination_ip": "10.0.0.1"}
    return {
        "destinations": lambda count: {"destinations": {f"{n}.example": {str(n + 1): 80} for n in range(count)}},
        "ports": lambda count: {"destinations": {"10.0.0.1": {str(n + 1): n + 1 for n in range(count)}}},
        "node labels": lambda count: {**one, "nodeSelector": {f"l{n}": "" for n in range(count)}},
        "tolerations": lambda count: {**one, "tolerations": [{"operator": "Exists"}] * count},
        "addresses": lambda count: {**one, "source_ip": hosts(count)},
        "keys": lambda count: {str(n): n for n in range(count)},
    }


def hosts(count: int) -> list[str]:
    return [f"{n:x}::" for n in range(1, count + 1)]


def largest(make: Make) -> str:
    """The longest text that may be in an annotation."""
    few, many = 1, MAX_LENGTH // 5
    while many - few > 1:
        count = (few + many) // 2
        if len(json.dumps(make(count), separators=(",", ":"))) <= MAX_LENGTH:
            few = count
        else:
            many = count
    return json.dumps(make(few), separators=(",", ":"))


_AVI_PROXIES = {**avi_proxies("IS_IN"), **avi_proxies("IS_NOT_IN")}
AVI_PROXIES = {name: largest(make) for name, make in _AVI_PROXIES.items()}
EGRESS_PODS = {name: largest(make) for name, make in egress_pods().items()}
BRACKETS = "[" * (MAX_LENGTH // 2) + "]" * (MAX_LENGTH // 2)
LARGEST = [*AVI_PROXIES.values(), *EGRESS_PODS.values(), BRACKETS]
MAKES = [*_AVI_PROXIES.values(), *egress_pods().values()]


def compile_avi_proxy(text: str) -> None:
    policy = parse_avi_proxy(text)
    if policy is not None:
        ingress_rules(policy, Project("green", {"podSelector": {}}), PORTS, "Service green/web")


def hostile(chance: random.Random) -> str:
    """One of the largest annotations with its text disturbed, or one of any size that is JSON with odd values in it."""
    if chance.random() < 0.5:
        return mutated(chance.choice(LARGEST), chance)
    value = deepcopy(chance.choice(MAKES)(chance.randint(1, 300)))
    for _change in range(chance.randint(1, 6)):
        _change_inside(value, chance)
    return json.dumps(value, separators=(",", ":"))


def mutated(text: str, chance: random.Random) -> str:
    for _mutation in range(chance.randint(1, 6)):
        place = chance.randrange(len(text))
        text = text[:place] + chance.choice(PIECES) * chance.randint(1, 3) + text[place + chance.randint(0, 9) :]
    return text


def _change_inside(value: Any, chance: random.Random) -> None:
    """Replace, remove or repeat one item, at any depth."""
    while value:
        key = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        inside = value[key]
        if isinstance(inside, (dict, list)) and inside and chance.random() < 0.7:
            value = inside
            continue
        way = chance.randrange(3)
        if way == 0:
            value[key] = deepcopy(chance.choice(VALUES))
        elif way == 1:
            del value[key]
        elif isinstance(value, list):
            value.extend(deepcopy(inside) for _copy in range(chance.randint(1, 100)))
        else:
            value[chance.choice(KEYS)] = deepcopy(inside)
        return
