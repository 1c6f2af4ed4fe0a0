# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A client's decoder by msgspec, for lists of ten thousands of objects.

A page is first taken apart without making anything of its parts, and each object is made when it is its turn: so a page
takes the room of its text and of one object, and what is done with that finds it in the processor's cache. Its managed
fields, which are often longer than all the rest, are never made.
"""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.client.decoder import ListPage


class _ObjectMeta(TypedDict, total=False):
    """All that ``meta/v1`` has in an object's metadata, but its managed fields; what is not named here is left out."""

    name: Any
    generateName: Any
    namespace: Any
    selfLink: Any
    uid: Any
    resourceVersion: Any
    generation: Any
    creationTimestamp: Any
    deletionTimestamp: Any
    deletionGracePeriodSeconds: Any
    labels: Any
    annotations: Any
    ownerReferences: Any
    finalizers: Any


class _Page(msgspec.Struct):
    metadata: dict[str, Any]
    items: list[dict[str, msgspec.Raw]] | None = None


_page = msgspec.json.Decoder(_Page).decode
_metadata = msgspec.json.Decoder(_ObjectMeta).decode
_anything = msgspec.json.Decoder().decode


class FastDecoder:
    """Reads an answer whole, and a page object by object."""

    def document(self, text: bytes) -> Any:
        return _anything(text)

    def page(self, text: bytes) -> ListPage:
        found = _page(text)
        return ListPage.of(map(_object, found.items or ()), found.metadata)


def _object(parts: dict[str, msgspec.Raw]) -> KubeObject:
    return {name: _metadata(part) if name == "metadata" else _anything(part) for name, part in parts.items()}
