# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The environment contract: the variables of the article's egress pod, parsed into frozen dataclasses.

Pure: text in, values out. ``parse`` either returns a ``Config`` that every other part may trust or raises
``ConfigError`` with one sentence that names the variable, the value seen and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Final

from egress_router.family import IPV4, IPV6, Address, Family, Network, family_of

# The article: "it defaults to port 4 if not set".
DEFAULT_HEALTH_PORT = "4"
LONGEST_DRAIN: Final = 3600
LONGEST_INTERVAL: Final = 3600
LONGEST_TIMEOUT: Final = 60

# Linux' IFNAMSIZ is 16 with the closing zero; a slash or blank can't be part of a name.
_INTERFACE = re.compile(r"[^\s/:]{1,15}")
# RFC 1123 §2.1 labels; the whole is limited to 253 characters by RFC 1035 §2.3.4.
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_ORDINAL = re.compile(r".*-(\d+)")
# Beside 169.254.0.0/16, which is link-local: the metadata services of AWS and Google by IPv6, Azure's and Alibaba's.
_METADATA: Final = frozenset(
    {
        IPv6Address("fd00:ec2::254"),
        IPv6Address("fd20:ce::254"),
        IPv4Address("168.63.129.16"),
        IPv4Address("100.100.100.200"),
    }
)


class ConfigError(ValueError):
    """A variable that the router can't work with; the text is one sentence for the operator."""


class Protocol(StrEnum):
    """Transport protocols that a Service port may have here."""

    TCP = "tcp"
    UDP = "udp"


class Resolve(StrEnum):
    """When host names are looked up: again after each TTL, or once as in the article ("a one time configuration")."""

    TTL = "ttl"
    ONCE = "once"


class Mode(StrEnum):
    """How packets to EGRESS_SOURCE find the node: asked for on its LAN, or by a route that the node offers."""

    LAN = "lan"
    ROUTED = "routed"


@dataclass(frozen=True, order=True)
class ServedPort:
    """A port of the pod, as in ``80/tcp``."""

    port: int
    protocol: Protocol

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol.value}"


@dataclass(frozen=True)
class Destination:
    """An outside application: ``host`` is an address or a lower-case host name, ``port`` 1..65535."""

    host: Address | str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if isinstance(self.host, IPv6Address) else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Probe:
    """How often destinations are tried, and how long each may take, in seconds; an interval of 0 is never."""

    interval: int = 0
    timeout: int = 3


@dataclass(frozen=True)
class Config:
    """All that the router is told.

    ``routes`` maps each served port to its destination, in the order of EGRESS_PORTS. ``bridge`` is read for the
    contract's sake: there is no bridge here (docs/explanation/data-path.md). ``gateway`` is the way out of ``subnet``,
    the network of the source, and in it unless ``mode`` is routed; what isn't given is the node's to say. ``refused``
    are the cluster's own networks, of either family; all other addresses are of the source's family. ``drain`` is for
    how many seconds a router that is asked to end goes on forwarding.
    """

    source: Address
    routes: Mapping[ServedPort, Destination]
    bridge: IPv4Interface | IPv6Interface
    health_port: int
    uplink: str | None
    resolve: Resolve
    refused: tuple[Network, ...] = ()
    drain: int = 0
    probe: Probe = Probe()
    gateway: Address | None = None
    subnet: Network | None = None
    mode: Mode = Mode.LAN

    @property
    def is_routed(self) -> bool:
        """Whether the source is on no link of the node."""
        return self.mode is Mode.ROUTED

    @property
    def family(self) -> Family:
        """The one address family of this router."""
        return family_of(self.source)

    def literals(self) -> dict[ServedPort, Address]:
        """The served ports whose destination needs no look-up."""
        return {port: to.host for port, to in self.routes.items() if not isinstance(to.host, str)}

    def objection(self, address: Address, own: Collection[Address] = ()) -> str | None:
        """Why ``address`` may be no destination, as the end of a sentence about it; ``own``: the router's addresses."""
        return objection(address, self.refused, {self.source, self.bridge.ip, *own})

    def names(self) -> tuple[str, ...]:
        """The host names to look up, each once, sorted."""
        return tuple(sorted({to.host for to in self.routes.values() if isinstance(to.host, str)}))


def parse(env: Mapping[str, str]) -> Config:
    """Read the contract from ``env``; raise ``ConfigError`` on the first variable that is missing or malformed."""
    source, number = _source(
        _required(env, "EGRESS_SOURCE", "the address allocated to the service"), env.get("HOSTNAME", "")
    )
    address, bits = family_of(source).bridge
    bridge = _bridge(env.get("BRIDGE_IP_ADDR", address), env.get("BRIDGE_NETMASK", bits), source)
    routes = _routes(_required(env, "EGRESS_PORTS", "<podport>/<tcp|udp>=<host>:<port>, comma-separated"))
    _check_destination(env.get("EGRESS_DESTINATION"), family_of(source))
    subnet = _subnet(_chosen(env.get("EGRESS_SUBNET"), number), source)
    mode, uplink = _mode(env.get("EGRESS_MODE", Mode.LAN.value)), _uplink(env.get("EGRESS_UPLINK"))
    gateway = _gateway(_chosen(env.get("EGRESS_GATEWAY"), number), source)
    if gateway is not None:
        _check_gateway(gateway, source, subnet, mode, uplink)
    # What an administrator has named of the cluster's networks, and what the cluster showed of them by itself.
    named, shown = (_networks(name, env.get(name, "")) for name in ("EGRESS_REFUSED", "EGRESS_CLUSTER"))
    refused = (*named, *shown)
    for port, to in routes.items():
        _check_reachable(port, to, (source, bridge.ip), refused)
    return Config(
        source=source,
        routes=routes,
        bridge=bridge,
        health_port=_health_port(env.get("TCP_HM_PORT", DEFAULT_HEALTH_PORT), routes),
        uplink=uplink,
        resolve=_resolve(env.get("EGRESS_RESOLVE", Resolve.TTL.value)),
        refused=refused,
        drain=_seconds("EGRESS_DRAIN", env.get("EGRESS_DRAIN", "0"), 0, LONGEST_DRAIN),
        probe=_probe(env.get("EGRESS_PROBE", "0/3")),
        gateway=gateway,
        subnet=subnet,
        mode=mode,
    )


def render_ports(routes: Mapping[ServedPort, Destination]) -> str:
    """The inverse of the EGRESS_PORTS grammar: ``80/tcp=10.10.10.200:80,...``."""
    return ",".join(f"{port}={to}" for port, to in routes.items())


def parse_ports(text: str) -> dict[ServedPort, Destination]:
    """Read EGRESS_PORTS; raise ``ConfigError`` on a malformed entry or a port that is served twice."""
    return _routes(text)


def is_usable(address: Address) -> bool:
    """Whether traffic may be sent to ``address``.

    Loopback, link-local, multicast and the like are no destinations, nor is where clouds keep credentials. The same
    test is applied to literal destinations and to answers of the name server. Of IPv6, ::/8 stands for IPv4 addresses
    (mapped, compatible, NAT64's well-known prefix), and a zone (RFC 4007 §11) has a meaning on one machine only.
    """
    if address in _METADATA:
        return False
    # Python 3.13 asks the mapped IPv4 address whether it is reserved, so ::/8 is looked at here.
    if isinstance(address, IPv6Address) and (address.scope_id is not None or address.packed[0] == 0):
        return False
    return not (
        address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
    )


def objection(address: Address, refused: Collection[Network], own: Collection[Address]) -> str | None:
    """Why ``address`` may be no destination, as the end of a sentence about it; None if it may be one."""
    if address in own:
        return "is this pod's or its node's own"
    if not is_usable(address):
        return "is not a unicast address of an outside application"
    # Of one family: an address is in no network of the other.
    network = next((network for network in refused if address in network), None)
    return None if network is None else f"is in {network}, where the cluster's nodes, pods or Services are"


def _networks(variable: str, text: str) -> tuple[Network, ...]:
    found = []
    for entry in text.split(",") if text.strip() else ():
        try:
            found.append(ip_network(entry.strip()))
        except ValueError:
            raise _error(variable, text, "give networks such as 10.128.0.0/14 or fd01::/48, comma-separated") from None
    return tuple(found)


def _error(variable: str, value: str, right: str) -> ConfigError:
    return ConfigError(f"{variable}={value!r} is not usable: {right}.")


def _required(env: Mapping[str, str], variable: str, meaning: str) -> str:
    value = env.get(variable, "").strip()
    if not value:
        raise ConfigError(f"{variable} is not set: it must be {meaning}.")
    return value


def _source(text: str, hostname: str) -> tuple[Address, int | None]:
    """The pod's own source, and which of two it is, 0 or 1; None for a single one."""
    entries = [entry.strip() for entry in text.split(",")]
    if len(entries) > 2:
        raise _error("EGRESS_SOURCE", text, "give one address, or two separated by a comma for a StatefulSet")
    addresses = [_source_address(entry, text) for entry in entries]
    if len(addresses) == 1:
        return addresses[0], None
    if addresses[0] == addresses[1]:
        raise _error("EGRESS_SOURCE", text, "the two addresses must differ")
    if addresses[0].version != addresses[1].version:
        raise _error("EGRESS_SOURCE", text, "give two IPv4 addresses or two IPv6 addresses")
    ordinal = _ORDINAL.fullmatch(hostname)
    if ordinal is None or int(ordinal[1]) > 1:
        raise _error(
            "HOSTNAME", hostname, "with two addresses in EGRESS_SOURCE it must end in -0 or -1 and so pick one"
        )
    number = int(ordinal[1])
    return addresses[number], number


def _source_address(entry: str, text: str) -> Address:
    try:
        address = ip_address(entry)
    except ValueError:
        raise _error(
            "EGRESS_SOURCE", text, f"give an IPv4 or IPv6 address such as {IPV4.example} or {IPV6.example}"
        ) from None
    if not is_usable(address):
        raise _error("EGRESS_SOURCE", text, "give a unicast address of the network that the node's uplink is on")
    return address


def _bridge(address: str, bits: str, source: Address) -> IPv4Interface | IPv6Interface:
    family = family_of(source)
    right = f"give an {family} address such as {family.bridge[0]}, as EGRESS_SOURCE is {family}"
    try:
        ip = ip_address(address)
    except ValueError:
        raise _error("BRIDGE_IP_ADDR", address, right) from None
    if family_of(ip) is not family:
        raise _error("BRIDGE_IP_ADDR", address, right)
    if ip == source or not is_usable(ip):
        raise _error("BRIDGE_IP_ADDR", address, "give a unicast address other than EGRESS_SOURCE")
    if not _is_number(bits, 1, family.bits):
        raise _error(
            "BRIDGE_NETMASK", bits, f"give the number of netmask bits, 1 to {family.bits}, such as {family.bridge[1]}"
        )
    return ip_interface(f"{ip}/{int(bits)}")


def _chosen(text: str | None, number: int | None) -> str | None:
    """What is given for that source: one value is for both, two are in the order of EGRESS_SOURCE, perhaps blank."""
    if text is None or number is None:
        return text
    entries = text.split(",")
    return entries[number] if len(entries) == 2 else text


def _subnet(text: str | None, source: Address) -> Network | None:
    if not text:
        return None
    family = family_of(source)
    example = ip_network(f"{family.example}/{family.bits - 8}", strict=False)
    try:
        subnet = ip_network(text)
    except ValueError:
        raise _error("EGRESS_SUBNET", text, f"give the network of EGRESS_SOURCE, such as {example}") from None
    if "/" not in text or source not in subnet or subnet.prefixlen == 0:
        raise _error("EGRESS_SUBNET", text, f"give a network that EGRESS_SOURCE {source} is in, such as {example}")
    return subnet


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise _error("EGRESS_MODE", text, "give lan or routed") from None


def _gateway(text: str | None, source: Address) -> Address | None:
    if not text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        raise _error("EGRESS_GATEWAY", text, f"give the address of the router in the network of {source}") from None


def _check_gateway(gateway: Address, source: Address, subnet: Network | None, mode: Mode, uplink: str | None) -> None:
    """Of a routed source it is the node's own router, for IPv6 most often by a link-local address."""
    text, is_routed = str(gateway), mode is Mode.ROUTED
    is_station = is_usable(gateway) or (is_routed and isinstance(gateway, IPv6Address) and gateway.is_link_local)
    if family_of(gateway) is not family_of(source) or gateway == source or not is_station:
        raise _error("EGRESS_GATEWAY", text, f"give a unicast {family_of(source)} address other than EGRESS_SOURCE")
    if gateway.is_link_local and uplink is None:
        raise _error("EGRESS_GATEWAY", text, "a link-local address is one of each link, so give EGRESS_UPLINK too")
    if subnet is not None and is_routed and gateway in subnet:
        raise _error("EGRESS_GATEWAY", text, f"EGRESS_SUBNET {subnet} is routed, so its gateway can't be in it")
    if subnet is not None and not is_routed and gateway not in subnet:
        raise _error("EGRESS_GATEWAY", text, f"the gateway must be in EGRESS_SUBNET {subnet}")


def _routes(text: str) -> dict[ServedPort, Destination]:
    routes: dict[ServedPort, Destination] = {}
    for entry in (part.strip() for part in text.split(",")):
        served, separator, target = entry.partition("=")
        if not separator:
            raise _error(
                "EGRESS_PORTS", entry, "each entry is <podport>/<tcp|udp>=<host>:<port>, as 80/tcp=10.10.10.200:80"
            )
        port = _served_port(served, entry)
        if port in routes:
            raise _error(
                "EGRESS_PORTS", entry, f"{port} is already served by an earlier entry, so choose another pod port"
            )
        routes[port] = _target(target, entry)
    return routes


def _served_port(text: str, entry: str) -> ServedPort:
    number, _separator, protocol = text.partition("/")
    if not _is_number(number, 1, 65535):
        raise _error("EGRESS_PORTS", entry, "the pod port before the / must be 1 to 65535")
    if protocol not in (Protocol.TCP.value, Protocol.UDP.value):
        raise _error("EGRESS_PORTS", entry, "the protocol after the / must be tcp or udp")
    return ServedPort(int(number), Protocol(protocol))


def _target(text: str, entry: str) -> Destination:
    host, separator, number = text.rpartition(":")
    if not separator or not _is_number(number, 1, 65535):
        raise _error("EGRESS_PORTS", entry, "the destination must end in :<port>, 1 to 65535")
    if host.startswith("[") and host.endswith("]"):
        try:
            return Destination(IPv6Address(host[1:-1]), int(number))
        except ValueError:
            raise _error("EGRESS_PORTS", entry, "the brackets must hold an IPv6 address, as [2001:db8::1]:53") from None
    found = _host(host)
    if found is None or isinstance(found, IPv6Address):
        raise _error(
            "EGRESS_PORTS", entry, "the destination must be an IPv4 address, an IPv6 address in brackets or a host name"
        )
    return Destination(found, int(number))


def _host(text: str) -> Address | str | None:
    """An address, a host name in lower case, or None for neither."""
    try:
        return ip_address(text)
    except ValueError:
        pass
    name = text.removesuffix(".")
    labels = name.split(".")
    # A name whose last label is a number is a mistyped address (WHATWG URL and RFC 3696 §2 agree on that).
    if len(name) > 253 or labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    return text.lower()


def _check_destination(text: str | None, family: Family) -> None:
    """EGRESS_DESTINATION is informational here, but a malformed one shows that the contract was broken upstream."""
    for entry in () if text is None else text.split(","):
        host = _host(entry.strip())
        if host is None:
            raise _error("EGRESS_DESTINATION", text or "", "give addresses or host names, separated by commas")
        _check_family("EGRESS_DESTINATION", text or "", host, family)


def _check_family(variable: str, text: str, host: Address | str, family: Family) -> None:
    """A name is looked up in the source's family; an address must have it."""
    if not isinstance(host, str) and family_of(host) is not family:
        right = f"an {family} EGRESS_SOURCE can't reach an {family_of(host)} destination, so give an {family} one"
        raise _error(variable, text, right)


def _check_reachable(port: ServedPort, to: Destination, own: Collection[Address], refused: Collection[Network]) -> None:
    if isinstance(to.host, str):
        return
    entry = f"{port}={to}"
    _check_family("EGRESS_PORTS", entry, to.host, family_of(next(iter(own))))
    problem = objection(to.host, refused, own)
    if problem is not None:
        right = f"the destination must be a unicast address outside the cluster and the node, and {to.host} {problem}"
        raise _error("EGRESS_PORTS", entry, right)


def _health_port(text: str, routes: Mapping[ServedPort, Destination]) -> int:
    if not _is_number(text, 1, 65535):
        raise _error("TCP_HM_PORT", text, "give a port, 1 to 65535, such as 4")
    if ServedPort(int(text), Protocol.TCP) in routes:
        raise _error("TCP_HM_PORT", text, f"EGRESS_PORTS already serves {int(text)}/tcp, so give hm_port another value")
    return int(text)


def _uplink(text: str | None) -> str | None:
    if not text:
        return None
    if not _INTERFACE.fullmatch(text) or text in (".", ".."):
        raise _error("EGRESS_UPLINK", text, "give the name of a network interface of the node, such as eth0")
    return text


def _resolve(text: str) -> Resolve:
    try:
        return Resolve(text)
    except ValueError:
        raise _error("EGRESS_RESOLVE", text, "give ttl or once") from None


def _probe(text: str) -> Probe:
    interval, _separator, timeout = text.partition("/")
    if not (_is_number(interval, 0, LONGEST_INTERVAL) and _is_number(timeout, 1, LONGEST_TIMEOUT)):
        right = f"give <interval>/<timeout> in whole seconds, 0 to {LONGEST_INTERVAL} and 1 to {LONGEST_TIMEOUT}"
        raise _error("EGRESS_PROBE", text, f"{right}, such as 30/3")
    return Probe(int(interval), int(timeout))


def _seconds(variable: str, text: str, low: int, high: int) -> int:
    if not _is_number(text, low, high):
        raise _error(variable, text, f"give whole seconds, {low} to {high}")
    return int(text)


def _is_number(text: str, low: int, high: int) -> bool:
    # str.isdigit() alone would let Unicode digits pass; more than 5 digits is never a port.
    return text.isascii() and text.isdigit() and len(text) <= 5 and low <= int(text) <= high
