# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An object as the cache keeps it where there may be ten thousands: its JSON.

As dicts it takes seven times as much. Compressed it would take half as much, but zlib lets other threads run at each
call, and getting the turn back takes milliseconds where others compute: at a leader's start most of its time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject

from egress_controller.cache.forms import Outline
from egress_controller.runtime.informer import Form, cache_key


class PackedObject(NamedTuple):
    """Two are equal if their objects are, as the API server writes an object always in the same order."""

    key: str
    text: bytes

    @classmethod
    def pack(cls, obj: KubeObject) -> PackedObject:
        return cls(cache_key(obj), msgspec.json.encode(obj))

    def unpack(self) -> KubeObject:
        return msgspec.json.decode(self.text)  # type: ignore[no-any-return]


def compact(form: Form) -> Form:
    """The same form, packed; an Outline stays one, as it is small and known by its type."""

    def pack(obj: KubeObject) -> Any:
        kept = form.pack(obj)
        return kept if isinstance(kept, Outline) else PackedObject.pack(form.unpack(kept))

    return Form(pack, PackedObject.unpack)
