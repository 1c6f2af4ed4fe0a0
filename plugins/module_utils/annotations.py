# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The grammar of the ``egress_pod`` annotation (article, "Creating a Secure Egress Service" and its customizations).

Annotations are written by tenants, so everything here is hostile until it has been read: the parser accepts
the whole annotation or refuses it whole, and says at which line and column, and what would be right.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Mapping, NoReturn, Sequence

from . import addresses
from .errors import InvalidAnnotation
from .model import DEFAULT_HM_PORT, Destination, EgressPod, EgressService
from .resources import EGRESS_POD_ANNOTATION, KubeObject

MAX_LENGTH = 16 * 1024
"""Characters; the largest sensible annotation is a tenth of it."""
MAX_DESTINATIONS = 64

_CURLY_QUOTES = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
_HOST_NAME = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?", re.I
)
_LABEL_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_IMAGE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._:/@-]{0,254}")
_PORT_KEY = re.compile(r"([0-9]{1,5})(?:/(tcp|udp))?", re.I)
_PORT = re.compile(r"[0-9]{1,5}")


def read_service(service: KubeObject) -> EgressService | None:
    """The intent of a Service; None if it has no ``egress_pod`` annotation; InvalidAnnotation if that is wrong."""
    metadata = service["metadata"]
    text = (metadata.get("annotations") or {}).get(EGRESS_POD_ANNOTATION)
    if text is None:
        return None
    subject = f"Service {metadata['namespace']}/{metadata['name']}"
    egress_pod = parse_egress_pod(text, subject)
    return EgressService(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        egress_pod=egress_pod,
        routes=_routes(egress_pod, service.get("spec", {}).get("ports") or (), subject),
    )


def parse_egress_pod(text: str, subject: str = "Service") -> EgressPod:
    """The ``egress_pod`` annotation's text as an EgressPod; InvalidAnnotation says what is wrong and where."""
    return _Reader(subject, EGRESS_POD_ANNOTATION).egress_pod(load_json(text, subject, EGRESS_POD_ANNOTATION))


def load_json(text: str, subject: str, annotation: str) -> dict[str, Any]:
    """An annotation's JSON object; refuses duplicate keys, NaN, depth and size beyond reason."""
    if len(text) > MAX_LENGTH:
        raise InvalidAnnotation(
            subject, annotation, text, f"it has {len(text)} characters, at most {MAX_LENGTH} are read"
        )

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _value in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise InvalidAnnotation(subject, annotation, key, "this key stands there twice; keep one")
        return dict(pairs)

    def no_constant(word: str) -> NoReturn:
        raise InvalidAnnotation(subject, annotation, word, "JSON knows no such number")

    try:
        value = json.loads(text, object_pairs_hook=no_duplicates, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        where = f"{annotation}, line {error.lineno}, column {error.colno}"
        near = text[max(0, error.pos - 20) : error.pos + 20]
        raise InvalidAnnotation(subject, where, near, _hint(text, error)) from error
    except (RecursionError, ValueError) as error:
        raise InvalidAnnotation(
            subject, annotation, text, "it is nested too deep or holds an endless number"
        ) from error
    if not isinstance(value, dict):
        raise InvalidAnnotation(
            subject, annotation, text, 'give a JSON object, such as {"destination_ip": "10.10.10.200"}'
        )
    return value


def _hint(text: str, error: json.JSONDecodeError) -> str:
    """What a reader who pasted the article's samples most likely got wrong (avi-facts, "Defects")."""
    if any(mark in text for mark in _CURLY_QUOTES):
        return 'use straight quotes (") instead of typographic ones'
    if error.msg.startswith("Expecting ':'"):
        return "a ':' is missing between the key and its value"
    if error.pos >= len(text.rstrip()):
        missing = text.count("{") - text.count("}")
        return f"the text ends too early: {missing} closing '}}' missing" if missing > 0 else "the text ends too early"
    if "'" in text and '"' not in text:
        return "use double quotes, as JSON asks for"
    if error.msg.startswith("Extra data"):
        return "something follows after the closing '}'; remove it"
    return f"it is no JSON here ({error.msg})"


class _Reader:
    """Reads the keys of ``egress_pod``; knows the subject so that each refusal names it."""

    def __init__(self, subject: str, annotation: str) -> None:
        self._subject = subject
        self._annotation = annotation

    def egress_pod(self, value: Mapping[str, Any]) -> EgressPod:
        readers: dict[str, Callable[[str, Any], Any]] = {
            "destination_ip": self._host,
            "destinations": self._destinations,
            "hm_port": self._port,
            "image": self._image,
            "nodeSelector": self._node_selector,
            "ha": self._bool,
            "network": self._network,
            "source_ip": self._source_ips,
            "resolve": self._resolve,
        }
        for key in value:
            if key not in readers:
                self._refuse(key, value[key], f"this key is not known; known are {', '.join(readers)}")
        read = {key: readers[key](key, item) for key, item in value.items()}
        if ("destination_ip" in read) == ("destinations" in read):
            self._refuse(
                "destination_ip", value.get("destination_ip"), "give exactly one of destination_ip and destinations"
            )
        sources = read.get("source_ip", ())
        slots = 2 if read.get("ha") else 1
        if sources and len(sources) != slots:
            self._refuse(
                "source_ip", value["source_ip"], f"give {slots} address(es), for ha is {str(slots == 2).lower()}"
            )
        return EgressPod(
            destination_ip=read.get("destination_ip"),
            destinations=read.get("destinations", ()),
            hm_port=read.get("hm_port", DEFAULT_HM_PORT),
            image=read.get("image"),
            node_selector=read.get("nodeSelector", {}),
            ha=read.get("ha", False),
            network=read.get("network"),
            source_ips=sources,
            resolve=read.get("resolve", "ttl"),
        )

    def _refuse(self, field: str, value: Any, expected: str) -> NoReturn:
        raise InvalidAnnotation(self._subject, f"{self._annotation}.{field}", value, expected)

    def _host(self, field: str, value: Any) -> str:
        if isinstance(value, str):
            address = addresses.canonical(value)
            if address:
                return address
            if _HOST_NAME.fullmatch(value) and not _looks_numeric(value):
                return value.rstrip(".").lower()
        self._refuse(field, value, "give an IPv4 or IPv6 address or a host name")

    def _destinations(self, field: str, value: Any) -> tuple[Destination, ...]:
        example = 'give {"host": {"service port": "destination port"}}'
        if not isinstance(value, dict) or not value:
            self._refuse(field, value, example)
        found: dict[tuple[int, str], Destination] = {}
        for host, ports in value.items():
            if not isinstance(ports, dict) or not ports:
                self._refuse(f"{field}.{host}", ports, example)
            name = self._host(field, host)
            for key, target in ports.items():
                port, protocol = self._port_key(f"{field}.{host}", key)
                if (port, protocol) in found:
                    self._refuse(f"{field}.{host}", key, "this service port already leads to another destination")
                found[port, protocol] = Destination(port, protocol, name, self._port(f"{field}.{host}.{key}", target))
        if len(found) > MAX_DESTINATIONS:
            self._refuse(field, len(found), f"at most {MAX_DESTINATIONS} ports are served by one egress pod")
        return tuple(found.values())

    def _port_key(self, field: str, key: str) -> tuple[int, str]:
        match = _PORT_KEY.fullmatch(key)
        if not match:
            self._refuse(field, key, 'give a port such as "8080" or "53/udp"')
        return self._port(field, match[1]), (match[2] or "tcp").upper()

    def _port(self, field: str, value: Any) -> int:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number or (isinstance(value, str) and _PORT.fullmatch(value)):
            port = int(value)
            if 1 <= port <= 65535:
                return port
        self._refuse(field, value, "give a port from 1 to 65535")

    def _image(self, field: str, value: Any) -> str:
        return self._matching(field, value, _IMAGE, "give an image name, such as private-repo:5000/avi-egress-router")

    def _network(self, field: str, value: Any) -> str:
        return self._matching(field, value, _NAME, "give the name of an EgressNetwork")

    def _matching(self, field: str, value: Any, pattern: re.Pattern[str], expected: str) -> str:
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        self._refuse(field, value, expected)

    def _node_selector(self, field: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            self._refuse(field, value, 'give labels, such as {"external-accessible-node": "true"}')
        for key, label in value.items():
            if not _LABEL_KEY.fullmatch(key):
                self._refuse(field, key, "this is no label key")
            self._matching(f"{field}.{key}", label, _LABEL_VALUE, "give a label value as a string")
        return dict(value)

    def _bool(self, field: str, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        self._refuse(field, value, "give true or false")

    def _source_ips(self, field: str, value: Any) -> tuple[str, ...]:
        items = value if isinstance(value, list) else [value]
        found = [addresses.canonical(item) if isinstance(item, str) else None for item in items]
        if not found or None in found or len(set(found)) != len(found):
            self._refuse(field, value, "give an address, or a list of two different ones under ha")
        return tuple(item for item in found if item)

    def _resolve(self, field: str, value: Any) -> str:
        if value in ("ttl", "once"):
            return str(value)
        self._refuse(field, value, 'give "ttl" or "once"')


def _looks_numeric(name: str) -> bool:
    """A name whose last label is a number would be read as an address by resolvers (WHATWG URL, "ends in a number")."""
    return name.rstrip(".").rsplit(".", 1)[-1].isdigit()


def _routes(egress_pod: EgressPod, ports: Sequence[Mapping[str, Any]], subject: str) -> tuple[Destination, ...]:
    """Where each port of the pod leads: as ``destinations`` say, or every service port to ``destination_ip``.

    The pod's port is the Service's ``targetPort``, which Kubernetes sets to the port when it is left out; behind
    ``destination_ip`` the remote application is reached on that port too.
    """
    if egress_pod.destinations:
        routes = egress_pod.destinations
    else:
        host = egress_pod.destination_ip or ""
        routes = tuple(
            Destination(target, item.get("protocol", "TCP"), host, target)
            for item, target in ((item, _target_port(item, subject)) for item in ports)
        )
    for item in routes:
        if item.protocol not in ("TCP", "UDP"):
            raise InvalidAnnotation(subject, "spec.ports.protocol", item.protocol, "an egress pod serves TCP and UDP")
        if item.protocol == "TCP" and item.port == egress_pod.hm_port:
            raise InvalidAnnotation(
                subject,
                f"{EGRESS_POD_ANNOTATION}.hm_port",
                egress_pod.hm_port,
                "the service uses this port; give another",
            )
    return routes


def _target_port(item: Mapping[str, Any], subject: str) -> int:
    target = item.get("targetPort", item["port"])
    if isinstance(target, int):
        return target
    raise InvalidAnnotation(subject, "spec.ports.targetPort", target, "give a number: an egress pod has no named ports")
