# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An audit's report as a page of HTML: a pure function from the report to text.

The page is built as a tree and written by the standard library, so whatever a cluster's objects say is text and never
markup. It is one file that loads nothing: no script, no font, no picture from elsewhere, and a policy that says so.
"""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

Told = Mapping[str, Any]

BAR_WIDTH, BAR_HEIGHT = 600, 18
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
PARTS = (
    ("bound", "in use", "#1f5fa8"),
    ("released", "in quarantine", "#d98c1f"),
    ("withheld", "reserved or held otherwise", "#8a8f98"),
    ("available", "free", "#d9e4ee"),
)
"""What the addresses of a network are divided into, from left to right: figure, words and colour."""
WHOLE = ("Address", "Since", "Until", "Reason", "Given back for")
"""Columns whose cells are not broken over lines, up to the length of a time: what is longer may be anything."""
LONGEST_WHOLE = 20
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1f24; margin: 2rem auto; max-width: 66rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #d5dae0; }
td { overflow-wrap: anywhere; unicode-bidi: isolate; }
th { background: #f2f5f8; } .bad td:first-child { color: #a3201a; font-weight: 600; white-space: nowrap; }
.bad td:nth-child(2), .used td:first-child { width: 30%; } .whole { white-space: nowrap; }
.note { color: #555d66; }
svg { width: 100%; max-width: 600px; height: 18px; display: block; } rect { stroke: #fff; stroke-width: .5; }
.key span { display: inline-block; width: .8rem; height: .8rem; margin: 0 .35rem 0 1rem; border: 1px solid #888; }
@media screen and (max-width: 45rem) {
  thead { display: none; } tr { display: block; border-bottom: 1px solid #d5dae0; padding: .4rem 0; }
  td { display: block; width: auto !important; border: 0; padding: .1rem 0; }
}
@media print {
  body { margin: 0; max-width: none; font-size: 10pt; padding: 0; } table { font-size: 8pt; }
  th, td { padding: .2rem .35rem; } tr, svg { break-inside: avoid; }
  thead { display: table-header-group; } h2 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


def audit_page(report: Told, as_of: str) -> str:
    """The page. ``report`` is that of ``audit``, ``as_of`` the time of the look, as it is to be shown."""
    page = Element("html", lang="en")
    head, body = SubElement(page, "head"), SubElement(page, "body")
    SubElement(head, "meta", charset="utf-8")
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": POLICY})
    SubElement(head, "meta", name="viewport", content="width=device-width, initial-scale=1")
    _text(head, "title", "avi.egress audit")
    _text(head, "style", STYLE)
    _text(body, "h1", "Egress audit")
    _text(body, "p", f"As of {as_of}. {_installed(report['installed'])}", {"class": "note"})
    _findings(body, report["findings"])
    if report["installed"]:
        _holders(body, report["leases"])
        _networks(body, report["networks"])
        _services(body, report["services"])
        _history(body, report["leases"])
    return f"<!DOCTYPE html>\n{tostring(page, encoding='unicode', method='html')}\n"


def _installed(installed: Told | None) -> str:
    if not installed:
        return "Egress is not installed, or not whole."
    version = installed["version"] or "before 0.2.0"
    ready = f"{installed['ready_replicas']} of {installed['replicas']} replicas ready"
    return f"Controller {version}, {ready}; clouds: {', '.join(installed['clouds']) or 'none'}."


def _findings(body: Element, findings: Sequence[Told]) -> None:
    _text(body, "h2", f"What is wrong ({len(findings)})")
    rows = [(item["kind"], item["subject"], item["message"]) for item in findings]
    _table(body, ("Finding", "Where", "What"), rows, "Nothing that somebody should look at.", {"class": "bad"})


def _holders(body: Element, leases: Told) -> None:
    _text(body, "h2", f"Who has which address ({len(leases['holders'])})")
    columns = ("address", "namespace", "service", "network", "since")
    rows = [[item[key] for key in columns] for item in leases["holders"]]
    _table(body, ("Address", "Project", "Service", "Network", "Since"), rows, "Nobody has one.")


def _networks(body: Element, networks: Sequence[Told]) -> None:
    _text(body, "h2", "Utilisation of the networks")
    if networks:
        key = SubElement(body, "p", {"class": "key note"})
        for _part, words, colour in PARTS:
            SubElement(key, "span", style=f"background: {colour}").tail = words
    table = _table(body, ("Network", "Addresses"), (), "There is none." if not networks else None, {"class": "used"})
    for network in networks:
        row = SubElement(table, "tr")
        _text(row, "td", network["name"])
        cell = SubElement(row, "td")
        if network["error"]:
            cell.text = network["error"]
            continue
        figures = _parts(network)
        _bar(cell, network["name"], figures, network["capacity"])
        told = ", ".join(f"{figures[part]} {words}" for part, words, _colour in PARTS if figures[part])
        _text(cell, "span", f"{told or 'none'}, of {network['capacity']}", {"class": "note"})


def _parts(network: Told) -> Mapping[str, int]:
    known = {part: max(network[part], 0) for part in ("bound", "released", "available")}
    return {**known, "withheld": max(network["capacity"] - sum(known.values()), 0)}


def _bar(cell: Element, name: str, figures: Mapping[str, int], capacity: int) -> None:
    """Each part as wide as its share; what an edited network holds beyond its capacity makes all narrower."""
    whole = max(sum(figures.values()), capacity, 1)
    svg = SubElement(cell, "svg", viewBox=f"0 0 {BAR_WIDTH} {BAR_HEIGHT}", role="img", preserveAspectRatio="none")
    told = ", ".join(f"{figures[part]} {words}" for part, words, _colour in PARTS)
    _text(svg, "title", f"{name}: {told}")
    left = 0.0
    for part, _words, colour in PARTS:
        width = BAR_WIDTH * figures[part] / whole
        if width:
            place = {"x": f"{left:.2f}", "y": "0", "width": f"{width:.2f}", "height": str(BAR_HEIGHT)}
            SubElement(svg, "rect", {**place, "fill": colour, "class": part})
        left += width


def _services(body: Element, services: Sequence[Told]) -> None:
    _text(body, "h2", f"Services ({len(services)})")
    rows = [
        (
            item["namespace"],
            item["name"],
            ", ".join(item["source_ips"]) or "none",
            "yes" if item["ready"] else "no",
            item["reason"] or "not seen",
        )
        for item in services
    ]
    _table(body, ("Project", "Service", "Addresses", "Ready", "Reason"), rows, "There is none.")


def _history(body: Element, leases: Told) -> None:
    _text(body, "h2", f"Who had which address before ({len(leases['history'])})")
    columns = ("address", "namespace", "service", "network", "since", "until", "reason")
    rows = [[item[key] for key in columns] for item in leases["history"]]
    headings = ("Address", "Project", "Service", "Network", "Since", "Until", "Given back for")
    _table(body, headings, rows, "Nothing is remembered.")


def _table(
    body: Element,
    headings: Sequence[str],
    rows: Iterable[Sequence[Any]],
    nothing: str | None,
    attributes: Mapping[str, str] | None = None,
) -> Element:
    """The table's body; a paragraph with ``nothing``, if that is given, in place of a table without rows."""
    found = list(rows)
    if not found and nothing is not None:
        return _text(body, "p", nothing)
    table = SubElement(body, "table", dict(attributes or {}))
    row = SubElement(SubElement(table, "thead"), "tr")
    for heading in headings:
        _text(row, "th", heading)
    inner = SubElement(table, "tbody")
    for cells in found:
        row = SubElement(inner, "tr")
        for heading, cell in zip(headings, cells):
            text = "" if cell is None else str(cell)
            is_whole = heading in WHOLE and len(text) <= LONGEST_WHOLE
            _text(row, "td", text, {"class": "whole"} if is_whole else None)
    return inner


def _text(parent: Element, tag: str, text: str, attributes: Mapping[str, str] | None = None) -> Element:
    made = SubElement(parent, tag, dict(attributes or {}))
    made.text = text
    return made
