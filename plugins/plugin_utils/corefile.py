# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The article's service names in CoreDNS: one rewrite, in a marked block of the Corefile.

`<service>.<project>.<sub-domain>` is answered as `<service>.<project>.svc.<cluster domain>`. Everything outside the
marks belongs to somebody else and stays as it is, to the byte.
"""

from __future__ import annotations

import re
from typing import Iterator

from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError, InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason

BEGIN = "# BEGIN avi.egress: names of secure egress services (set by the role's egress_sub_domain)"
END = "# END avi.egress"

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# Of the 253 characters of a name, a service and a project may take 63 and a dot each.
_LONGEST = 253 - 2 * 64
# What CoreDNS's own lexer tells apart: a quoted string, a comment, a word. A brace counts only as a word of its own.
_WORD = re.compile(r'"(?:\\.|[^"\\])*"|#[^\n]*|[^\s#]+')
_REST_OF_LINE = re.compile(r"[ \t\r]*(?:#[^\n]*)?\n")
_BLOCK = re.compile(r"^[ \t]*# BEGIN avi\.egress\b[^\n]*\n(?:[^\n]*\n)*?[ \t]*# END avi\.egress[ \t\r]*(?:\n|\Z)", re.M)
_MARK = re.compile(r"^[ \t]*# (BEGIN|END) avi\.egress\b", re.M)
_ROOTS = frozenset({".", ".:53", "dns://.", "dns://.:53"})


class InvalidCorefile(EgressError):
    """The Corefile is not one in which the names can be set up."""

    reason = Reason.INVALID_COREFILE

    def __init__(self, problem: str) -> None:
        super().__init__(f"ConfigMap kube-system/coredns: Corefile: {problem}")


def with_names(corefile: str, sub_domain: str, cluster_domain: str) -> str:
    """The Corefile in which the services have names below ``sub_domain``; without any when that is empty.

    Raise InvalidInput and InvalidCorefile.
    """
    rest = _without_names(corefile)
    if not sub_domain:
        return rest
    domains = {"egress_sub_domain": sub_domain, "egress_cluster_domain": cluster_domain}
    rule = rewrite(*(checked_domain(variable, value) for variable, value in domains.items()))
    position = _root_block(rest)
    newline = "\r\n" if rest[:position].endswith("\r\n") else "\n"
    block = "".join(f"    {line}{newline}" for line in (BEGIN, rule, END))
    return rest[:position] + block + rest[position:]


def rewrite(sub_domain: str, cluster_domain: str) -> str:
    """The directive. ``answer auto`` gives the answer the name that was asked for, or clients would not take it."""
    if sub_domain == cluster_domain or sub_domain.endswith(f".{cluster_domain}"):
        expected = f"give a domain outside the cluster's own, {cluster_domain}, whose names it would hide"
        raise InvalidInput("role egress", "egress_sub_domain", sub_domain, expected)
    suffix = sub_domain.replace(".", r"\.")
    pattern = rf"^([^.]+)\.([^.]+)\.{suffix}\.$"
    return f"rewrite stop name regex {pattern} {{1}}.{{2}}.svc.{cluster_domain} answer auto"


def checked_domain(variable: str, value: str) -> str:
    """The domain in lower case without a final dot; raise InvalidInput."""
    domain = value.lower().removesuffix(".")
    if len(domain) > _LONGEST or not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        expected = (
            "give a DNS domain such as 'apps.example': labels of letters, digits and inner hyphens, joined by dots, "
            f"of at most {_LONGEST} characters"
        )
        raise InvalidInput("role egress", variable, value, expected)
    return domain


def _without_names(corefile: str) -> str:
    """The Corefile as it was before; raise InvalidCorefile for half of the marks, as an edit may leave."""
    rest = _BLOCK.sub("", corefile)
    lone = _MARK.search(rest)
    if lone:
        raise InvalidCorefile(
            f"the line {lone[0].strip()!r} has lost its partner; delete it and what is left of the block between "
            f"{BEGIN.split(':', maxsplit=1)[0]!r} and {END!r}"
        )
    return rest


def _root_block(corefile: str) -> int:
    """Where the first line inside the server block of `.:53` begins; raise InvalidCorefile when there is none."""
    keys: set[str] = set()
    depth = 0
    for word, line_end in _words(corefile):
        if word == "{":
            if depth == 0 and keys & _ROOTS and line_end is not None:
                return line_end
            depth += 1
        elif word == "}":
            depth -= 1
            keys.clear()
        elif depth == 0:
            keys.add(word.rstrip(","))
    raise InvalidCorefile(
        "no line opens the server block '.:53', in which the names of services would be set up; "
        "add one, or leave egress_sub_domain empty"
    )


def _words(corefile: str) -> Iterator[tuple[str, int | None]]:
    """Each word, and for the last one of a line where the next line begins."""
    for found in _WORD.finditer(corefile):
        if not found[0].startswith("#"):
            rest = _REST_OF_LINE.match(corefile, found.end())
            yield found[0], rest.end() if rest else None
