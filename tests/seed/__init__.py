# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The samples of the article "Authorized Source IP for OpenShift Project Identification", as they stand there.

``secure-egress-service.json`` is its service definition, ``egress_pod.json`` its customizations. Both keep the
article's slips: a missing ``:``, typographic quotes, missing closing braces. They are mended here, in the open.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
_SLIP, _MENDED = '"action" "', '"action": "'
_SLIP_IN_JSON = _SLIP.replace('"', r"\"")
_KEYS = ("hm_port", "image", "nodeSelector", "host name", "destinations", "ha")


class Article:
    """What a reader of the article would paste."""

    @property
    def service_with_its_slip(self) -> str:
        """The service definition, letter by letter."""
        return (_FOLDER / "secure-egress-service.json").read_text()

    @property
    def service(self) -> str:
        """The same with the missing colon."""
        return self.service_with_its_slip.replace(_SLIP_IN_JSON, _MENDED.replace('"', r"\""))

    @property
    def avi_proxy_with_its_slip(self) -> str:
        return self._annotations(self.service_with_its_slip)["avi_proxy"]

    @property
    def avi_proxy(self) -> str:
        return self._annotations(self.service)["avi_proxy"]

    @property
    def egress_pod(self) -> str:
        return self._annotations(self.service)["egress_pod"]

    @property
    def customizations_as_written(self) -> dict[str, str]:
        """The texts of ``egress_pod`` with what JSON in JSON quotes taken away, and nothing mended."""
        lines = json.loads((_FOLDER / "egress_pod.json").read_text())
        return {key: self._value(line) for key, line in zip(_KEYS, lines, strict=True)}

    def customization(self, key: str) -> str:
        """One of ``hm_port``, ``image``, ``nodeSelector``, ``host name``, ``destinations``, ``ha``, mended."""
        text = re.sub("[\u201c\u201d]", '"', self.customizations_as_written[key])
        return text + "}" * (text.count("{") - text.count("}"))

    @staticmethod
    def _annotations(service: str) -> dict[str, str]:
        content: dict[str, Any] = json.loads(service)
        found: dict[str, str] = content["metadata"]["annotations"]
        return found

    @staticmethod
    def _value(line: str) -> str:
        """What stands between the outer quotes; where the closing one is missing, to the end of the line."""
        match = re.fullmatch('(?:\u201cegress_pod\u201d: )?["\u201c](\\{.*\\})["\u201d]?\\.?', line)
        assert match, line
        return match[1].replace("\\", "")


ARTICLE = Article()
