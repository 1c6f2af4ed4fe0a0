# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a tenant may write into ``egress_pod``, and that everything else is refused whole, in one sentence."""

from __future__ import annotations

import itertools
import json
from ipaddress import IPv6Address
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.annotations.annotation_json import MAX_DEPTH, MAX_LENGTH
from ansible_collections.avi.egress.plugins.module_utils.annotations.avi_proxy import parse_avi_proxy
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import parse_egress_pod, read_service
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import Destination, EgressPod, Probe
from ansible_collections.avi.egress.plugins.module_utils.api import addresses
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidAnnotation
from egress_router.config import is_usable
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.builders import service, service_object

from .samples import ALLOW_TENANT_DENY_ALL

LONGEST_MESSAGE = 700
"""An Event's message must stay below 1,024 bytes."""


def refusal(annotation: Any) -> InvalidAnnotation:
    text = annotation if isinstance(annotation, str) else json.dumps(annotation)
    with pytest.raises(InvalidAnnotation) as caught:
        parse_egress_pod(text, "Service green/web")
    message = str(caught.value)
    assert message.startswith("Service green/web: egress_pod")
    assert len(message) < LONGEST_MESSAGE
    assert message.isprintable()
    return caught.value


OPTIONAL_KEYS: dict[str, tuple[Any, Any]] = {
    "hm_port": ("1000", 1000),
    "image": ("private-repo:5000/avi-egress-router", "private-repo:5000/avi-egress-router"),
    "nodeSelector": ({"external-accessible-node": "true"}, {"external-accessible-node": "true"}),
    "tolerations": ([{"key": "dmz", "operator": "Exists"}], ({"key": "dmz", "operator": "Exists"},)),
    "network": ("dmz", "dmz"),
    "resolve": ("once", "once"),
    "source_ip": ("10.70.112.155", ("10.70.112.155",)),
}
FIELDS = {"nodeSelector": "node_selector", "source_ip": "source_ips"}
TARGETS: list[dict[str, Any]] = [
    {"destination_ip": "10.10.10.200"},
    {"destinations": {"dest-service1.mycompany.com": {"8080": "80"}, "10.10.20.20": {"9080": "80"}}},
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("count", range(len(OPTIONAL_KEYS) + 1))
def test_every_combination_of_keys_is_read(target: dict[str, Any], count: int) -> None:
    for keys in itertools.combinations(OPTIONAL_KEYS, count):
        found = parse_egress_pod(json.dumps({**target, **{key: OPTIONAL_KEYS[key][0] for key in keys}}))
        assert found.destination_ip == target.get("destination_ip")
        for key, (_written, read) in OPTIONAL_KEYS.items():
            expected = read if key in keys else getattr(EgressPod("", ()), FIELDS.get(key, key))
            assert getattr(found, FIELDS.get(key, key)) == expected


def test_what_is_left_out_has_the_articles_defaults() -> None:
    found = parse_egress_pod('{"destination_ip": "10.10.10.200"}')
    assert found == EgressPod("10.10.10.200", (), hm_port=4, image=None, node_selector={}, ha=False, resolve="ttl")


def test_several_destinations_keep_their_order_and_ports() -> None:
    text = '{"destinations": {"Dest.MyCompany.com.": {"8080": "80", "53/udp": 53}, "2001:DB8::1": {"53/TCP": "5353"}}}'
    assert parse_egress_pod(text).destinations == (
        Destination(8080, "TCP", "dest.mycompany.com.", 80),
        Destination(53, "UDP", "dest.mycompany.com.", 53),
        Destination(53, "TCP", "2001:db8::1", 5353),
    )


@pytest.mark.parametrize("written", [80, "80", "00080"])
def test_hm_port_is_a_number_or_a_string(written: Any) -> None:
    assert parse_egress_pod(json.dumps({"destination_ip": "10.0.0.1", "hm_port": written})).hm_port == 80


@pytest.mark.parametrize(
    "port",
    [
        *(0, 65536, -1, 80.0, True, None, "", "0", "65536", "-1", "+80", " 80", "80\n", "8_0", "\uff18", "0x50", "1e2"),
        *("8" * 9, 10**4000, [80], {}),
    ],
)
def test_only_ports_are_ports(port: Any) -> None:
    assert refusal({"destination_ip": "10.0.0.1", "hm_port": port}).field == "egress_pod.hm_port"
    refusal({"destinations": {"10.0.0.1": {"80": port}}})
    if isinstance(port, str):
        refusal({"destinations": {"10.0.0.1": {port: 80}}})


@pytest.mark.parametrize("key", ["80/sctp", "80/", "/tcp", "tcp/80", "80/tcp/udp", "80/tcp\n", "80/\u017fctp"])
def test_a_port_key_has_at_most_one_known_protocol(key: str) -> None:
    assert "53/udp" in str(refusal({"destinations": {"10.0.0.1": {key: 80}}}))


@pytest.mark.parametrize(
    "host", ["10.10.10.200", "2001:db8::1", "ad-service.mycompany.com", "a", "1.example", "x" * 63]
)
def test_hosts_are_addresses_or_names(host: str) -> None:
    assert parse_egress_pod(json.dumps({"destination_ip": host})).destination_ip == host


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.1",
            "0x7f.1",
            "0x7f",
            "0x7f000001",
            "2130706433",
            "a.0x",
            "10.0.0.256",
            "010.0.0.1",
            "1.2.3.4.",
            "example.8",
        ),
        *(
            "a\n",
            "example.com\n",
            "a b",
            "a..b",
            ".a",
            "",
            ".",
            "-a",
            "a-",
            "a_b",
            "x" * 64,
            "a." * 127 + "aa",
            "a,b",
            "a=b",
        ),
        *(
            "\uff18.8.8.8",
            "\u212aelvin.example",
            "fu\u017fs.example",
            "\u0131.example",
            "\x00",
            "\ud800",
            "fe80::1%eth0",
        ),
        *("http://a.example", "a:80", "[2001:db8::1]", "10.0.0.0/8", "localhost", "LocalHost.", "x.localhost"),
    ],
)
def test_what_resolvers_could_take_for_something_else_is_no_host(host: str) -> None:
    assert refusal({"destination_ip": host}).field == "egress_pod.destination_ip"
    refusal({"destinations": {host: {"80": 80}}})


@pytest.mark.parametrize(
    ("address", "what"),
    [
        *(
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("127.0.0.1", "loopback"),
            ("127.255.0.1", "loopback"),
        ),
        *((address, "metadata") for address in ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254")),
        *(("169.254.169.254", "metadata"), ("224.0.0.1", "multicast"), ("239.255.255.255", "multicast")),
        *(("255.255.255.255", "broadcast"), ("240.0.0.1", "reserved"), ("::", "unspecified"), ("::1", "loopback")),
        *(("fe80::1", "link-local"), ("febf::1", "link-local"), ("ff02::1", "multicast")),
        *(
            ("::ffff:127.0.0.1", "IPv4"),
            ("::ffff:10.0.0.1", "IPv4"),
            ("::127.0.0.1", "IPv4"),
            ("0:0::ffff:a9fe:a9fe", "IPv4"),
        ),
    ],
)
def test_an_address_that_is_not_outside_is_refused_for_what_it_is(address: str, what: str) -> None:
    assert what in refusal({"destination_ip": address}).expected
    refusal({"destinations": {address: {"80": 80}}})


@given(st.ip_addresses() | st.integers(0, 2**16 - 1).map(lambda top: IPv6Address(top << 112 | 1)))
@example(IPv6Address("64:ff9b::10.0.0.1"))
@example(IPv6Address("fec0::1"))
def test_an_address_is_a_destination_unless_the_egress_pod_would_refuse_it(address: Any) -> None:
    # 0.0.0.0/8 is none either; the pod's own test leaves that to its kernel.
    usable = is_usable(address) and not str(address).startswith("0.")
    assert (addresses.why_no_destination(str(address)) is None) is usable


@pytest.mark.parametrize(
    "image", ["a b", "a\nb", "a\n", "", "-a", "/a", "a;b", "$(a)", "a*", "a?b", "a[b]", "x" * 256, 5, None]
)
def test_an_image_is_a_plain_reference(image: Any) -> None:
    assert refusal({"destination_ip": "10.0.0.1", "image": image}).field == "egress_pod.image"


@pytest.mark.parametrize(
    "selector",
    [
        *(
            {"a b": "c"},
            {"a": "b c"},
            {"a": "b\n"},
            {"a\n": "b"},
            {"": "a"},
            {"a": 1},
            {"a": True},
            {"a": None},
            "a",
            [],
            5,
        ),
        *({"/a": "b"}, {"a/": "b"}, {"a..b/c": "d"}, {"a/b/c": "d"}, {"-a": "b"}, {"a" * 64: "b"}, {"a": "b" * 64}),
        *({"A.example/b": "c"}, {"\ud800": "a"}),
    ],
)
def test_a_node_selector_holds_labels(selector: Any) -> None:
    refusal({"destination_ip": "10.0.0.1", "nodeSelector": selector})


@pytest.mark.parametrize("labels", [{}, {"kubernetes.io/hostname": "node-1"}, {"a": ""}, {"a.b-c/D_e.f": "G-h_i.j"}])
def test_a_node_selector_takes_all_that_kubernetes_takes(labels: dict[str, str]) -> None:
    assert parse_egress_pod(json.dumps({"destination_ip": "10.0.0.1", "nodeSelector": labels})).node_selector == labels


@pytest.mark.parametrize(
    "tolerations",
    [
        *(
            None,
            {},
            "dmz",
            [None],
            ["dmz"],
            [[]],
            [{}],
            [{"key": ""}],
            [{"key": "a b"}],
            [{"key": "a/b/c"}],
            [{"key": 1}],
        ),
        *([{"effect": "NoSchedule"}], [{"key": "a", "operator": "exists"}], [{"key": "a", "operator": ["Exists"]}]),
        *([{"key": "a", "value": "b c"}], [{"key": "a", "value": None}], [{"key": "a", "value": True}]),
        *(
            [{"key": "a", "operator": "Exists", "value": "b"}],
            [{"key": "a", "effect": ""}],
            [{"key": "a", "effects": 1}],
        ),
        *([{"key": "a", "tolerationSeconds": 5}], [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}]),
        *([{"key": "a", "effect": "NoExecute", "tolerationSeconds": item}] for item in (True, "5", -1, 1.5, None)),
        [{"operator": "Exists"}] * 33,
    ],
)
def test_a_toleration_is_one_that_kubernetes_takes(tolerations: Any) -> None:
    refusal({"destination_ip": "10.0.0.1", "tolerations": tolerations})


@pytest.mark.parametrize("network", ["a.b", "A", "a_b", "-a", "a\n", "", "x" * 64, 1, None])
def test_a_network_is_named_by_a_dns_label(network: Any) -> None:
    refusal({"destination_ip": "10.0.0.1", "network": network})


@pytest.mark.parametrize("ha", [1, "true", None, 0, []])
def test_ha_is_true_or_false(ha: Any) -> None:
    assert refusal({"destination_ip": "10.0.0.1", "ha": ha}).expected == "give true or false"


def test_source_ip_has_one_address_for_each_slot() -> None:
    two = ["10.0.0.1", "10.0.0.2"]
    assert parse_egress_pod(
        json.dumps({"destination_ip": "10.1.0.1", "ha": True, "source_ip": two})
    ).source_ips == tuple(two)
    assert "1 address" in str(refusal({"destination_ip": "10.1.0.1", "source_ip": two}))
    assert "2 address" in str(refusal({"destination_ip": "10.1.0.1", "ha": True, "source_ip": two[0]}))
    for wrong in ([], None, 5, ["10.0.0.1", 5], "127.1", ["2001:db8::1", "2001:DB8::1"]):
        refusal({"destination_ip": "10.1.0.1", "ha": True, "source_ip": wrong})


def test_destinations_are_tried_every_half_minute_unless_told_otherwise() -> None:
    target = {"destination_ip": "10.10.10.200"}
    assert parse_egress_pod(json.dumps(target)).probe == Probe(30, 3)
    assert parse_egress_pod(json.dumps(target | {"probe": {"interval": 0}})).probe == Probe(0, 3)
    assert parse_egress_pod(json.dumps(target | {"probe": {"interval": 5, "timeout": 1}})).probe == Probe(5, 1)


@pytest.mark.parametrize(
    "probe", [True, 5, [], {"interval": -1}, {"interval": "30"}, {"timeout": 0}, {"timeout": 61}, {"period": 5}]
)
def test_a_probe_has_an_interval_and_a_timeout(probe: Any) -> None:
    assert "egress_pod.probe" in str(refusal({"destination_ip": "10.10.10.200", "probe": probe}))


def test_connections_drain_under_ha_alone() -> None:
    target = {"destination_ip": "10.10.10.200"}
    assert parse_egress_pod(json.dumps(target)).drain_seconds == 0
    assert parse_egress_pod(json.dumps(target | {"ha": True})).drain_seconds == 25
    assert parse_egress_pod(json.dumps(target | {"ha": True, "drainSeconds": 300})).drain_seconds == 300
    assert parse_egress_pod(json.dumps(target | {"drainSeconds": 0})).drain_seconds == 0
    assert refusal(target | {"drainSeconds": 1}).expected.startswith("this is for ha")
    for wrong in (-1, 3601, "5", True, 1.5):
        refusal(target | {"ha": True, "drainSeconds": wrong})


@pytest.mark.parametrize("resolve", ["TTL", "never", None, ["ttl"], {}])
def test_resolve_is_ttl_or_once(resolve: Any) -> None:
    assert refusal({"destination_ip": "10.0.0.1", "resolve": resolve}).field == "egress_pod.resolve"


@pytest.mark.parametrize(
    "annotation", [{}, {"hm_port": 4}, {"destination_ip": "10.0.0.1", "destinations": {"10.0.0.2": {"80": 80}}}]
)
def test_there_is_exactly_one_kind_of_destination(annotation: Any) -> None:
    assert "exactly one" in str(refusal(annotation))


@pytest.mark.parametrize(
    "value", [{}, [], "10.0.0.1", None, {"10.0.0.1": {}}, {"10.0.0.1": "80"}, {"10.0.0.1": ["80"]}]
)
def test_destinations_map_hosts_to_ports(value: Any) -> None:
    assert '{"host": {"service port"' in str(refusal({"destinations": value}))


def test_one_service_port_leads_to_one_destination() -> None:
    refusal({"destinations": {"a.example": {"80": 80}, "b.example": {"80": 80}}})
    refusal({"destinations": {"a.example": {"80": 80, "080/tcp": 81}}})
    parse_egress_pod('{"destinations": {"a.example": {"80": 80, "80/udp": 80}}}')


def test_there_are_not_more_destinations_than_a_pod_serves() -> None:
    assert "64" in str(refusal({"destinations": {"10.0.0.1": {str(port): 1 for port in range(1, 66)}}}))


@pytest.mark.parametrize("key", ["Destination_ip", "hm-port", "", "a\nb", "\u202eevil", "x" * 5000, "\ud800"])
def test_an_unknown_key_is_refused_and_shown_harmlessly(key: str) -> None:
    assert "known are destination_ip, destinations" in str(refusal({"destination_ip": "10.0.0.1", key: 1}))


# The article's own samples, as a reader pastes them from the page.
ARTICLE_OK = [
    r'{"destination_ip": "10.10.10.200"}',
    r'{"hm_port": "1000", "destination_ip": "10.10.10.200"}',
    r'{"image": "private-repo:5000/avi-egress-router", "destination_ip": "10.10.10.200"}',
    r'{"nodeSelector": {"external-accessible-node": "true"}, "destination_ip": "10.10.10.200"}',
]
CURLY_NAME = "\u201c{\\\u201ddestination_ip\\\u201d: \\\u201dad-service.mycompany.com\\\u201d}\u201d"
CURLY_HA = (
    "\u201c{\\\u201dha\\\u201d: true, \\\u201ddestinations\\\u201d: {\\\u201ddest-service1.mycompany.com\\\u201d : "
    "{\\\u201d8080\\\u201d: \\\u201d80\\\u201d}, "
    "\\\u201d10.10.20.20\\\u201d: {\\\u201d9080\\\u201d: \\\u201d80\\\u201d}}"
)


def straight(sample: str) -> str:
    """The sample with its typographic quotes and its backslashes mended: the text that the annotation would hold."""
    return sample.replace("\\\u201d", '"').strip("\u201c\u201d")


@pytest.mark.parametrize("text", [*ARTICLE_OK, straight(CURLY_NAME)])
def test_the_articles_samples_are_read(text: str) -> None:
    parse_egress_pod(text)


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        (CURLY_NAME, "line 1, column 1", "straight quotes"),
        (CURLY_HA, "line 1, column 1", "straight quotes"),
        ("{\u201ddestination_ip\u201d: 1}", "line 1, column 2", "straight quotes"),
        ('{"destination_ip\u201d: "10.0.0.1"}', "line 1, column 21", "straight quotes"),
        (straight(CURLY_HA), f"column {len(straight(CURLY_HA)) + 1}", "1 closing '}' missing"),
        (straight(CURLY_HA).replace('"ha": true, ', ""), "line 1, column", "1 closing '}' missing"),
        (r"{\"destination_ip\": \"10.10.10.200\"}", "line 1, column 2", "backslashes"),
        ('{"destination_ip" "10.0.0.1"}', "line 1, column 19", "':' is missing"),
        ('{"destination_ip":\n "10.0.0.1"\n', "line 3, column 1", "1 closing '}' missing"),
        ('{"destination_ip": "10.0.0.1', "line 1, column 20", "closing quote"),
        ("{'destination_ip': '10.0.0.1'}", "line 1, column 2", "double quotes"),
        ('{"destination_ip": "10.0.0.1"}}', "line 1, column 31", "remove it"),
        ('{"destination_ip": "10.0.0.1",}', "line 1, column", "no JSON here"),
        ('{"destination_ip": "10.0\n.0.1"}', "line 1, column 25", "no JSON here"),
        ("", "line 1, column 1", "it is empty"),
        (" \n", "line 2, column 1", "it is empty"),
        ("\ufeff{}", "line 1, column 1", "no JSON here"),
    ],
)
def test_a_slip_is_shown_where_it_is_with_the_remedy(text: str, where: str, hint: str) -> None:
    error = refusal(text)
    assert where in error.field
    assert hint in error.expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"ha": true, "ha": false, "destination_ip": "10.0.0.1"}', "twice"),
        ('{"destinations": {"a": {"80": 1, "80": 2}}}', "twice"),
        ('{"hm_port": NaN}', "no such number"),
        ('{"hm_port": -Infinity}', "no such number"),
        ('{"hm_port": 1e999, "destination_ip": "10.0.0.1"}', "give a port"),
        ('{"hm_port": ' + "9" * 5000 + "}", "endless number"),
        ('{"a":' * 2500 + "1" + "}" * 2500, "nested"),
        ("[" * 16000, "nested"),
        ('{"a":' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", f"deeper than {MAX_DEPTH}"),
        ('{"a": "' + "x" * MAX_LENGTH + '"}', "at most 16384"),
        (json.dumps('{"destination_ip": "10.0.0.1"}'), "JSON inside a JSON string"),
        *((text, "give a JSON object") for text in ("[]", "null", "5", "true")),
    ],
)
def test_hostile_json_is_refused_for_what_it_is(text: str, hint: str) -> None:
    assert hint in refusal(text).expected


def test_the_deepest_nesting_that_is_read_does_not_break_the_refusal() -> None:
    levels = MAX_DEPTH - 1
    assert "not known" in str(refusal('{"a":' + "[" * levels + "]" * levels + "}"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)
keys = st.sampled_from(["destination_ip", "destinations", "ha", *OPTIONAL_KEYS])


def read_or_refuse(text: str) -> None:
    for parse in (parse_egress_pod, parse_avi_proxy):
        message = ""
        try:
            parse(text)  # type: ignore[operator]
        except InvalidAnnotation as error:
            message = str(error)
        assert message.isprintable()
        assert len(message) < LONGEST_MESSAGE


@given(st.text(st.characters()) | st.text('{}[]":,\\ \n0123456789truefalsn-eE.\u201d', max_size=60))
@example("\ud800")
@example("\x00")
def test_no_text_raises_anything_else_than_invalid_annotation(text: str) -> None:
    read_or_refuse(text)


@given(json_values | st.dictionaries(keys, json_values))
def test_no_json_raises_anything_else_than_invalid_annotation(value: Any) -> None:
    read_or_refuse(json.dumps(value))


addresses_of = {
    family: st.ip_addresses(v=version).map(lambda address: addresses.canonical(str(address)) or "")
    for family, version in (("IPv4", 4), ("IPv6", 6))
}
destinations_of = {
    family: some.filter(lambda text: addresses.why_no_destination(text) is None)
    for family, some in addresses_of.items()
}
names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]([a-z0-9-]{0,9}[a-z0-9])?){0,3}", fullmatch=True).filter(
    lambda text: not text.endswith("localhost")
)
ports = st.integers(1, 65535)


tolerations = st.fixed_dictionaries(
    {"key": st.sampled_from(["dmz", "example.com/Infra"])},
    optional={"value": st.sampled_from(["", "yes"]), "operator": st.just("Equal"), "effect": st.just("NoSchedule")},
)


@st.composite
def egress_pods(draw: st.DrawFn) -> EgressPod:
    family = draw(st.sampled_from(["IPv4", "IPv6"]))
    some_addresses, hosts = addresses_of[family], destinations_of[family] | names
    table = draw(
        st.dictionaries(st.tuples(ports, st.sampled_from(["TCP", "UDP"])), st.tuples(hosts, ports), max_size=5)
    )
    ha = draw(st.booleans())
    sources = draw(st.lists(some_addresses, min_size=2, max_size=2, unique=True)) if draw(st.booleans()) else []
    return EgressPod(
        destination_ip=None if table else draw(hosts),
        destinations=tuple(
            Destination(port, protocol, host, to)
            for (port, protocol), (host, to) in sorted(table.items(), key=lambda item: item[1][0])
        ),
        hm_port=draw(ports),
        image=draw(st.none() | st.from_regex(r"[a-z][a-z0-9./:-]{0,30}", fullmatch=True)),
        node_selector=draw(st.dictionaries(st.from_regex(r"[a-z]{1,5}/?[A-Z]{1,5}", fullmatch=True), st.just("true"))),
        tolerations=tuple(draw(st.lists(tolerations, max_size=3))),
        ha=ha,
        network=draw(st.none() | st.just("dmz")),
        source_ips=tuple(sources[: 2 if ha else 1]),
        resolve=draw(st.sampled_from(["ttl", "once"])),
        probe=Probe(draw(st.integers(0, 3600)), draw(st.integers(1, 60))),
        drain_seconds=draw(st.integers(0, 3600)) if ha else 0,
    )


def rendered(pod: EgressPod) -> str:
    """The annotation that says what an EgressPod says."""
    destinations: dict[str, dict[str, int]] = {}
    for route in pod.destinations:
        destinations.setdefault(route.host, {})[f"{route.port}/{route.protocol.lower()}"] = route.host_port
    value = {
        "destination_ip": pod.destination_ip,
        "destinations": destinations or None,
        "hm_port": pod.hm_port,
        "image": pod.image,
        "nodeSelector": dict(pod.node_selector),
        "tolerations": list(pod.tolerations) or None,
        "ha": pod.ha,
        "network": pod.network,
        "source_ip": list(pod.source_ips) or None,
        "resolve": pod.resolve,
        "probe": {"interval": pod.probe.interval, "timeout": pod.probe.timeout},
        "drainSeconds": pod.drain_seconds,
    }
    return json.dumps({key: item for key, item in value.items() if item is not None})


@given(egress_pods())
def test_what_is_rendered_is_read_back_the_same(pod: EgressPod) -> None:
    assert parse_egress_pod(rendered(pod)) == pod


@given(
    st.lists(destinations_of["IPv4"] | destinations_of["IPv6"] | names, min_size=1, max_size=4, unique=True), st.data()
)
def test_addresses_of_two_families_are_refused_wherever_they_stand(hosts: list[str], data: st.DataObject) -> None:
    sources = data.draw(st.lists(addresses_of["IPv4"] | addresses_of["IPv6"], max_size=1))
    annotation: dict[str, Any] = {"destinations": {host: {str(port): 80} for port, host in enumerate(hosts, 1)}}
    if sources:
        annotation["source_ip"] = sources[0]
    named = [text for text in (*hosts, *sources) if addresses.canonical(text)]
    families = {"IPv6" if ":" in text else "IPv4" for text in named}
    if len(families) < 2:
        assert parse_egress_pod(json.dumps(annotation)).ip_family == next(iter(families), None)
        return
    error = refusal(annotation)
    assert error.field in ("egress_pod.destinations", "egress_pod.source_ip")
    assert error.value in named
    assert named[0] in error.expected


def test_two_source_addresses_of_two_families_are_refused() -> None:
    error = refusal({"destination_ip": "a.example", "ha": True, "source_ip": ["10.0.0.1", "2001:db8::1"]})
    assert str(error) == (
        "Service green/web: egress_pod.source_ip is '2001:db8::1'; this is IPv6, and 10.0.0.1 is IPv4; a service has "
        "addresses of one family, so give each its own"
    )


@pytest.mark.parametrize(
    ("egress_pod", "ip_families", "expected"),
    [
        ({"destination_ip": "10.0.0.1"}, ["IPv6", "IPv4"], "IPv4"),
        ({"destination_ip": "2001:db8::1"}, ["IPv4", "IPv6"], "IPv6"),
        ({"destinations": {"a.example": {"1": 1}, "2001:db8::1": {"2": 2}}}, ["IPv4", "IPv6"], "IPv6"),
        ({"destination_ip": "a.example", "source_ip": "2001:db8::7"}, ["IPv4", "IPv6"], "IPv6"),
        ({"destination_ip": "a.example", "source_ip": "10.0.0.7"}, ["IPv6"], "IPv4"),
        ({"destination_ip": "a.example"}, ["IPv6", "IPv4"], "IPv6"),
        ({"destination_ip": "a.example"}, ["IPv4", "IPv6"], "IPv4"),
        ({"destination_ip": "a.example"}, None, "IPv4"),
    ],
)
def test_a_services_family_is_its_destinations_else_its_sources_else_its_own(
    egress_pod: Any, ip_families: list[str] | None, expected: str
) -> None:
    assert service(egress_pod, ipFamilies=ip_families).ip_family == expected


def test_a_service_without_the_annotation_is_none_of_ours() -> None:
    plain = service_object()
    del plain["metadata"]["annotations"]["egress_pod"]
    assert read_service(plain) is None
    del plain["metadata"]["annotations"]
    assert read_service(plain) is None


def so_many_ports(count: int) -> list[dict[str, Any]]:
    """So many of a Service."""
    return [{"port": 1000 + number} for number in range(count)]


def test_a_service_has_as_many_ports_as_the_data_path_was_measured_with() -> None:
    assert len(service({"destination_ip": "10.0.0.1"}, ports=so_many_ports(1000)).routes) == 1000


def test_every_service_port_leads_to_destination_ip() -> None:
    ports = [{"port": 80, "targetPort": 8080}, {"port": 53, "protocol": "UDP"}, {"port": 81, "targetPort": 8080}]
    found = service({"destination_ip": "10.0.0.1"}, ports=ports)
    assert found.routes == (Destination(8080, "TCP", "10.0.0.1", 8080), Destination(53, "UDP", "10.0.0.1", 53))


def test_destinations_are_served_at_the_services_target_port() -> None:
    pod = {"destinations": {"10.0.0.1": {"80": 8888}, "10.0.0.2": {"81": 9999}}}
    ports = [{"port": 80, "targetPort": 8080}, {"port": 90}]
    found = service(pod, ports=ports)
    assert found.routes == (Destination(8080, "TCP", "10.0.0.1", 8888), Destination(81, "TCP", "10.0.0.2", 9999))


@pytest.mark.parametrize(
    ("egress_pod", "fields", "complaint"),
    [
        ({"destination_ip": "10.0.0.1"}, {"ports": []}, "spec.ports"),
        ({"destination_ip": "10.0.0.1"}, {"ports": so_many_ports(1001)}, "spec.ports is 1001; at most 1000 ports"),
        ({"destination_ip": "10.0.0.1"}, {"ports": [{"port": 80, "protocol": "SCTP"}]}, "SCTP"),
        ({"destination_ip": "10.0.0.1"}, {"ports": [{"port": 80, "targetPort": "http"}]}, "named ports"),
        (
            {"destinations": {"a.example": {"1": 1, "2": 2}}},
            {"ports": [{"port": 1, "targetPort": 2}]},
            "two ports of the pod",
        ),
    ],
)
def test_a_service_that_no_pod_can_stand_behind_is_refused(egress_pod: Any, fields: Any, complaint: str) -> None:
    with pytest.raises(InvalidAnnotation, match=complaint):
        service(egress_pod, **fields)


def test_the_health_port_is_none_of_the_services() -> None:
    for egress_pod, fields in [
        ({"destination_ip": "10.0.0.1", "hm_port": 80}, {}),
        ({"destination_ip": "10.0.0.1"}, {"ports": [{"port": 80, "targetPort": 4}]}),
        ({"destinations": {"10.0.0.1": {"4": 80}}}, {}),
    ]:
        with pytest.raises(InvalidAnnotation, match="hm_port"):
            service(egress_pod, **fields)
    service({"destinations": {"10.0.0.1": {"4/udp": 80}}})


def test_avi_proxy_is_read_with_the_service_and_refused_with_its_position() -> None:
    found = service(avi_proxy=ALLOW_TENANT_DENY_ALL).policy
    assert found is not None
    assert [(rule.index, rule.action) for rule in found.rules] == [(1000, "ALLOW"), (2000, "DENY")]
    with pytest.raises(InvalidAnnotation) as caught:
        service(avi_proxy=ALLOW_TENANT_DENY_ALL.replace('"action": ', '"action" ', 1))
    assert caught.value.field == "avi_proxy, line 1, column 102"
    assert "':' is missing" in caught.value.expected
