# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The audit's page in a browser: what it shows, that it loads nothing, and that no object's words become markup."""

from __future__ import annotations

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.plugin_utils.audit_page import audit_page

AS_OF = "2026-11-29T08:00:00Z"
HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</td></table></svg><svg onload=\"document.title='owned'\">",
    "</title></style><link rel=stylesheet href=//evil.example/x.css>",
    "{{ 7 * 7 }} &lt;b&gt; \u202eright to left",
)
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "span"),
    *("table", "thead", "tbody", "tr", "th", "td", "svg", "rect"),
}


class Rendered(HTMLParser):
    """What a document holds: its elements, their attributes, and the text of each."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def shares(self) -> dict[str, float]:
        """The width of each part of the networks' bars."""
        return {str(of["class"]): float(str(of["width"])) for tag, of in self.elements if tag == "rect"}


def report(word: str = "green") -> dict[str, Any]:
    holder = {"address": "10.70.112.155", "namespace": word, "service": "shop", "network": "lan", "since": AS_OF}
    past = {**holder, "address": "10.70.112.156", "until": "2026-11-25T00:00:00Z", "reason": "ServiceDeleted"}
    network = {"name": "lan", "error": None, "capacity": 100, "bound": 25, "released": 10, "available": 60}
    return {
        "installed": {"version": word, "ready_replicas": 2, "replicas": 2, "clouds": [word]},
        "findings": [{"kind": "InvalidAnnotation", "subject": f"Service {word}/shop", "message": word}],
        "leases": {"holders": [holder], "history": [past]},
        "networks": [network, {**network, "name": word, "error": word}],
        "services": [{"namespace": word, "name": "shop", "source_ips": [], "ready": False, "reason": None}],
    }


def in_browser(page: str, folder: Path) -> Rendered:
    """The document as a browser has it, once all of its scripts would have run."""
    path = folder / "audit.html"
    path.write_text(page)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command = ["chromium", *flags, "--virtual-time-budget=1000", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Rendered(done.stdout)


def test_a_browser_shows_who_has_what_and_how_far_networks_are_used(tmp_path: Path) -> None:
    shown = in_browser(audit_page(report(), AS_OF), tmp_path)
    text = " ".join(shown.texts)
    for words in (
        f"As of {AS_OF}",
        "What is wrong (1)",
        "Who has which address (1)",
        "10.70.112.155",
        "25 in use, 10 in quarantine, 5 reserved or held otherwise, 60 free, of 100",
        "10.70.112.156",
        "2026-11-25T00:00:00Z",
        "ServiceDeleted",
        "not seen",
    ):
        assert words in text, words
    assert shown.shares() == {"bound": 150, "released": 60, "withheld": 30, "available": 360}


def test_no_word_of_the_cluster_becomes_markup_in_a_browser(tmp_path: Path) -> None:
    shown = in_browser(audit_page(report(" ".join(HOSTILE)), AS_OF), tmp_path)
    assert {tag for tag, _attributes in shown.elements} <= ALLOWED
    names = {name for _tag, attributes in shown.elements for name in attributes}
    assert [name for name in names if name.startswith("on") or name in ("href", "src")] == []
    text = "".join(shown.texts)
    assert "avi.egress audit" in shown.texts
    for word in HOSTILE:
        assert word in text, word


def test_the_page_loads_nothing_and_is_made_for_print() -> None:
    page = audit_page(report(), AS_OF)
    assert not re.search(r"https?:|//|url\(|@import|<script", page)
    assert "default-src 'none'" in page
    assert "@media print" in page


def test_times_and_addresses_are_kept_whole_and_what_is_longer_is_not() -> None:
    """A long name beside them would break each of them over three lines."""
    wholes = [[name for name, of in Rendered(page).elements if of.get("class") == "whole"] for page in pages()]
    assert [len(found) for found in wholes] == [2 + 1 + 4, 2 + 1 + 3]


def pages() -> list[str]:
    """One report, and the same of a lease that somebody has given a very long reason."""
    usual, hostile = report(), report()
    hostile["leases"]["history"][0]["reason"] = "x" * 21
    return [audit_page(item, AS_OF) for item in (usual, hostile)]


@pytest.mark.parametrize("bound", [0, 250, 2**64])
def test_a_bar_is_never_wider_than_its_picture(bound: int) -> None:
    """An edited network may hold more than it has, and one of IPv6 has very many."""
    network = {"name": "lan", "error": None, "capacity": 100, "bound": bound, "released": 0, "available": 0}
    shown = Rendered(audit_page({**report(), "networks": [network]}, AS_OF))
    assert sum(shown.shares().values()) == pytest.approx(600)


def test_a_cluster_without_egress_has_a_page_too() -> None:
    missing = {"kind": "NotInstalled", "subject": "avi.egress", "message": "run avi.egress.site"}
    bare = {"installed": None, "services": [], "leases": {}, "networks": [], "projects": [], "findings": [missing]}
    text = " ".join(Rendered(audit_page(bare, AS_OF)).texts)
    assert "Egress is not installed, or not whole." in text
    assert "run avi.egress.site" in text
