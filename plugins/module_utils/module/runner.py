# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a module's ``main()`` calls: the one place where options come in, and results and errors go out."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Callable, Mapping, NamedTuple

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.errors import NoLogError

from ..api.addresses import MISSING_NETADDR
from ..api.errors import EgressError
from ..client.connection import MISSING_KUBERNETES, Connection, remove_keys, secrets_of, strings_of
from ..client.kube_client import KubeClient
from .argument_specs import CONNECTION, ArgumentSpec
from .result import Result

Operation = Callable[[KubeClient, Mapping[str, Any], bool], Result]
"""Brings about what the options ask for; with True as its last argument it only tells what would be done."""


PATIENCE_SECONDS = 30.0
"""How long a server that is too busy is asked again."""


class Library(NamedTuple):
    """A library on PyPI, and why it could not be imported (None if it could)."""

    name: str
    missing: str | None


LIBRARIES = (Library("kubernetes >= 25.3.0", MISSING_KUBERNETES), Library("netaddr >= 0.10.1", MISSING_NETADDR))


class Module(AnsibleModule):  # type: ignore[misc]
    """An AnsibleModule whose errors name the option."""

    def fail_json(self, msg: str, **details: Any) -> None:
        """Of text in place of a list of dictionaries, ansible-core first says what its search for secrets stumbled
        over, which is no option's name; the next error is about the option."""
        errors = self.validation_result.errors
        stumbled = {str(error) for error in errors if isinstance(error, NoLogError)}
        named = (str(error) for error in errors if not isinstance(error, NoLogError))
        super().fail_json(next(named, msg) if msg in stumbled else msg, **details)


def run(spec: ArgumentSpec, operation: Operation, validate: Callable[[Mapping[str, Any]], object]) -> None:
    """Run a module: its own options with those of the connection, one operation, one result.

    ``validate`` sees the options before there is a connection, so that wrong ones cost no request.
    """
    module = Module(supports_check_mode=True, **(CONNECTION + spec).keywords())
    kubeconfig = module.params["kubeconfig"]
    module.no_log_values -= strings_of(kubeconfig) - secrets_of(kubeconfig)
    for library in LIBRARIES:
        if library.missing:
            module.fail_json(msg=missing_required_lib(library.name), exception=library.missing)
    try:
        validate(module.params)
        cluster = _cluster(Connection.from_options(module.params), os.getpid())
        result = operation(cluster, module.params, module.check_mode)
    except EgressError as error:
        _cluster.cache_clear()  # What is tried again, as by until, finds a credential that was renewed meanwhile.
        module.fail_json(msg=str(error), reason=str(error.reason), changed=error.changed)
    finally:
        if remove_keys():
            _cluster.cache_clear()
    for warning in result.warnings:
        module.warn(warning)
    module.exit_json(**result.exit_values(diff=module._diff))


@lru_cache(maxsize=1)
def _cluster(connection: Connection, _process: int) -> KubeClient:
    """The one that the items of a loop share, run in one process; a forked one must not use its parent's sockets."""
    return KubeClient(connection, PATIENCE_SECONDS)
