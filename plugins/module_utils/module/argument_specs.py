# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Argument specs as values: each concern states its options and rules once, and modules add them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence

from ansible.module_utils.basic import env_fallback

from ..api.errors import InvalidInput


@dataclass(frozen=True)
class ArgumentSpec:
    """Options and the rules among them, in AnsibleModule's words."""

    options: Mapping[str, Mapping[str, Any]]
    mutually_exclusive: Sequence[Sequence[str]] = ()
    required_one_of: Sequence[Sequence[str]] = ()
    required_if: Sequence[Sequence[Any]] = field(default=())

    def __add__(self, other: ArgumentSpec) -> ArgumentSpec:
        """Both together; the options of the right side win."""
        return ArgumentSpec(
            options={**self.options, **other.options},
            mutually_exclusive=[*self.mutually_exclusive, *other.mutually_exclusive],
            required_one_of=[*self.required_one_of, *other.required_one_of],
            required_if=[*self.required_if, *other.required_if],
        )

    def keywords(self) -> dict[str, Any]:
        """The keyword arguments of AnsibleModule."""
        return {
            "argument_spec": {name: dict(option) for name, option in self.options.items()},
            "mutually_exclusive": self.mutually_exclusive,
            "required_one_of": self.required_one_of,
            "required_if": self.required_if,
        }


def refuse_empty(subject: str, options: Mapping[str, Any], fields: Iterable[str]) -> None:
    """Refuse an empty filter, as an undefined variable may leave behind: it would be taken for none."""
    for name in fields:
        if options.get(name) == "":
            raise InvalidInput(subject, name, "", "give a value, or leave it out for all")


def _from_environment(*variables: str, **option: Any) -> dict[str, Any]:
    return {**option, "fallback": (env_fallback, [f"K8S_AUTH_{variable}" for variable in variables])}


CONNECTION = ArgumentSpec(
    {
        # No secret in itself: the runner shows what of it is none.
        "kubeconfig": _from_environment("KUBECONFIG", type="raw", no_log=True),
        "context": _from_environment("CONTEXT", type="str"),
        "host": _from_environment("HOST", type="str"),
        "api_key": _from_environment("API_KEY", type="str", no_log=True),
        "username": _from_environment("USERNAME", type="str"),
        "password": _from_environment("PASSWORD", type="str", no_log=True),
        "client_cert": _from_environment("CLIENT_CERT", "CERT_FILE", type="path", aliases=["cert_file"]),
        "client_key": _from_environment("CLIENT_KEY", "KEY_FILE", type="path", aliases=["key_file"], no_log=False),
        "ca_cert": _from_environment("CA_CERT", "SSL_CA_CERT", type="path", aliases=["ssl_ca_cert"]),
        "validate_certs": _from_environment("VALIDATE_CERTS", "VERIFY_SSL", type="bool", aliases=["verify_ssl"]),
        "proxy": _from_environment("PROXY", type="str"),
        "no_proxy": _from_environment("NO_PROXY", type="str"),
        "proxy_headers": {
            "type": "dict",
            "apply_defaults": True,
            "options": {
                "proxy_basic_auth": _from_environment("PROXY_HEADERS_PROXY_BASIC_AUTH", type="str", no_log=True),
                "basic_auth": _from_environment("PROXY_HEADERS_BASIC_AUTH", type="str", no_log=True),
                "user_agent": _from_environment("PROXY_HEADERS_USER_AGENT", type="str"),
            },
        },
        "persist_config": _from_environment("PERSIST_CONFIG", type="bool"),
        "impersonate_user": _from_environment("IMPERSONATE_USER", type="str"),
        "impersonate_groups": _from_environment("IMPERSONATE_GROUPS", type="list", elements="str"),
    }
)
"""How to reach the API server; the names, aliases and variables are kubernetes.core's."""

STATE = ArgumentSpec({"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}})

WAIT = ArgumentSpec({"wait": {"type": "bool", "default": True}, "wait_timeout": {"type": "int", "default": 120}})
