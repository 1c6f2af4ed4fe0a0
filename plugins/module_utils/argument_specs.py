# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Argument specs as values: each concern states its options and rules once, and modules add them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible.module_utils.basic import env_fallback


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


def _from_environment(variable: str, **option: Any) -> dict[str, Any]:
    return {**option, "fallback": (env_fallback, [variable])}


CONNECTION = ArgumentSpec(
    {
        "kubeconfig": _from_environment("K8S_AUTH_KUBECONFIG", type="path"),
        "context": _from_environment("K8S_AUTH_CONTEXT", type="str"),
        "host": _from_environment("K8S_AUTH_HOST", type="str"),
        "api_key": _from_environment("K8S_AUTH_API_KEY", type="str", no_log=True),
        "username": _from_environment("K8S_AUTH_USERNAME", type="str"),
        "password": _from_environment("K8S_AUTH_PASSWORD", type="str", no_log=True),
        "client_cert": _from_environment("K8S_AUTH_CERT_FILE", type="path", aliases=["cert_file"]),
        "client_key": _from_environment("K8S_AUTH_KEY_FILE", type="path", aliases=["key_file"], no_log=False),
        "ca_cert": _from_environment("K8S_AUTH_SSL_CA_CERT", type="path", aliases=["ssl_ca_cert"]),
        "validate_certs": _from_environment("K8S_AUTH_VERIFY_SSL", type="bool", aliases=["verify_ssl"]),
        "proxy": _from_environment("K8S_AUTH_PROXY", type="str"),
    }
)
"""How to reach the API server; the names, aliases and variables are kubernetes.core's."""

STATE = ArgumentSpec({"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}})

WAIT = ArgumentSpec({"wait": {"type": "bool", "default": True}, "wait_timeout": {"type": "int", "default": 120}})
