# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The egress router with real packets, in network namespaces and without Kubernetes.

A ``Lab`` is an outside LAN (a bridge) with a remote application on it and one or more nodes. A ``Pod`` is a namespace
whose eth0 leads to a client namespace, which is the pod network's gateway as well: what leaves a pod by the wrong
interface ends there. All that crosses the LAN is captured, from before the router's first instruction on.

Needs root and a kernel with veth, bridge and nftables; it fails, and does not skip, where they are missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from tests.capture import Capture, inside, packet

ROUTER = Path(__file__).parents[2] / "images" / "egress_router"
HEALTH = 4
PREFIX = "avirt-"
ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0003, 0x0800, 0x0806, 0x86DD
ICMPV6_SOLICITATION, ICMPV6_ADVERTISEMENT = 135, 136


@dataclass(frozen=True)
class Net:
    """All addresses of a test, in one family. ``bits``: an address' length; ``lan``, ``pods``: the subnets' lengths."""

    version: int
    source: str
    second_source: str
    remote: str
    second_remote: str
    node: str
    client: str
    pod: str
    bridge: str
    bridge_bits: str
    bits: int
    lan: int
    pods: int

    def __str__(self) -> str:
        return f"IPv{self.version}"

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET if self.version == 4 else socket.AF_INET6

    @property
    def record(self) -> str:
        """The type of a name's answer."""
        return "A" if self.version == 4 else "AAAA"

    def at(self, address: str, port: int) -> str:
        """As in EGRESS_PORTS."""
        return f"{address}:{port}" if self.version == 4 else f"[{address}]:{port}"


V4 = Net(
    version=4,
    source="10.70.112.155",
    second_source="10.70.112.156",
    remote="10.70.112.200",
    second_remote="10.70.112.201",
    node="10.70.112.6",
    client="10.129.0.1",
    pod="10.129.0.229",
    bridge="172.18.0.1",
    bridge_bits="16",
    bits=32,
    lan=24,
    pods=24,
)
V6 = Net(
    version=6,
    source="fd70:112::155",
    second_source="fd70:112::156",
    remote="fd70:112::200",
    second_remote="fd70:112::201",
    node="fd70:112::6",
    client="fd00:244:1::1",
    pod="fd00:244:1::229",
    bridge="fd00:172:18::1",
    bridge_bits="64",
    bits=128,
    lan=64,
    pods=64,
)
SOURCE, REMOTE, POD = V4.source, V4.remote, V4.pod
# A test with this mark runs in both families; others in IPv4, unless they name one.
both_families = pytest.mark.parametrize("net", [V4, V6], ids=str)
ipv6 = pytest.mark.parametrize("net", [V6], ids=str)


# --- namespaces -------------------------------------------------------------------------------------------------------


def run(*command: str) -> str:
    """Output of a command of the lab's construction; raise CalledProcessError with its message in the test's report."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


def sweep() -> None:
    """Remove what test runs left behind whose process is gone."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else ():
        owner = re.fullmatch(PREFIX + r"(\d+)-.*", name)
        if owner and not os.path.isdir(f"/proc/{owner[1]}"):
            run("ip", "netns", "del", name)


class RemoteApplication:
    """Tells each peer the address it has, over TCP (a line for each line, or one HTTP answer) and UDP."""

    def __init__(self, namespace: str, address: str) -> None:
        self.peers: Counter[str] = Counter()
        self._address = address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(namespace):
            self._tcp = socket.create_server((address, 8080), family=family, backlog=128)
            self._udp = socket.socket(family, socket.SOCK_DGRAM)
            self._udp.bind((address, 5353))
        for target in (self._serve_tcp, self._serve_udp):
            threading.Thread(target=target, daemon=True).start()

    def close(self) -> None:
        for listener in (self._tcp, self._udp):
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _serve_tcp(self) -> None:
        with suppress(OSError):
            while True:
                connection, peer = self._tcp.accept()
                self.peers[peer[0]] += 1
                threading.Thread(target=self._talk, args=(connection, peer[0]), daemon=True).start()

    def _talk(self, connection: socket.socket, peer: str) -> None:
        with connection, suppress(OSError):
            connection.settimeout(30)
            while line := connection.recv(1024):
                body = f"{peer} {self._address}\n".encode()
                if line.startswith(b"GET "):
                    connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)
                    return
                connection.sendall(body)

    def _serve_udp(self) -> None:
        with suppress(OSError):
            while True:
                data, peer = self._udp.recvfrom(2048)
                if peer is None:  # closed
                    return
                self.peers[peer[0]] += 1
                if data == b"large":
                    self._udp.sendto(bytes(1400), peer)
                else:
                    self._udp.sendto(f"{peer[0]} {self._address}\n".encode(), peer)


@dataclass
class Node:
    """A node: its namespace and its uplink's MAC address."""

    name: str
    mac: str


@dataclass
class Pod:
    """A pod's namespace with its client's; ``node`` is where its router plugs in."""

    name: str
    client: str
    node: Node
    net: Net
    routers: list[Router] = field(default_factory=list)

    def start(self, *options: str, **env: str) -> Router:
        router = Router(self, options, env)
        self.routers.append(router)
        return router

    def connect(self, port: int = 80, timeout: float = 2.0, address: str | None = None) -> socket.socket:
        """A TCP connection from the client, to the pod unless told otherwise."""
        with inside(self.client):
            connection = socket.socket(self.net.family, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect((address or self.net.pod, port))
        except OSError:
            connection.close()
            raise
        return connection

    def ask(self, port: int = 80, timeout: float = 2.0) -> str:
        """The address that the remote application saw, and its own."""
        with self.connect(port, timeout) as connection:
            return talk(connection)

    def udp(self, data: bytes = b"?", port: int = 53) -> bytes:
        """The remote application's answer to a datagram."""
        with inside(self.client):
            datagram = socket.socket(self.net.family, socket.SOCK_DGRAM)
        with datagram:
            datagram.settimeout(2)
            datagram.connect((self.net.pod, port))
            datagram.send(data)
            return datagram.recv(2048)

    def http(self, path: str) -> tuple[int, str]:
        """Status and body from the health port."""
        with self.connect(HEALTH) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(65536):
                answer += part
        head, _blank, body = answer.decode().partition("\r\n\r\n")
        return int(head.split()[1]), body

    def is_healthy(self) -> bool:
        """Whether a probe like the article's succeeds."""
        try:
            self.connect(HEALTH, 0.5).close()
        except OSError:
            return False
        return True

    def metric(self, line: str) -> float:
        """The value of the metric whose line begins so."""
        _status, text = self.http("/metrics")
        found = re.search(rf"^{re.escape(line)} (\S+)$", text, re.MULTILINE)
        assert found, text
        return float(found[1])


class Router:
    """A running egress router."""

    def __init__(self, pod: Pod, options: tuple[str, ...], env: dict[str, str]) -> None:
        net = pod.net
        contract = {
            "EGRESS_SOURCE": net.source,
            "EGRESS_DESTINATION": net.remote,
            "EGRESS_PORTS": f"80/tcp={net.at(net.remote, 8080)},53/udp={net.at(net.remote, 5353)}",
            "BRIDGE_IP_ADDR": net.bridge,
            "BRIDGE_NETMASK": net.bridge_bits,
            "TCP_HM_PORT": str(HEALTH),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROUTER),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = ["ip", "netns", "exec", pod.name, sys.executable, "-u", "-m", "egress_router"]
        command += ["--host-ns", f"/run/netns/{pod.node.name}", *options]
        if "resolv_conf" in env:
            command += ["--resolv-conf", env.pop("resolv_conf")]
        self._pod = pod
        self.process = subprocess.Popen(
            command, env=contract | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.rstrip())

    def wait_ready(self, timeout: float = 10.0) -> Router:
        wait_until(lambda: self.process.poll() is not None or self._pod.is_healthy(), timeout, "ready", self)
        assert self.process.poll() is None, self.log
        return self

    def wait_log(self, text: str, timeout: float = 10.0) -> None:
        wait_until(lambda: any(text in line for line in self.log), timeout, f"log has {text!r}", self)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(10)
        self._reader.join(2)
        return code


class Lab:
    """The LAN and all that is on it; every namespace is made for one test and removed after it."""

    def __init__(self, name: str, net: Net) -> None:
        self.net = net
        self._prefix = f"{PREFIX}{os.getpid()}-{name}-"
        self._names: list[str] = []
        self._pods: list[Pod] = []
        self._node_addresses: list[str] = []
        self._closing = ExitStack()
        self._ports = 0
        self.lan = self._namespace("lan")
        self._ip(self.lan, "link add br0 type bridge mcast_snooping 0")
        self._ip(self.lan, "link set br0 up")
        self.remote = self._namespace("remote")
        self._join_lan(self.remote, net.remote)
        self.give(self.remote, f"{net.second_remote}/{net.lan}", "up0")
        self.application = RemoteApplication(self.remote, net.remote)
        self.second_application = RemoteApplication(self.remote, net.second_remote)
        self.capture = Capture(self.lan)
        for thing in (self.application, self.second_application, self.capture):
            self._closing.callback(thing.close)

    def node(self, number: int = 1) -> Node:
        name, address = self._namespace(f"node{number}"), f"{self.net.node}{number}"
        if self.net.version == 6:
            with inside(name):
                Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1", encoding="ascii")
        self._node_addresses.append(address)
        node = Node(name, self._join_lan(name, address))
        # An IPv6 redirect comes from the link-local address (RFC 4861 §8.1).
        own = json.loads(run("ip", "-n", name, "-j", "address", "show", "up0"))[0]["addr_info"]
        self._node_addresses += [entry["local"] for entry in own if entry["scope"] == "link"]
        return node

    def pod(self, node: Node, number: int = 1) -> Pod:
        name, client = self._namespace(f"pod{number}"), self._namespace(f"client{number}")
        self._ip(client, f"link add eth0 type veth peer name eth0 netns {name}")
        self.give(client, f"{self.net.client}/{self.net.pods}", "eth0")
        self.give(name, f"{self.net.pod}/{self.net.pods}", "eth0")
        for namespace in (client, name):
            self._ip(namespace, "link set eth0 up")
        self._ip(name, f"route add default via {self.net.client}")
        pod = Pod(name, client, node, self.net)
        self._pods.append(pod)
        return pod

    def close(self) -> None:
        for pod in self._pods:
            for router in pod.routers:
                router.end(signal.SIGKILL)
        self._closing.close()
        for name in self._names:
            self.delete(name)

    def delete(self, name: str) -> None:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=30)

    def assert_no_other_source(self, *allowed: str) -> None:
        """Nothing but the allowed sources and the remote application itself was ever on the LAN."""
        self.capture.settled()
        expected = {self.net.remote, self.net.second_remote, *(allowed or (self.net.source,))}
        others = set(self.capture.sources) - expected
        assert not others, {source: self.capture.sources[source] for source in others}
        others = set(self.capture.errors) - expected - set(self._node_addresses)
        assert not others, {source: self.capture.errors[source] for source in others}

    def _namespace(self, short: str) -> str:
        name = self._prefix + short
        run("ip", "netns", "add", name)
        self._names.append(name)
        with inside(name):
            # Router solicitations of the lab's own interfaces are not what is looked for, and nothing waits for
            # duplicate address detection here.
            name_of = {4: ("disable_ipv6", "1"), 6: ("accept_dad", "0")}
            setting, value = name_of[self.net.version]
            for key in ("all", "default"):
                Path(f"/proc/sys/net/ipv6/conf/{key}/{setting}").write_text(value, encoding="ascii")
            Path("/proc/sys/net/ipv4/ip_forward").write_text("0", encoding="ascii")
        self._ip(name, "link set lo up")
        return name

    def _join_lan(self, namespace: str, address: str) -> str:
        self._ports += 1
        port = f"port{self._ports}"
        self._ip(self.lan, f"link add {port} type veth peer name up0 netns {namespace}")
        self._ip(self.lan, f"link set {port} master br0 up")
        self.give(namespace, f"{address}/{self.net.lan}", "up0")
        self._ip(namespace, "link set up0 up")
        return mac_of(namespace)

    def give(self, namespace: str, address: str, interface: str) -> None:
        """Add an address, with its prefix length, that is used at once."""
        flag = " nodad" if self.net.version == 6 else ""
        self._ip(namespace, f"address add {address} dev {interface}{flag}")

    @staticmethod
    def _ip(namespace: str, command: str) -> None:
        run("ip", "-n", namespace, *command.split())


class Hammer:
    """Clients that connect without pause; what the remote application told them, and how many were refused."""

    def __init__(self, pod: Pod, clients: int = 4) -> None:
        self.answers: Counter[str] = Counter()
        self.failed = 0
        self._pod = pod
        self._open = True
        self._threads = [threading.Thread(target=self._run, daemon=True) for _client in range(clients)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Hammer:
        return self

    def __exit__(self, *_error: object) -> None:
        self._open = False
        for thread in self._threads:
            thread.join()

    def wait_more(self, count: int = 20, timeout: float = 10.0) -> None:
        """Wait for so many answers from now on."""
        goal = self.answers.total() + count
        wait_until(lambda: self.answers.total() >= goal, timeout, f"{count} more answers, has {self.answers}")

    def _run(self) -> None:
        while self._open:
            try:
                self.answers[self._pod.ask(timeout=0.5).split()[0]] += 1
            except (OSError, IndexError):
                self.failed += 1
                time.sleep(0.002)


def talk(connection: socket.socket) -> str:
    """One line there and back: the address that the remote application saw, and its own."""
    connection.sendall(b"?\n")
    return connection.recv(1024).decode().strip()


def wait_until(condition: Callable[[], bool], timeout: float, what: str, router: Router | None = None) -> float:
    """Seconds until the condition held; fail after ``timeout``."""
    start = time.monotonic()
    while not condition():
        log = "" if router is None else "\n" + "\n".join(router.log)
        assert time.monotonic() - start < timeout, f"not within {timeout} s: {what}{log}"
        time.sleep(0.02)
    return time.monotonic() - start


def answer(
    namespace: str, net: Net, sender: str, target: str | None = None, to: str | None = None, seconds: float = 0.6
) -> str | None:
    """The MAC that answers when ``namespace`` asks on its up0 who has an address, EGRESS_SOURCE unless told otherwise.

    ``sender``: who asks; the zero address is how one asks before it takes the address (RFC 5227, RFC 4862). ``to``: the
    MAC to ask, for the question whether it is still there (RFC 4861 §7.3); otherwise all are asked.
    """
    wanted = ip_address(target or net.source)
    with inside(namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    with wire:
        wire.bind(("up0", ETH_P_ARP if net.version == 4 else ETH_P_IPV6))
        mac = wire.getsockname()[4]
        if isinstance(wanted, IPv4Address):
            fields = (1, ETH_P_IP, 6, 4, 1, mac, IPv4Address(sender).packed, bytes(6), wanted.packed)
            wire.send(ethernet(b"\xff" * 6, mac, ETH_P_ARP) + struct.pack("!HHBBH6s4s6s4s", *fields))
        else:
            wire.send(solicitation(mac, IPv6Address(sender), wanted, to))
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            wire.settimeout(left)
            try:
                frame = wire.recv(128)
            except TimeoutError:
                break
            if net.version == 4 and frame[28:32] == wanted.packed and frame[20:22] == b"\0\2":
                return frame[22:28].hex(":")
            if net.version == 6 and frame[54] == ICMPV6_ADVERTISEMENT and frame[62:78] == wanted.packed:
                return frame[6:12].hex(":")
    return None


def ethernet(to: bytes, mac: bytes, protocol: int) -> bytes:
    """An Ethernet header."""
    return to + mac + struct.pack("!H", protocol)


def icmpv6(mac: bytes, to: bytes, sender: IPv6Address, receiver: IPv6Address, body: bytes) -> bytes:
    """The frame of an ICMPv6 message whose checksum field is still zero (RFC 4443 §2.3)."""
    summed = sender.packed + receiver.packed + struct.pack("!II", len(body), 58) + body
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    checksum = 0xFFFF - total % 0xFFFF
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + sender.packed + receiver.packed
    return ethernet(to, mac, ETH_P_IPV6) + header + body[:2] + struct.pack("!H", checksum) + body[4:]


def solicitation(mac: bytes, sender: IPv6Address, target: IPv6Address, to: str | None) -> bytes:
    """A neighbour solicitation to all that may have the address, or to one station (RFC 4861 §4.3)."""
    option = bytes([1, 1]) + mac if int(sender) else b""
    body = struct.pack("!BBHI", ICMPV6_SOLICITATION, 0, 0, 0) + target.packed + option
    if to is not None:
        return icmpv6(mac, bytes.fromhex(to.replace(":", "")), sender, target, body)
    group = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int(target) & 0xFFFFFF)
    return icmpv6(mac, b"\x33\x33" + group.packed[-4:], sender, group, body)


def claim(namespace: str, net: Net) -> None:
    """Tell all on the LAN that EGRESS_SOURCE is at ``namespace``'s up0 (RFC 5227 §2.3, RFC 4861 §7.2.6)."""
    with inside(namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    source = ip_address(net.source)
    with wire:
        wire.bind(("up0", 0))
        mac = wire.getsockname()[4]
        if isinstance(source, IPv4Address):
            fields = (1, ETH_P_IP, 6, 4, 1, mac, source.packed, bytes(6), source.packed)
            wire.send(ethernet(b"\xff" * 6, mac, ETH_P_ARP) + struct.pack("!HHBBH6s4s6s4s", *fields))
            return
        body = struct.pack("!BBHI", ICMPV6_ADVERTISEMENT, 0, 0, 1 << 29) + source.packed + bytes([2, 1]) + mac
        wire.send(icmpv6(mac, b"\x33\x33\0\0\0\1", source, IPv6Address("ff02::1"), body))


def links(namespace: str) -> set[str]:
    """Names of the interfaces in a namespace."""
    return {link["ifname"] for link in json.loads(run("ip", "-n", namespace, "-j", "link", "show"))}


def veths(node: Node) -> set[str]:
    """The routers' interfaces on a node."""
    return {name for name in links(node.name) if name.startswith("av")}


def forward_policy(pod: Pod) -> str:
    """What happens to packets that no rule of the pod's forward chain accepts."""
    listed = run("ip", "netns", "exec", pod.name, "nft", "--json", "list", "chain", "inet", "egress", "forward")
    policy: str = next(item["chain"]["policy"] for item in json.loads(listed)["nftables"] if "chain" in item)
    return policy


def neighbour(namespace: str, net: Net) -> str:
    """The MAC that a station believes EGRESS_SOURCE to be at."""
    (entry,) = json.loads(run("ip", "-n", namespace, "-j", "neigh", "show", net.source))
    return str(entry["lladdr"])


def mac_of(namespace: str) -> str:
    """Of its interface on the LAN."""
    mac: str = json.loads(run("ip", "-n", namespace, "-j", "link", "show", "up0"))[0]["address"]
    return mac


def proxied(node: Node, net: Net) -> set[str]:
    """The addresses for which a node's uplink has a proxy entry."""
    shown = run("ip", f"-{net.version}", "-n", node.name, "-j", "neigh", "show", "proxy")
    return {entry["dst"] for entry in json.loads(shown)}


def tables(namespace: str) -> set[str]:
    """Names of the nftables tables in a namespace."""
    listed = json.loads(run("ip", "netns", "exec", namespace, "nft", "--json", "list", "tables"))
    return {item["table"]["name"] for item in listed["nftables"] if "table" in item}


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """Root, ip and network namespaces: said once and plainly when missing."""
    if os.geteuid() != 0:
        pytest.fail("these tests make network namespaces: run them as root", pytrace=False)
    if shutil.which("ip") is None:
        pytest.fail("these tests need the ip command: install the package iproute2", pytrace=False)
    sweep()


@pytest.fixture
def net() -> Net:
    return V4


@pytest.fixture
def lab(request: pytest.FixtureRequest, net: Net) -> Iterator[Lab]:
    made = Lab(str(abs(hash(request.node.name)) % 10000), net)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def node(lab: Lab) -> Node:
    return lab.node()


@pytest.fixture
def pod(lab: Lab, node: Node) -> Pod:
    return lab.pod(node)


# --- nothing ever leaves with another source --------------------------------------------------------------------------


@both_families
def test_remote_sees_only_the_source_from_the_first_packet_on(net: Net, lab: Lab, pod: Pod) -> None:
    """Clients hammer before there is a router, while it starts and while it serves."""
    with Hammer(pod) as hammer:
        time.sleep(0.2)
        pod.start().wait_ready()
        hammer.wait_more(100)
    assert set(hammer.answers) == {net.source}
    assert set(lab.application.peers) == {net.source}
    lab.assert_no_other_source()
    assert lab.capture.sources[net.source] > 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@both_families
def test_restart_in_the_same_pod_under_load(net: Net, lab: Lab, pod: Pod, number: int) -> None:
    """After a kill the kernel serves on, and the next router takes the standing data path over."""
    pod.start().wait_ready()
    with Hammer(pod) as hammer:
        hammer.wait_more()
        with pod.connect() as established:
            assert talk(established).split()[0] == net.source
            for _round in range(2):
                pod.routers[-1].end(number)
                if number == signal.SIGKILL:
                    hammer.wait_more()
                    assert not pod.is_healthy()
                pod.start().wait_ready()
                hammer.wait_more()
            assert talk(established).split()[0] == net.source
    assert set(hammer.answers) == {net.source}
    assert pod.metric("egress_router_claims_total") == (0 if number == signal.SIGKILL else 1)
    lab.assert_no_other_source()


@both_families
def test_sigterm_gives_the_address_up_at_once(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    pod.start().wait_ready()
    with Hammer(pod) as hammer:
        hammer.wait_more()
        start = time.monotonic()
        assert pod.routers[0].end() == 0
        assert time.monotonic() - start < 1.0
        assert (veths(node), proxied(node, net)) == (set(), set())
        assert answer(lab.remote, net, net.remote) is None
        time.sleep(0.3)
    lab.assert_no_other_source()


@both_families
def test_egress_interface_deleted_under_load(net: Net, lab: Lab, pod: Pod) -> None:
    """The health port closes, nothing leaves by the pod's own interface, and the router puts all back."""
    router = pod.start().wait_ready()
    with Hammer(pod) as hammer, capture_at(pod.client) as pod_network:
        hammer.wait_more()
        run("ip", "-n", pod.name, "link", "del", "egress0")
        wait_until(lambda: not pod.is_healthy(), 1.0, "health port closed", router)
        recovered = wait_until(pod.is_healthy, 5.0, "health port open again", router)
        assert recovered < 2.0
        hammer.wait_more()
    lab.assert_no_other_source()
    assert net.remote not in pod_network.destinations, "DNATed packets left by the pod's own interface"
    assert net.source not in pod_network.sources
    assert pod.metric('egress_router_dropped_packets_total{reason="source"}') == 0
    assert pod.metric('egress_router_dropped_packets_total{reason="leak"}') == 0


@both_families
def test_forwarding_without_redirection_is_dropped(net: Net, lab: Lab, pod: Pod) -> None:
    """A client that uses the pod as a plain gateway reaches nothing, by whatever port."""
    pod.start().wait_ready()
    run("ip", "-n", pod.client, "route", "add", net.remote, "via", net.pod)
    before = pod.metric('egress_router_dropped_packets_total{reason="forward"}')
    for port in (8080, 80):
        with pytest.raises(TimeoutError):
            pod.connect(port, 0.4, net.remote)
    assert pod.metric('egress_router_dropped_packets_total{reason="forward"}') > before
    assert not lab.application.peers
    lab.assert_no_other_source()


@both_families
def test_guard_drops_a_wrong_source_on_the_egress_interface(net: Net, lab: Lab, pod: Pod) -> None:
    """An ICMP answer to nothing is no connection, so SNAT leaves it alone; the last chain doesn't."""
    pod.start().wait_ready()
    with inside(pod.name):
        raw = socket.socket(net.family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    sender, receiver = (socket.inet_pton(net.family, address) for address in (net.pod, net.remote))
    with raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"egress0")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x4156)
        icmp = bytes([0, 0, 0xFF, 0xFD, 0, 1, 0, 1])
        if net.version == 4:
            header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, 1, 0, sender, receiver)
        else:
            icmp = bytes([129]) + icmp[1:]
            header = struct.pack("!IHBB16s16s", 6 << 28, len(icmp), 58, 64, sender, receiver)
        with pytest.raises(PermissionError):
            raw.sendto(header + icmp, (net.remote, 0))
    assert pod.metric('egress_router_dropped_packets_total{reason="source"}') == 1
    lab.assert_no_other_source()


@both_families
def test_node_takes_only_the_source_from_the_pod(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Should the pod's own table ever be gone, the node's reverse path filter or guard still stands."""
    router = pod.start().wait_ready()
    router.process.send_signal(signal.SIGSTOP)
    run("ip", "netns", "exec", pod.name, "nft", "delete", "table", "inet", "egress")
    run("ip", "-n", pod.name, "route", "add", net.remote, "via", net.bridge, "dev", "egress0")
    with inside(pod.name):
        datagram = socket.socket(net.family, socket.SOCK_DGRAM)
    with datagram:
        datagram.bind((net.pod, 0))
        datagram.sendto(b"?", (net.remote, 5353))
    time.sleep(0.2)
    assert not lab.application.peers
    router.process.send_signal(signal.SIGCONT)
    lab.assert_no_other_source()


@both_families
def test_rule_set_is_put_back_when_somebody_removes_it(net: Net, lab: Lab, pod: Pod) -> None:
    router = pod.start().wait_ready()
    run("ip", "netns", "exec", pod.name, "nft", "delete", "table", "inet", "egress")
    router.wait_log("data path repaired: rule set", 2.0)
    assert pod.ask().split()[0] == net.source
    lab.assert_no_other_source()


REPAIRS = [
    ("node", "neigh del proxy {source} dev up0", "proxy {protocol} entry"),
    ("pod", "-{version} rule del pref 100", "rule for marked packets"),
    ("pod", "-{version} route flush table 16726", "default route of the egress table"),
    ("node", "-{version} route del {source}/{bits}", None),
    ("node", "link set up0 down", None),
]


@pytest.mark.parametrize(
    ("net", "where", "command", "logged"),
    [
        *((net, *repair) for net in (V4, V6) for repair in REPAIRS),
        (V6, "pod", "neigh del {bridge} dev egress0", "pod's neighbour"),
        (V6, "pod", "link set egress0 down", "egress0 up"),
    ],
    ids=str,
)
def test_broken_data_path_is_repaired(
    net: Net, lab: Lab, pod: Pod, node: Node, where: str, command: str, logged: str | None
) -> None:
    router = pod.start().wait_ready()
    texts = dict(vars(net), protocol="ARP" if net.version == 4 else "NDP")
    run("ip", "-n", node.name if where == "node" else pod.name, *command.format(**texts).split())
    if "up0 down" in command:
        wait_until(lambda: not pod.is_healthy(), 2.0, "health port closed", router)
        run("ip", "-n", node.name, "link", "set", "up0", "up")
        if net.version == 6:
            # The kernel forgot it, unlike an IPv4 one.
            lab.give(node.name, f"{net.node}1/{net.lan}", "up0")
    if logged is not None:
        router.wait_log(logged.format(**texts), 12.0)
    else:
        time.sleep(0.2)
    wait_until(pod.is_healthy, 5.0, "ready again", router)
    assert pod.ask().split()[0] == net.source
    lab.assert_no_other_source()


# --- the way there and back -------------------------------------------------------------------------------------------


@both_families
def test_replies_leave_by_the_pods_own_interface(net: Net, pod: Pod) -> None:
    with capture_at(pod.client) as pod_network:
        pod.start().wait_ready()
        assert pod.ask() == f"{net.source} {net.remote}"
        wait_until(lambda: net.pod in pod_network.sources, 1.0, "a reply from the pod's address")
    assert set(pod_network.sources) == {net.pod, net.client}


@both_families
def test_udp_port(net: Net, lab: Lab, pod: Pod) -> None:
    pod.start().wait_ready()
    assert pod.udp().decode().split() == [net.source, net.remote]
    lab.assert_no_other_source()


@both_families
def test_path_mtu_errors_about_replies_reach_the_remote_with_the_source_address(net: Net, lab: Lab, pod: Pod) -> None:
    """RFC 1191: the pod's own "fragmentation needed" goes back by egress0, not into the pod network."""
    pod.start().wait_ready()
    for namespace in (pod.name, pod.client):
        run("ip", "-n", namespace, "link", "set", "eth0", "mtu", "1300")
    with capture_at(pod.client) as pod_network:
        with pytest.raises(TimeoutError):
            pod.udp(b"large")
        learnt = run("ip", "-n", lab.remote, "route", "get", net.source)
        assert "mtu 1300" in learnt
        assert len(pod.udp(b"large")) == 1400
    assert set(lab.capture.errors) == {net.source}
    assert net.remote not in pod_network.destinations
    lab.assert_no_other_source()


def test_health_and_metrics(pod: Pod) -> None:
    pod.start().wait_ready()
    assert pod.http("/readyz") == (200, "ok\n")
    assert pod.http("/nothing")[0] == 404
    pod.ask()
    labels = f'destination="{REMOTE}:8080",direction="request",port="80/tcp"'
    assert pod.metric(f"egress_router_packets_total{{{labels}}}") >= 4
    assert pod.metric(f"egress_router_bytes_total{{{labels}}}") > 200
    assert pod.metric("egress_router_ready") == 1
    assert pod.metric("egress_router_claims_total") == 1


@both_families
def test_the_lan_does_not_reach_the_pod(net: Net, lab: Lab, pod: Pod) -> None:
    """EGRESS_SOURCE is a source only: the health port is not for the outside."""
    pod.start().wait_ready()
    with inside(lab.remote):
        outsider = socket.socket(net.family)
    with outsider:
        outsider.settimeout(0.5)
        with pytest.raises(TimeoutError):
            outsider.connect((net.source, HEALTH))
    assert pod.metric('egress_router_dropped_packets_total{reason="input"}') >= 1


def test_a_still_router_is_cheap_even_while_another_waits(lab: Lab, pod: Pod) -> None:
    router = pod.start().wait_ready()
    lab.pod(lab.node(2), 2).start().wait_log("is held by")
    time.sleep(2.5)
    before = cpu_seconds(router.process.pid)
    time.sleep(3)
    assert cpu_seconds(router.process.pid) - before <= 0.05
    resident = resident_kilobytes(router.process.pid)
    assert resident < 64 * 1024, f"{resident} kB"


# --- one holder at a time ---------------------------------------------------------------------------------------------


@both_families
def test_waits_while_another_station_holds_the_address(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    lab.give(lab.remote, f"{net.source}/{net.bits}", "up0")
    router = pod.start()
    router.wait_log(f"address {net.source} is held by")
    time.sleep(1.0)
    assert not pod.is_healthy()
    assert veths(node) == set()
    assert forward_policy(pod) == "drop", "the rule set comes before everything else"
    run("ip", "-n", lab.remote, "address", "del", f"{net.source}/{net.bits}", "dev", "up0")
    assert wait_until(pod.is_healthy, 3.0, "ready", router) < 2.0
    assert pod.ask().split()[0] == net.source


@pytest.mark.parametrize("how", ["SIGTERM", "namespace removed"])
@both_families
def test_second_node_takes_over(net: Net, lab: Lab, how: str) -> None:
    """Two routers for one address on two nodes: one serves, the other waits, and follows within about a second."""
    first, second = lab.pod(lab.node(1), 1), lab.pod(lab.node(2), 2)
    first.start().wait_ready()
    follower = second.start()
    follower.wait_log(f"address {net.source} is held by {first.node.mac}")
    # So that the remote application's machine knows the address by the first node's MAC.
    assert first.ask().split()[0] == net.source
    time.sleep(1.5)
    assert (first.is_healthy(), second.is_healthy()) == (True, False)
    assert answer(lab.remote, net, net.remote) == first.node.mac
    with Hammer(second) as hammer:
        start = time.monotonic()
        if how == "SIGTERM":
            first.routers[0].end()
        else:
            first.routers[0].end(signal.SIGKILL)
            time.sleep(1.0)
            claimed = [line for line in follower.log if "address claimed" in line]
            assert not claimed, "the first pod's kernel still serves the address"
            start = time.monotonic()
            lab.delete(first.name)
        wait_until(second.is_healthy, 5.0, "second ready", follower)
        hammer.wait_more(1)
        took = time.monotonic() - start
    assert took < 1.5, f"{took:.2f} s"
    assert neighbour(lab.remote, net) == second.node.mac, "announced"
    assert answer(lab.remote, net, net.remote) == second.node.mac
    assert set(hammer.answers) == {net.source}
    lab.assert_no_other_source()


@both_families
def test_the_announcement_replaces_what_a_neighbour_knew(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Without being asked, and even while the neighbour is sure: for IPv6 that takes the override flag."""
    known = ("lladdr", "02:00:00:00:00:99", "dev", "up0", "nud", "reachable")
    run("ip", "-n", lab.remote, "neigh", "replace", net.source, *known)
    router = pod.start().wait_ready()
    wait_until(lambda: neighbour(lab.remote, net) == node.mac, 5.0, "the neighbour knows the node", router)


@both_families
def test_two_that_start_together_never_both_hold_it(net: Net, lab: Lab) -> None:
    pods = [lab.pod(lab.node(number), number) for number in (1, 2)]
    for pod in pods:
        pod.start()
    wait_until(lambda: any(pod.is_healthy() for pod in pods), 10.0, "one is ready", pods[0].routers[0])
    for _look in range(20):
        assert [bool(proxied(pod.node, net)) for pod in pods].count(True) <= 1
        time.sleep(0.05)
    assert [pod.is_healthy() for pod in pods].count(True) == 1


@both_families
def test_second_pod_on_the_same_node_waits_for_the_first_to_go(net: Net, lab: Lab, node: Node) -> None:
    first, second = lab.pod(node, 1), lab.pod(node, 2)
    first.start().wait_ready()
    follower = second.start()
    follower.wait_log("another pod on this node holds")
    first.routers[0].end(signal.SIGKILL)
    time.sleep(0.3)
    assert not second.is_healthy(), "the killed router's pod still has its namespace and so the address"
    lab.delete(first.name)
    assert wait_until(second.is_healthy, 5.0, "second ready", follower) < 2.0
    assert second.ask().split()[0] == net.source


@both_families
def test_another_station_that_insists_gets_the_address(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """RFC 5227 §2.4 b: defend once, then yield, so that two never answer for long."""
    router = pod.start().wait_ready()
    lab.give(lab.remote, f"{net.source}/{net.bits}", "up0")
    for _claim in range(2):
        claim(lab.remote, net)
        time.sleep(0.5)
    router.wait_log("gave it up", 2.0)
    assert (pod.is_healthy(), veths(node)) == (False, set())
    run("ip", "-n", lab.remote, "address", "del", f"{net.source}/{net.bits}", "dev", "up0")
    wait_until(pod.is_healthy, 4.0, "ready again", router)


@both_families
def test_a_station_that_keeps_the_address_is_told_once_and_then_waited_for(
    net: Net, lab: Lab, pod: Pod, tmp_path: Path
) -> None:
    """As under a kubelet: it makes the termination log, and starts the router anew whenever that ends."""
    told = tmp_path / "termination-log"
    told.touch()
    options = ("--termination-log", str(told), "--patience", "0.5")
    mac = mac_of(lab.remote)

    def is_told_by(router: Router) -> bool:
        assert router.process.wait(5) == 75, router.log
        return told.read_text() == f"conflict address={net.source} held-by={mac}"

    lab.give(lab.remote, f"{net.source}/{net.bits}", "up0")
    assert is_told_by(pod.start(*options))
    patient = pod.start(*options)
    patient.wait_log("is held by")
    time.sleep(1.5)
    assert patient.process.poll() is None, "it is not told again"
    run("ip", "-n", lab.remote, "address", "del", f"{net.source}/{net.bits}", "dev", "up0")
    wait_until(pod.is_healthy, 4.0, "ready", patient)
    # That was the end of this conflict: the next one is told.
    told.write_text("")
    lab.give(lab.remote, f"{net.source}/{net.bits}", "up0")
    for _claim in range(2):
        claim(lab.remote, net)
        time.sleep(0.5)
    assert is_told_by(patient)
    assert veths(pod.node) == set(), "it had given the address up before it ended"


# --- facts of the kernel that the design rests on ---------------------------------------------------------------------


@both_families
def test_answers_stop_with_the_pods_namespace(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """The proxy entry outlives the pod, but without the route it has no effect."""
    router = pod.start().wait_ready()
    assert answer(lab.remote, net, net.remote) == node.mac
    router.end(signal.SIGKILL)
    assert answer(lab.remote, net, net.remote) == node.mac, (
        "while the pod is there, the kernel serves without the router"
    )
    lab.delete(pod.name)
    wait_until(lambda: not veths(node), 2.0, "the kernel removed the veth")
    assert proxied(node, net) == {net.source}
    assert answer(lab.remote, net, net.remote) is None


def test_probes_are_answered_by_the_router_and_not_by_the_kernel(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    router = pod.start().wait_ready()
    assert answer(lab.remote, net, "0.0.0.0") == node.mac
    router.end(signal.SIGKILL)
    assert answer(lab.remote, net, "0.0.0.0") is None
    assert answer(lab.remote, net, net.remote) == node.mac


@ipv6
def test_ipv6_probes_are_answered_by_the_kernel_with_or_without_the_router(
    net: Net, lab: Lab, pod: Pod, node: Node
) -> None:
    router = pod.start().wait_ready()
    assert answer(lab.remote, net, "::") == node.mac
    router.end(signal.SIGKILL)
    assert answer(lab.remote, net, "::") == node.mac


@ipv6
def test_a_neighbour_that_asks_the_node_alone_is_answered(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """RFC 4861 §7.3: so does one that wants to know whether the address is still there, and the kernel's proxy doesn't
    answer that while only the uplink's proxying is on."""
    pod.start().wait_ready()
    assert answer(lab.remote, net, net.remote, to=node.mac) == node.mac


@ipv6
def test_without_the_nodes_guard_a_dead_pods_address_would_still_be_answered_for(
    net: Net, lab: Lab, pod: Pod, node: Node
) -> None:
    pod.start().wait_ready().end(signal.SIGKILL)
    lab.delete(pod.name)
    wait_until(lambda: not veths(node), 2.0, "the kernel removed the veth")
    (guard,) = tables(node.name)
    for sender in ("::", net.remote):
        assert answer(lab.remote, net, sender) is None
    assert answer(lab.remote, net, net.remote, to=node.mac) is None
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "inet", guard)
    assert answer(lab.remote, net, net.remote) == node.mac


@ipv6
def test_the_nodes_guard_is_put_back_and_goes_at_sigterm(net: Net, pod: Pod, node: Node) -> None:
    router = pod.start().wait_ready()
    (guard,) = tables(node.name)
    run("ip", "netns", "exec", node.name, "nft", "delete", "table", "inet", guard)
    router.wait_log("data path repaired: node's guard", 12.0)
    assert tables(node.name) == {guard}
    router.end()
    assert tables(node.name) == set()


@both_families
def test_node_answers_for_the_one_address_only_and_at_once(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    pod.start().wait_ready()
    start = time.monotonic()
    assert answer(lab.remote, net, net.remote) == node.mac
    assert time.monotonic() - start < 0.1
    for other in (net.second_source, net.pod):
        assert answer(lab.remote, net, net.remote, other, seconds=0.3) is None, other


@both_families
def test_several_routers_share_a_node(net: Net, lab: Lab, node: Node) -> None:
    """Each has its own link, although each link's node end has the same address."""
    pods = [lab.pod(node, number) for number in (1, 2)]
    for pod, source in zip(pods, (net.source, net.second_source), strict=True):
        pod.start(EGRESS_SOURCE=source)
    for pod, source in zip(pods, (net.source, net.second_source), strict=True):
        pod.routers[0].wait_ready()
        assert pod.ask().split()[0] == source
    lab.assert_no_other_source(net.source, net.second_source)


# --- names ------------------------------------------------------------------------------------------------------------


class DnsServer:
    """Answers a question of the family with ``address`` and a TTL of one second, or with SERVFAIL while it is None.

    For the other family there is no address.
    """

    def __init__(self, namespace: str, net: Net) -> None:
        self.address: str | None = net.remote
        self._net = net
        self.asked = 0
        with inside(namespace):
            self._socket = socket.socket(net.family, socket.SOCK_DGRAM)
            self._socket.bind((net.client, 53))
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                data, client = self._socket.recvfrom(2048)
                if client is None:  # closed
                    return
                self.asked += 1
                self._socket.sendto(self._answer(data), client)

    def _answer(self, data: bytes) -> bytes:
        answer = dns.message.make_response(dns.message.from_wire(data))
        if self.address is None:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif dns.rdatatype.to_text(answer.question[0].rdtype) == self._net.record:
            found = dns.rrset.from_text(answer.question[0].name, 1, "IN", self._net.record, self.address)
            answer.answer.append(found)
        return answer.to_wire()


@pytest.fixture
def name_server(pod: Pod) -> Iterator[DnsServer]:
    server = DnsServer(pod.client, pod.net)
    yield server
    server.close()


@pytest.fixture
def named(tmp_path: Path, net: Net) -> dict[str, Any]:
    """The contract of a router whose destination has a name."""
    file = tmp_path / "resolv.conf"
    file.write_text(f"nameserver {net.client}\nsearch green.svc.cluster.local\noptions ndots:5\n", encoding="ascii")
    return {"EGRESS_PORTS": "80/tcp=dest.example:8080", "EGRESS_DESTINATION": "dest.example", "resolv_conf": str(file)}


@both_families
def test_name_is_followed_and_established_flows_stay(
    net: Net, lab: Lab, pod: Pod, name_server: DnsServer, named: dict[str, Any]
) -> None:
    router = pod.start(**named).wait_ready()
    with pod.connect() as established:
        assert talk(established) == f"{net.source} {net.remote}"
        name_server.address = net.second_remote
        wait_until(lambda: pod.ask() == f"{net.source} {net.second_remote}", 4.0, "the new address is used", router)
        assert talk(established) == f"{net.source} {net.remote}"
    lab.assert_no_other_source()


def test_resolve_once_keeps_the_first_address(pod: Pod, name_server: DnsServer, named: dict[str, Any]) -> None:
    pod.start(EGRESS_RESOLVE="once", **named).wait_ready()
    asked = name_server.asked
    name_server.address = V4.second_remote
    time.sleep(2.5)
    assert pod.ask() == f"{SOURCE} {REMOTE}"
    assert name_server.asked == asked


def test_name_server_outage_stops_no_traffic(pod: Pod, name_server: DnsServer, named: dict[str, Any]) -> None:
    pod.start(**named).wait_ready()
    name_server.address = None
    wait_until(
        lambda: pod.metric('egress_router_resolution_errors_total{name="dest.example"}') > 0, 6.0, "a failed look-up"
    )
    assert pod.ask() == f"{SOURCE} {REMOTE}"
    assert pod.http("/readyz")[0] == 200


def test_unresolved_name_is_told_and_refused(pod: Pod, name_server: DnsServer, named: dict[str, Any]) -> None:
    name_server.address = None
    router = pod.start(**named)
    router.wait_log("not ready: no address known for dest.example", 15)
    assert not pod.is_healthy()
    with pytest.raises(ConnectionRefusedError):
        pod.connect()
    name_server.address = REMOTE
    router.wait_ready(15)
    assert pod.http("/readyz") == (200, "ok\n")
    assert pod.ask() == f"{SOURCE} {REMOTE}"


def test_other_destinations_are_served_while_a_name_has_no_address(
    pod: Pod, name_server: DnsServer, named: dict[str, Any]
) -> None:
    name_server.address = None
    ports = f"80/tcp=dest.example:8080,81/tcp={REMOTE}:8080"
    pod.start(**{**named, "EGRESS_PORTS": ports, "EGRESS_DESTINATION": f"dest.example,{REMOTE}"}).wait_ready(15)
    assert pod.ask(81) == f"{SOURCE} {REMOTE}"
    assert pod.http("/readyz") == (503, "no address known for dest.example\n")


def test_restart_keeps_the_address_of_a_name_while_the_name_server_is_away(
    pod: Pod, name_server: DnsServer, named: dict[str, Any]
) -> None:
    pod.start(**named).wait_ready()
    pod.routers[0].end(signal.SIGKILL)
    name_server.address = None
    pod.start(**named).wait_ready(15)
    assert pod.ask() == f"{SOURCE} {REMOTE}"


# --- what it refuses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"EGRESS_SOURCE": "192.168.7.7"}, "EGRESS_SOURCE='192.168.7.7' is not usable on this node"),
        ({"EGRESS_SOURCE": "10.70.112.61"}, "it is an address of this node itself"),
        ({"EGRESS_UPLINK": "bond7"}, "EGRESS_UPLINK='bond7' is not usable: this node has no interface of that name."),
        ({"EGRESS_PORTS": ""}, "EGRESS_PORTS is not set"),
        ({"TCP_HM_PORT": "80"}, "TCP_HM_PORT='80' is not usable: EGRESS_PORTS already serves 80/tcp"),
    ],
)
def test_what_does_not_fit_ends_with_one_sentence(pod: Pod, node: Node, env: dict[str, str], said: str) -> None:
    router = pod.start(**env)
    assert router.process.wait(10) == 78
    router.end()
    assert said in router.log[-1]
    assert sum("rule set loaded" not in line for line in router.log) == 1, router.log
    assert veths(node) == set()


@ipv6
@pytest.mark.parametrize("where", ["all", "up0"])
def test_a_node_that_does_not_forward_ipv6_is_told_and_left_alone(
    net: Net, lab: Lab, pod: Pod, node: Node, where: str
) -> None:
    """Forwarding changes how a node treats router advertisements, so it is not switched on for the node's owner."""
    setting = f"net.ipv6.conf.{where}.forwarding"
    with inside(node.name):
        Path(f"/proc/sys/{setting.replace('.', '/')}").write_text("0", encoding="ascii")
    router = pod.start()
    router.wait_log(f"not ready: {setting} is 0 on this node")
    assert not pod.is_healthy()
    assert (veths(node), answer(lab.remote, net, net.remote)) == (set(), None)
    with inside(node.name):
        assert Path(f"/proc/sys/{setting.replace('.', '/')}").read_text(encoding="ascii") == "0\n"
        Path(f"/proc/sys/{setting.replace('.', '/')}").write_text("1", encoding="ascii")
    wait_until(pod.is_healthy, 5.0, "ready", router)
    assert pod.ask().split()[0] == net.source


@ipv6
def test_a_pod_without_an_address_of_the_family_is_told(net: Net, pod: Pod) -> None:
    run("ip", "-n", pod.name, "-6", "route", "del", "default")
    router = pod.start()
    assert router.process.wait(10) == 71
    router.end()
    assert router.log == [
        "egress router: the pod has no interface with an IPv6 address and a default route: check its pod network."
    ]


@ipv6
def test_ipv4_does_not_cross_the_link_of_an_ipv6_address(net: Net, lab: Lab, pod: Pod, node: Node) -> None:
    """Even if both ends were given IPv4 addresses."""
    router = pod.start().wait_ready()
    (veth,) = veths(node)
    run("ip", "-n", pod.name, "address", "add", "10.9.9.1/24", "dev", "egress0")
    run("ip", "-n", node.name, "address", "add", "10.9.9.2/24", "dev", veth)
    with inside(pod.name):
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagram, pytest.raises(PermissionError):
        datagram.sendto(b"?", ("10.9.9.2", 5353))
    router.process.send_signal(signal.SIGSTOP)
    run("ip", "netns", "exec", pod.name, "nft", "delete", "table", "inet", "egress")
    with inside(node.name):
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with inside(pod.name):
        datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with listener, datagram:
        listener.bind(("10.9.9.2", 5353))
        listener.settimeout(0.3)
        datagram.sendto(b"?", ("10.9.9.2", 5353))
        with pytest.raises(TimeoutError):
            listener.recv(16)
    router.process.send_signal(signal.SIGCONT)


def test_named_uplink(lab: Lab, pod: Pod) -> None:
    pod.start(EGRESS_UPLINK="up0").wait_ready()
    assert pod.ask().split()[0] == SOURCE
    lab.assert_no_other_source()


# --- helpers of single tests ------------------------------------------------------------------------------------------


@dataclass
class PodNetwork:
    """Addresses of the packets seen at the client's end of the pod's interface."""

    sources: Counter[str] = field(default_factory=Counter)
    destinations: Counter[str] = field(default_factory=Counter)


@contextmanager
def capture_at(namespace: str) -> Iterator[PodNetwork]:
    """What crosses a client's eth0 while the block runs."""
    seen = PodNetwork()
    with inside(namespace):
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.bind(("eth0", ETH_P_ALL))
    wire.settimeout(0.1)
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            with suppress(TimeoutError):
                found = packet(wire.recv(2048))
                if found is not None:
                    seen.sources[str(ip_address(found.source))] += 1
                    seen.destinations[str(ip_address(found.destination))] += 1

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        wire.close()


def resident_kilobytes(pid: int) -> int:
    """Memory that a process has in use."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
