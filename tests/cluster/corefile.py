# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Follow the ConfigMap kube-system/coredns and write its Corefile where CoreDNS reads it.

Run as `python -S -m tests.cluster.corefile ADDRESS PORT PKI FILE`. CoreDNS runs as a process, not as a pod with the
ConfigMap mounted; so that edits (rewrites, for example) still take effect, this does what kubelet would.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import time
from pathlib import Path

_PATH = "/api/v1/namespaces/kube-system/configmaps?fieldSelector=metadata.name%3Dcoredns&watch=true&timeoutSeconds=300"
_READ_SECONDS = 330
_PAUSE_SECONDS = 0.5


def follow(address: str, port: int, pki: Path, file: Path) -> None:
    """One watch, from the current state on; returns when the API server ends it."""
    tls = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    tls.load_cert_chain(pki / "coredns.crt", pki / "coredns.key")
    connection = http.client.HTTPSConnection(address, port, timeout=_READ_SECONDS, context=tls)
    try:
        connection.request("GET", _PATH)
        response = connection.getresponse()
        if response.status != 200:
            raise ConnectionError(f"the API server answers {response.status}")
        for line in response:
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED"):
                write(file, event["object"].get("data", {}).get("Corefile", ""))
    finally:
        connection.close()


def write(file: Path, text: str) -> None:
    """Replace the file in one step, and only when there is something new to read."""
    if not text or (file.exists() and file.read_text() == text):
        return
    draft = file.with_name(f".{file.name}.new")
    draft.write_text(text)
    os.replace(draft, file)


def main(address: str, port: str, pki: str, file: str) -> None:
    while True:
        try:
            follow(address, int(port), Path(pki), Path(file))
        except (OSError, http.client.HTTPException, ValueError) as failure:
            print(f"the watch broke off: {failure}", file=sys.stderr, flush=True)
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
