# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the controller could not read of the objects that it is configured by, as the role is about to write them."""

from __future__ import annotations

from typing import Any, Iterable, Iterator

from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.resources import NAMESPACE_NAME
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import read_cloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network

READERS = {"EgressCloud": read_cloud, "EgressNetwork": read_network}


def faults(definitions: Iterable[dict[str, Any]]) -> list[str]:
    """A sentence for each that would be refused; other kinds than the controller's own are passed over."""
    return [told for item in definitions if item["kind"] in READERS for told in _faults(item)]


def _faults(definition: dict[str, Any]) -> Iterator[str]:
    kind, name = definition["kind"], definition["metadata"]["name"]
    try:
        if not NAMESPACE_NAME.fullmatch(str(name)):
            expected = "give a name of up to 63 lower-case letters, digits and hyphens"
            raise InvalidInput(kind, "metadata.name", name, expected)
        READERS[kind](definition)
    except InvalidInput as error:
        yield str(error)
    except (TypeError, ValueError, AttributeError, LookupError):
        return  # Of a wrong type, which the API server tells by its schema.
