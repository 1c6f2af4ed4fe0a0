# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The environment contract of the egress pod."""

from __future__ import annotations

import re
import string
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

import pytest
from egress_router import family
from egress_router.config import (
    ConfigError,
    Destination,
    Protocol,
    Resolve,
    ServedPort,
    is_usable,
    parse,
    parse_ports,
    render_ports,
)
from hypothesis import given
from hypothesis import strategies as st

# The article's sample, with the port map that it leaves to the pod.
ARTICLE = {
    "EGRESS_SOURCE": "10.70.112.155",
    "EGRESS_DESTINATION": "10.10.24.85",
    "EGRESS_PORTS": "80/tcp=10.10.24.85:80",
    "BRIDGE_IP_ADDR": "172.18.0.1",
    "BRIDGE_NETMASK": "16",
    "TCP_HM_PORT": "4",
}

ports = st.integers(1, 65535)
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
top_labels = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z])?", fullmatch=True)
names = st.builds(lambda heads, top: ".".join([*heads, top]), st.lists(labels, max_size=4), top_labels)
destinations = st.builds(Destination, st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), names), ports)
routes = st.dictionaries(st.builds(ServedPort, ports, st.sampled_from(Protocol)), destinations, min_size=1, max_size=8)


def test_the_articles_sample() -> None:
    config = parse(ARTICLE)
    assert config.source == IPv4Address("10.70.112.155")
    assert config.bridge == IPv4Interface("172.18.0.1/16")
    assert config.routes == {ServedPort(80, Protocol.TCP): Destination(IPv4Address("10.10.24.85"), 80)}
    assert (config.health_port, config.uplink, config.resolve) == (4, None, Resolve.TTL)
    assert config.literals() == {ServedPort(80, Protocol.TCP): IPv4Address("10.10.24.85")}
    assert config.names() == ()


def test_defaults_are_the_articles() -> None:
    config = parse({key: ARTICLE[key] for key in ("EGRESS_SOURCE", "EGRESS_PORTS")})
    assert (str(config.bridge), config.health_port) == ("172.18.0.1/16", 4)


def test_names_are_listed_once_and_in_lower_case() -> None:
    config = parse(ARTICLE | {"EGRESS_PORTS": "80/tcp=Dest.Example:80,81/tcp=dest.example:81,82/udp=a.example:1"})
    assert config.names() == ("a.example", "dest.example")


@pytest.mark.parametrize(
    ("hostname", "source"), [("x-avi-egress-pod-0", "10.0.0.1"), ("x-avi-egress-pod-1", "10.0.0.2")]
)
def test_the_ordinal_picks_the_source(hostname: str, source: str) -> None:
    config = parse(ARTICLE | {"EGRESS_SOURCE": "10.0.0.1,10.0.0.2", "HOSTNAME": hostname})
    assert str(config.source) == source


@given(routes)
def test_ports_round_trip(wanted: dict[ServedPort, Destination]) -> None:
    assert parse_ports(render_ports(wanted)) == wanted


@given(st.text(alphabet=string.printable, max_size=40))
def test_any_text_for_ports_is_parsed_or_refused(text: str) -> None:
    try:
        found = parse_ports(text)
    except ConfigError:
        return
    assert parse_ports(render_ports(found)) == found


@given(st.sampled_from([*ARTICLE, "EGRESS_UPLINK", "EGRESS_RESOLVE"]), st.text(alphabet=string.printable, max_size=30))
def test_any_text_for_any_variable_is_accepted_or_refused_in_one_sentence(variable: str, text: str) -> None:
    # A port map may clash with the health port, which is then what the sentence names; all of it is one line.
    sentence = rf"({variable}|TCP_HM_PORT|EGRESS_PORTS|BRIDGE_IP_ADDR|HOSTNAME)[= ].*\.\Z"
    try:
        parse(ARTICLE | {variable: text})
    except ConfigError as error:
        refusal = str(error)
    else:
        return
    assert re.match(sentence, refusal)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"EGRESS_SOURCE": ""}, "EGRESS_SOURCE is not set: it must be the address allocated to the service."),
        (
            {"EGRESS_SOURCE": "10.70.112"},
            "EGRESS_SOURCE='10.70.112' is not usable: give an IPv4 or IPv6 address such as 10.70.112.155 or"
            " 2001:db8::155.",
        ),
        (
            {"EGRESS_SOURCE": "10.0.0.1,2001:db8::7", "HOSTNAME": "x-0"},
            "EGRESS_SOURCE='10.0.0.1,2001:db8::7' is not usable: give two IPv4 addresses or two IPv6 addresses.",
        ),
        (
            {"EGRESS_DESTINATION": "2001:db8::1"},
            "EGRESS_DESTINATION='2001:db8::1' is not usable: an IPv4 EGRESS_SOURCE can't reach an IPv6 destination, so"
            " give an IPv4 one.",
        ),
        (
            {"BRIDGE_IP_ADDR": "fd00::1"},
            "BRIDGE_IP_ADDR='fd00::1' is not usable: give an IPv4 address such as 172.18.0.1, as EGRESS_SOURCE is"
            " IPv4.",
        ),
        (
            {"EGRESS_SOURCE": "10.0.0.1,10.0.0.2", "HOSTNAME": "x-s1uhm"},
            "HOSTNAME='x-s1uhm' is not usable: with two addresses in EGRESS_SOURCE it must end in -0 or -1 and so pick"
            " one.",
        ),
        (
            {"EGRESS_SOURCE": "10.0.0.1,10.0.0.2,10.0.0.3"},
            "EGRESS_SOURCE='10.0.0.1,10.0.0.2,10.0.0.3' is not usable: give one address, or two separated by a comma"
            " for a StatefulSet.",
        ),
        (
            {"EGRESS_PORTS": ""},
            "EGRESS_PORTS is not set: it must be <podport>/<tcp|udp>=<host>:<port>, comma-separated.",
        ),
        (
            {"EGRESS_PORTS": "80/sctp=10.0.0.1:80"},
            "EGRESS_PORTS='80/sctp=10.0.0.1:80' is not usable: the protocol after the / must be tcp or udp.",
        ),
        (
            {"EGRESS_PORTS": "80/tcp=10.0.0.1:80,80/tcp=10.0.0.2:80"},
            "EGRESS_PORTS='80/tcp=10.0.0.2:80' is not usable: 80/tcp is already served by an earlier entry, so choose"
            " another pod port.",
        ),
        (
            {"EGRESS_PORTS": "53/udp=[2001:db8::1]:53"},
            "EGRESS_PORTS='53/udp=[2001:db8::1]:53' is not usable: an IPv4 EGRESS_SOURCE can't reach an IPv6"
            " destination, so give an IPv4 one.",
        ),
        (
            {"TCP_HM_PORT": "80"},
            "TCP_HM_PORT='80' is not usable: EGRESS_PORTS already serves 80/tcp, so give hm_port another value.",
        ),
        ({"TCP_HM_PORT": "0"}, "TCP_HM_PORT='0' is not usable: give a port, 1 to 65535, such as 4."),
        (
            {"BRIDGE_NETMASK": "33"},
            "BRIDGE_NETMASK='33' is not usable: give the number of netmask bits, 1 to 32, such as 16.",
        ),
        (
            {"BRIDGE_IP_ADDR": "10.70.112.155"},
            "BRIDGE_IP_ADDR='10.70.112.155' is not usable: give a unicast address other than EGRESS_SOURCE.",
        ),
        ({"EGRESS_RESOLVE": "never"}, "EGRESS_RESOLVE='never' is not usable: give ttl or once."),
        (
            {"EGRESS_UPLINK": "../eth0"},
            "EGRESS_UPLINK='../eth0' is not usable: give the name of a network interface of the node, such as eth0.",
        ),
        (
            {"EGRESS_DESTINATION": "not a host"},
            "EGRESS_DESTINATION='not a host' is not usable: give addresses or host names, separated by commas.",
        ),
    ],
)
def test_refusals(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(ARTICLE | changes)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "10.70.112.155",
        "172.18.0.1",
        "168.63.129.16",
        "100.100.100.200",
    ],
)
def test_addresses_that_are_no_destination(host: str) -> None:
    with pytest.raises(ConfigError, match="a unicast address outside the cluster and the node"):
        parse(ARTICLE | {"EGRESS_PORTS": f"80/tcp={host}:80"})


@pytest.mark.parametrize(
    "host", ["10.10.10.256", "1.2.3", "-a.example", "a..example", "a_b.example", "", "2001:db8::1", "[::"]
)
def test_hosts_that_are_neither_address_nor_name(host: str) -> None:
    with pytest.raises(ConfigError):
        parse_ports(f"80/tcp={host}:80")


IPV6 = {"EGRESS_SOURCE": "fd70:112::155", "EGRESS_PORTS": "80/tcp=[fd10:10:10::200]:80,53/udp=dest.example:53"}


def test_ipv6_source_makes_all_of_it_ipv6() -> None:
    config = parse(IPV6)
    assert (config.source, config.family) == (IPv6Address("fd70:112::155"), family.IPV6)
    assert config.bridge == IPv6Interface("fd00:172:18::1/64")
    assert config.literals() == {ServedPort(80, Protocol.TCP): IPv6Address("fd10:10:10::200")}
    assert config.names() == ("dest.example",)
    assert parse(IPV6 | {"BRIDGE_NETMASK": "128"}).bridge.network.prefixlen == 128


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"EGRESS_PORTS": "80/tcp=10.10.10.200:80"},
            "EGRESS_PORTS='80/tcp=10.10.10.200:80' is not usable: an IPv6 EGRESS_SOURCE can't reach an IPv4"
            " destination, so give an IPv6 one.",
        ),
        (
            {"EGRESS_DESTINATION": "fd10:10:10::200,10.10.10.200"},
            "EGRESS_DESTINATION='fd10:10:10::200,10.10.10.200' is not usable: an IPv6 EGRESS_SOURCE can't reach an IPv4"
            " destination, so give an IPv6 one.",
        ),
        (
            {"BRIDGE_IP_ADDR": "172.18.0.1"},
            "BRIDGE_IP_ADDR='172.18.0.1' is not usable: give an IPv6 address such as fd00:172:18::1, as EGRESS_SOURCE"
            " is IPv6.",
        ),
        (
            {"BRIDGE_NETMASK": "129"},
            "BRIDGE_NETMASK='129' is not usable: give the number of netmask bits, 1 to 128, such as 64.",
        ),
    ],
)
def test_families_are_not_mixed(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(IPV6 | changes)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "address",
    [
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fd00::1%eth0", "ff02::1", "ff0e::1"),
        *("::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1"),
    ],
)
def test_ipv6_addresses_that_nothing_is_sent_to_or_from(address: str) -> None:
    assert not is_usable(IPv6Address(address))
    for variable, text in (("EGRESS_SOURCE", address), ("EGRESS_PORTS", f"80/tcp=[{address}]:80")):
        with pytest.raises(ConfigError, match=variable):
            parse(IPV6 | {variable: text})


@pytest.mark.parametrize("address", ["2001:db8::1", "fd10:10:10::200", "2606:4700::1111"])
def test_ipv6_unicast_is_usable(address: str) -> None:
    assert is_usable(IPv6Address(address))


def test_ipv6_grammar_is_understood() -> None:
    assert parse_ports("53/udp=[2001:db8::1]:53")[ServedPort(53, Protocol.UDP)].host == IPv6Address("2001:db8::1")


def test_a_private_address_is_usable() -> None:
    assert is_usable(IPv4Address("10.10.10.200"))


@pytest.mark.parametrize("address", ["fd00:ec2::254", "fd20:ce::254"])
def test_where_clouds_keep_credentials_is_no_destination_by_ipv6(address: str) -> None:
    assert not is_usable(IPv6Address(address))


REFUSED = {"EGRESS_REFUSED": "10.128.0.0/14, 172.30.0.0/16,fd01::/48"}


def test_the_clusters_own_addresses_are_refused_with_their_network() -> None:
    config = parse(ARTICLE | REFUSED)
    inside = "is in 172.30.0.0/16, where the cluster's nodes, pods or Services are"
    assert config.objection(IPv4Address("172.30.0.1")) == inside
    assert config.objection(IPv4Address("10.10.24.85")) is None
    assert config.objection(IPv6Address("fd01::9")) is not None
    assert config.objection(IPv4Address("169.254.169.254")) == "is not a unicast address of an outside application"
    for own in (config.source, config.bridge.ip):
        assert config.objection(own) == "is this pod's or its node's own"
    with pytest.raises(ConfigError, match=re.escape(f"and 172.30.0.1 {inside}.")):
        parse(ARTICLE | REFUSED | {"EGRESS_PORTS": "80/tcp=172.30.0.1:80"})


def test_what_the_cluster_shows_is_refused_beside_what_is_named() -> None:
    config = parse(ARTICLE | REFUSED | {"EGRESS_CLUSTER": "10.0.0.7/32,fd00::7/128"})
    for inside in (IPv4Address("172.30.0.1"), IPv4Address("10.0.0.7"), IPv6Address("fd00::7")):
        assert config.objection(inside) is not None
    assert config.objection(IPv4Address("10.0.0.8")) is None
    with pytest.raises(ConfigError, match="EGRESS_CLUSTER='x' is not usable: give networks"):
        parse(ARTICLE | {"EGRESS_CLUSTER": "x"})


@pytest.mark.parametrize("text", ["10.0.0.1/8", "nonsense", "10.0.0.0/8,", "10.0.0.0/33", "::1/0", " , "])
def test_malformed_networks_are_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"EGRESS_REFUSED={text!r} is not usable: give networks")):
        parse(ARTICLE | {"EGRESS_REFUSED": text})


GATEWAY = {"EGRESS_SOURCE": "10.70.112.155", "EGRESS_PORTS": "80/tcp=10.10.10.200:80", "EGRESS_GATEWAY": "10.70.112.1"}


@pytest.mark.parametrize("subnet", [None, "10.70.112.0/24"])
def test_gateway_and_subnet(subnet: str | None) -> None:
    config = parse(GATEWAY | ({"EGRESS_SUBNET": subnet} if subnet else {}))
    assert (str(config.gateway), config.subnet and str(config.subnet)) == ("10.70.112.1", subnet)
    absent = parse(GATEWAY | {"EGRESS_GATEWAY": "", "EGRESS_SUBNET": ""})
    assert (absent.gateway, absent.subnet) == (None, None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"EGRESS_GATEWAY": "10.70.113.1", "EGRESS_SUBNET": "10.70.112.0/24"},
            "EGRESS_GATEWAY='10.70.113.1' is not usable: the gateway must be in EGRESS_SUBNET 10.70.112.0/24.",
        ),
        *(
            (
                {"EGRESS_GATEWAY": gateway},
                f"EGRESS_GATEWAY='{gateway}' is not usable: give a unicast IPv4 address other than EGRESS_SOURCE.",
            )
            for gateway in ("10.70.112.155", "fd70:112::1", "224.0.0.1", "127.0.0.1", "0.0.0.0", "169.254.1.1")
        ),
        *(
            (
                {"EGRESS_GATEWAY": text},
                f"EGRESS_GATEWAY={text!r} is not usable: give the address of the router in the network of"
                " 10.70.112.155.",
            )
            for text in ("gateway.example", "10.70.112.1/24", "10.70.112", " ", "10.70.112.1,10.70.112.2")
        ),
        *(
            (
                {"EGRESS_SUBNET": text},
                f"EGRESS_SUBNET={text!r} is not usable: give the network of EGRESS_SOURCE, such as 10.70.112.0/24.",
            )
            for text in ("10.70.112.155/24", "10.70.112.0/33", "lan", "10.70.112.0/24/24")
        ),
        *(
            (
                {"EGRESS_SUBNET": text},
                f"EGRESS_SUBNET={text!r} is not usable: give a network that EGRESS_SOURCE 10.70.112.155 is in, such as"
                " 10.70.112.0/24.",
            )
            for text in ("10.70.113.0/24", "0.0.0.0/0", "fd70:112::/64", "10.70.112.155")
        ),
    ],
)
def test_gateways_and_subnets_that_are_refused(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(GATEWAY | changes)
    assert str(refused.value) == sentence


def test_each_of_two_sources_has_the_way_out_of_its_own_subnet() -> None:
    both = GATEWAY | {
        "EGRESS_SOURCE": "10.70.112.155,10.70.113.155",
        "EGRESS_SUBNET": "10.70.112.0/24,10.70.113.0/24",
        "EGRESS_GATEWAY": ",10.70.113.1",
    }
    first, second = (parse(both | {"HOSTNAME": f"example-{number}"}) for number in (0, 1))
    assert (str(first.subnet), first.gateway) == ("10.70.112.0/24", None)
    assert (str(second.subnet), str(second.gateway)) == ("10.70.113.0/24", "10.70.113.1")


ROUTED = GATEWAY | {"EGRESS_MODE": "routed", "EGRESS_SUBNET": "10.70.112.0/24", "EGRESS_GATEWAY": "192.0.2.1"}
ROUTED_IPV6 = {
    "EGRESS_SOURCE": "2001:db8:51::155",
    "EGRESS_PORTS": "80/tcp=[fd10:10:10::200]:80",
    "EGRESS_MODE": "routed",
    "EGRESS_GATEWAY": "fe80::1",
}


def test_a_routed_source_has_its_gateway_on_another_link() -> None:
    assert parse(GATEWAY).is_routed is False
    config = parse(ROUTED)
    assert (config.is_routed, str(config.gateway)) == (True, "192.0.2.1")
    assert str(parse(ROUTED_IPV6 | {"EGRESS_UPLINK": "eth0"}).gateway) == "fe80::1"


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (GATEWAY | {"EGRESS_MODE": "bgp"}, "EGRESS_MODE='bgp' is not usable: give lan or routed."),
        (
            ROUTED | {"EGRESS_GATEWAY": "10.70.112.1"},
            "EGRESS_GATEWAY='10.70.112.1' is not usable: EGRESS_SUBNET 10.70.112.0/24 is routed, so its gateway can't"
            " be in it.",
        ),
        (
            ROUTED | {"EGRESS_GATEWAY": "169.254.1.1"},
            "EGRESS_GATEWAY='169.254.1.1' is not usable: give a unicast IPv4 address other than EGRESS_SOURCE.",
        ),
        (
            ROUTED_IPV6,
            "EGRESS_GATEWAY='fe80::1' is not usable: a link-local address is one of each link, so give EGRESS_UPLINK"
            " too.",
        ),
        (
            ROUTED_IPV6 | {"EGRESS_MODE": "lan", "EGRESS_UPLINK": "eth0"},
            "EGRESS_GATEWAY='fe80::1' is not usable: give a unicast IPv6 address other than EGRESS_SOURCE.",
        ),
    ],
)
def test_contradictions_of_routed_sources_are_refused(env: dict[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(env)
    assert str(refused.value) == sentence
