# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The grammar of the ``egress_pod`` annotation (article, "Creating a Secure Egress Service" and its customizations)."""

from __future__ import annotations

import re
from typing import Any, Callable, Mapping, Sequence

from ..api import addresses
from ..api.errors import InvalidAnnotation
from ..api.field_reader import at
from ..api.host_names import DNS_LABEL, is_host_name
from ..api.pod_fields import PodFieldReader
from ..api.resources import AVI_PROXY_ANNOTATION, EGRESS_POD_ANNOTATION, KubeObject
from . import service_type
from .annotation_json import load_json
from .avi_proxy import Policy, parse_avi_proxy
from .egress_service import DEFAULT_DRAIN_SECONDS, DEFAULT_HM_PORT, Destination, EgressPod, EgressService, Probe
from .service_port import ServicePort

MAX_DESTINATIONS = 64

MAX_PORTS = 1000
"""Of a Service that leads to ``destination_ip``; as many as the data path has been measured with."""

_NAME = re.compile(DNS_LABEL)
_IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/@-]{0,254}")
_PORT_KEY = re.compile(r"([0-9]{1,5})(?:/(tcp|udp))?", re.I | re.A)


def read_service(service: KubeObject) -> EgressService | None:
    """The intent of a Service; None if it has no ``egress_pod`` annotation.

    InvalidAnnotation if that is wrong, Refused if the Service is none that egress can be given to.
    """
    text = (service["metadata"].get("annotations") or {}).get(EGRESS_POD_ANNOTATION)
    return None if text is None else intent_of(service, parse_egress_pod(text, _subject(service)))


def intent_of(service: KubeObject, egress_pod: EgressPod) -> EgressService:
    """The intent of a Service whose ``egress_pod`` annotation has been parsed; refused as by ``read_service``."""
    metadata, spec, subject = service["metadata"], service.get("spec", {}), _subject(service)
    service_type.check(service, subject)
    ports = _service_ports(egress_pod, spec.get("ports") or (), subject)
    return EgressService(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        egress_pod=egress_pod,
        routes=_routes(egress_pod, ports, subject),
        ports=ports,
        policy=_policy((metadata.get("annotations") or {}).get(AVI_PROXY_ANNOTATION), subject),
        ip_families=tuple(spec.get("ipFamilies") or (addresses.IPV4,)),
    )


def parse_egress_pod(text: str, subject: str = "Service") -> EgressPod:
    """The ``egress_pod`` annotation's text as an EgressPod; InvalidAnnotation says what is wrong and where."""
    return _Reader(subject, EGRESS_POD_ANNOTATION).egress_pod(load_json(text, subject, EGRESS_POD_ANNOTATION))


def _subject(service: KubeObject) -> str:
    return f"Service {service['metadata']['namespace']}/{service['metadata']['name']}"


def _policy(text: str | None, subject: str) -> Policy | None:
    return None if text is None else parse_avi_proxy(text, subject)


class _Reader(PodFieldReader):
    """Reads the keys of ``egress_pod``."""

    error = InvalidAnnotation

    def egress_pod(self, value: dict[str, Any]) -> EgressPod:
        readers: dict[str, Callable[[str, Any], Any]] = {
            "destination_ip": self._host,
            "destinations": self._destinations,
            "hm_port": self.port,
            "image": self._image,
            "nodeSelector": self.node_selector,
            "tolerations": self.tolerations,
            "ha": self.boolean,
            "network": self._network,
            "source_ip": self._source_ips,
            "resolve": self._resolve,
            "probe": self._probe,
            "drainSeconds": self._drain_seconds,
        }
        self.known_keys("", value, readers)
        read = {key: readers[key](key, item) for key, item in value.items()}
        if ("destination_ip" in read) == ("destinations" in read):
            self.refuse(
                "destination_ip", value.get("destination_ip"), "give exactly one of destination_ip and destinations"
            )
        sources = read.get("source_ip", ())
        slots = 2 if read.get("ha") else 1
        if sources and len(sources) != slots:
            self.refuse(
                "source_ip", value["source_ip"], f"give {slots} address(es), for ha is {str(slots == 2).lower()}"
            )
        found = EgressPod(
            destination_ip=read.get("destination_ip"),
            destinations=read.get("destinations", ()),
            hm_port=read.get("hm_port", DEFAULT_HM_PORT),
            image=read.get("image"),
            node_selector=read.get("nodeSelector", {}),
            tolerations=read.get("tolerations", ()),
            ha=read.get("ha", False),
            network=read.get("network"),
            source_ips=sources,
            resolve=read.get("resolve", "ttl"),
            probe=read.get("probe", Probe()),
            drain_seconds=read.get("drainSeconds", DEFAULT_DRAIN_SECONDS if slots == 2 else 0),
        )
        if found.drain_seconds and not found.ha:
            self.refuse(
                "drainSeconds",
                found.drain_seconds,
                "this is for ha; the successor of a single pod waits for its address",
            )
        self._one_family(found)
        return found

    def _one_family(self, egress_pod: EgressPod) -> None:
        """Refuse addresses of two families: what leaves from one address can't arrive at one of the other."""
        hosts = [host for host in egress_pod.hosts if addresses.canonical(host)]
        named = [*((host, "destinations") for host in hosts), *((ip, "source_ip") for ip in egress_pod.source_ips)]
        for address, field in named:
            family = addresses.family_of(address)
            if family != egress_pod.ip_family:
                told = f"this is {family}, and {named[0][0]} is {egress_pod.ip_family}"
                self.refuse(field, address, f"{told}; a service has addresses of one family, so give each its own")

    def _host(self, field: str, value: Any) -> str:
        if isinstance(value, str):
            address = addresses.canonical(value)
            if address:
                what = addresses.why_no_destination(address)
                if what:
                    self.refuse(field, value, f"this is {what}; give the address of an application outside the cluster")
                return address
            if is_host_name(value):
                return self._outside_name(field, value.lower())
        self.refuse(field, value, "give an IPv4 or IPv6 address or a host name")

    def _outside_name(self, field: str, name: str) -> str:
        # A dot at the end stays: it says that no search list is to be tried.
        if name.rstrip(".").rsplit(".", 1)[-1] == "localhost":
            self.refuse(
                field, name, "this is the egress pod itself (RFC 6761); name an application outside the cluster"
            )
        return name

    def _destinations(self, field: str, value: Any) -> tuple[Destination, ...]:
        example = 'give {"host": {"service port": "destination port"}}'
        if not isinstance(value, dict) or not value:
            self.refuse(field, value, example)
        found: dict[tuple[int, str], Destination] = {}
        for host, ports in value.items():
            where = at(field, host)
            if not isinstance(ports, dict) or not ports:
                self.refuse(where, ports, example)
            name = self._host(field, host)
            for key, target in ports.items():
                port, protocol = self._port_key(where, key)
                if (port, protocol) in found:
                    self.refuse(where, key, "this service port already leads to another destination")
                found[port, protocol] = Destination(port, protocol, name, self.port(at(where, key), target))
        if len(found) > MAX_DESTINATIONS:
            self.refuse(field, len(found), f"at most {MAX_DESTINATIONS} ports are served by one egress pod")
        return tuple(found.values())

    def _port_key(self, field: str, key: str) -> tuple[int, str]:
        match = _PORT_KEY.fullmatch(key)
        if not match:
            self.refuse(field, key, 'give a port such as "8080" or "53/udp"')
        return self.port(field, match[1]), (match[2] or "tcp").upper()

    def _image(self, field: str, value: Any) -> str:
        return self.matching(field, value, _IMAGE, "give an image name, such as private-repo:5000/avi-egress-router")

    def _network(self, field: str, value: Any) -> str:
        return self.matching(field, value, _NAME, "give the name of an EgressNetwork")

    def _source_ips(self, field: str, value: Any) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        found = [addresses.canonical(item) if isinstance(item, str) else None for item in items]
        if not found or None in found or len(set(found)) != len(found):
            self.refuse(field, value, "give an address, or a list of two different ones under ha")
        return tuple(item for item in found if item)

    def _probe(self, field: str, value: Any) -> Probe:
        if not isinstance(value, dict):
            self.refuse(field, value, 'give {"interval": seconds, "timeout": seconds}')
        limits = {"interval": (0, 3600), "timeout": (1, 60)}
        self.known_keys(field, value, limits)
        return Probe(**{key: self.integer(at(field, key), item, *limits[key]) for key, item in value.items()})

    def _drain_seconds(self, field: str, value: Any) -> int:
        return self.integer(field, value, 0, 3600)

    def _resolve(self, field: str, value: Any) -> str:
        return self.one_of(field, value, ("ttl", "once"))


def _service_ports(egress_pod: EgressPod, ports: Sequence[Mapping[str, Any]], subject: str) -> tuple[ServicePort, ...]:
    """The ports that clients use, each with the pod's: the Service's own, or those that ``destinations`` name.

    The pod's port is the Service's ``targetPort``, which Kubernetes sets to the port when it is left out.
    """
    if egress_pod.destinations:
        asked = {(route.port, route.protocol) for route in egress_pod.destinations}
        ports = [item for item in ports if (item["port"], item.get("protocol", "TCP")) in asked]
    elif not ports:
        raise InvalidAnnotation(subject, "spec.ports", None, "give the ports that lead to destination_ip")
    elif len(ports) > MAX_PORTS:
        raise InvalidAnnotation(subject, "spec.ports", len(ports), f"at most {MAX_PORTS} ports lead to destination_ip")
    found = tuple(ServicePort(item["port"], item.get("protocol", "TCP"), _target_port(item, subject)) for item in ports)
    for item in found:
        if item.protocol not in ("TCP", "UDP"):
            raise InvalidAnnotation(subject, "spec.ports.protocol", item.protocol, "an egress pod serves TCP and UDP")
    there = {(item.port, item.protocol) for item in found}
    return found + tuple(
        ServicePort(route.port, route.protocol, route.port)
        for route in egress_pod.destinations
        if (route.port, route.protocol) not in there
    )


def _routes(egress_pod: EgressPod, ports: Sequence[ServicePort], subject: str) -> tuple[Destination, ...]:
    """Where each port of the pod leads: as ``destinations`` say, or every port to ``destination_ip``.

    Behind ``destination_ip`` the remote application is reached on the pod's port.
    """
    named = {(route.port, route.protocol): route for route in egress_pod.destinations}
    found: dict[tuple[int, str], Destination] = {}
    for item in ports:
        to = named.get((item.port, item.protocol))
        host, host_port = (to.host, to.host_port) if to else (egress_pod.destination_ip or "", item.pod_port)
        route = Destination(item.pod_port, item.protocol, host, host_port)
        if found.setdefault((route.port, route.protocol), route) != route:
            raise InvalidAnnotation(
                subject, "spec.ports.targetPort", route.port, "two destinations need two ports of the pod"
            )
    if (egress_pod.hm_port, "TCP") in found:
        raise InvalidAnnotation(
            subject,
            f"{EGRESS_POD_ANNOTATION}.hm_port",
            egress_pod.hm_port,
            "the service uses this port; give another",
        )
    return tuple(found.values())


def _target_port(item: Mapping[str, Any], subject: str) -> int:
    target = item.get("targetPort", item["port"])
    if isinstance(target, int):
        return target
    raise InvalidAnnotation(subject, "spec.ports.targetPort", target, "give a number: an egress pod has no named ports")
