# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Connection and authentication options, named as in kubernetes.core, and the API client that they make."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from multiprocessing.util import Finalize
from typing import Any, Iterator, Mapping

from ..api.reasons import Reason

try:
    import kubernetes
    from urllib3.util import make_headers
    from yaml import YAMLError

    MISSING_KUBERNETES: str | None = None
except ImportError:
    import traceback

    MISSING_KUBERNETES = traceback.format_exc()
else:
    if int(kubernetes.__version__.partition(".")[0]) < 25:  # it leaves the keys of a kubeconfig where others find them
        MISSING_KUBERNETES = f"kubernetes {kubernetes.__version__} is there, which is too old"

from ..api.errors import EgressError
from .fan_out import AT_A_TIME


class ConnectionFailed(EgressError):
    """The API server cannot be reached, or there is no telling which one is meant."""

    reason = Reason.CONNECTION_FAILED


@dataclass(frozen=True)
class Connection:
    """Where the API server is and who we are there; None leaves a setting to the kubeconfig."""

    kubeconfig: str | None = None
    """Paths, as in the variable KUBECONFIG."""
    kubeconfig_content: str | None = None
    """What a kubeconfig would hold, as JSON; goes before ``kubeconfig``."""
    context: str | None = None
    host: str | None = None
    api_key: str | None = None
    username: str | None = None
    password: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    ca_cert: str | None = None
    validate_certs: bool | None = None
    proxy: str | None = None
    no_proxy: str | None = None
    proxy_headers: tuple[tuple[str, Any], ...] = ()
    """The keyword arguments of ``urllib3.util.make_headers``."""
    persist_config: bool | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Connection:
        """From a module's options; others than ours are passed over."""
        given: dict[str, Any] = {name: options.get(name) for name in cls.__dataclass_fields__}
        if isinstance(given["kubeconfig"], Mapping):
            given["kubeconfig_content"], given["kubeconfig"] = json.dumps(given["kubeconfig"]), None
        headers = given["proxy_headers"] or {}
        given["proxy_headers"] = tuple(sorted((name, value) for name, value in headers.items() if value is not None))
        given["impersonate_groups"] = tuple(given["impersonate_groups"] or ())
        return cls(**given)

    def api_client(self) -> kubernetes.client.ApiClient:
        """A client of the API server; ConnectionFailed if no configuration says which, or a given file is not there."""
        self._refuse_what_leads_nowhere()
        self._refuse_contradictions()
        configuration = self._found()
        if self._user_is_given():
            _forget_user(configuration)
        for ours, theirs in _SETTINGS.items():
            value = getattr(self, ours)
            if value is not None:
                setattr(configuration, theirs, value)
        if self.host:
            configuration.host = self.host.rstrip("/")
        if self.api_key:
            configuration.api_key = {"authorization": f"Bearer {self.api_key}"}
        if self.proxy_headers:
            configuration.proxy_headers = make_headers(**dict(self.proxy_headers))
        configuration.retries = False
        configuration.connection_pool_maxsize = max(configuration.connection_pool_maxsize, AT_A_TIME)
        return kubernetes.client.ApiClient(configuration)

    def other_user(self) -> str | None:
        """By what kubernetes.core, given the same, would be known beside the user that is given; None if by nothing.

        It lets what it finds in a kubeconfig stand, and the API server looks at a certificate before a token.
        """
        if not self._user_is_given():
            return None
        found = self._found()
        if self.api_key and found.cert_file:
            return "api_key is given, and the kubeconfig's user has a client certificate, which would go before it"
        if self.client_cert and found.api_key:
            return "client_cert is given, and the kubeconfig's user has a token, which would be sent beside it"
        return None

    @property
    def impersonation(self) -> list[tuple[str, str]]:
        """The headers by which requests are made as somebody else."""
        user = [("Impersonate-User", self.impersonate_user)] if self.impersonate_user else []
        return [*user, *(("Impersonate-Group", group) for group in self.impersonate_groups)]

    def _refuse_what_leads_nowhere(self) -> None:
        for name in ("client_cert", "client_key", "ca_cert"):
            path = getattr(self, name)
            why = path and _why_no_file(path)
            if why:
                raise ConnectionFailed(f"{name} is {path!r}; {why}")
        if self.host and not _URL.match(self.host):
            raise ConnectionFailed(f"host is {self.host!r}; give a URL, such as https://api.example:6443")
        if self.impersonate_groups and not self.impersonate_user:
            raise ConnectionFailed(
                f"impersonate_groups is {', '.join(self.impersonate_groups)!r}; give impersonate_user too"
            )

    def _refuse_contradictions(self) -> None:
        if self.api_key and self.client_cert:
            raise ConnectionFailed("api_key and client_cert are given, which may be two users; give one of them")
        if self.host and self.context:
            raise ConnectionFailed(
                f"host is {self.host!r} and context is {self.context!r}, which may be two clusters; give one of them"
            )

    def _user_is_given(self) -> bool:
        return bool(self.api_key or self.client_cert or self.username)

    def _found(self) -> kubernetes.client.Configuration:
        """Server and user where the options don't say all, in kubernetes.core's order, so that both mean one cluster.

        A kubeconfig or context that is given; the account of the pod that this runs in; a kubeconfig that is found.
        """
        configuration = kubernetes.client.Configuration()
        if self.host and (self.api_key or (self.client_cert and self.client_key) or (self.username and self.password)):
            return configuration
        if self.kubeconfig or self.kubeconfig_content or self.context or not _load_pod_account(configuration):
            self._load_kubeconfig(configuration)
        return configuration

    def _load_kubeconfig(self, configuration: kubernetes.client.Configuration) -> None:
        path = os.path.expandvars(self.kubeconfig or os.environ.get("KUBECONFIG") or "")
        try:
            if self.kubeconfig_content:
                given = json.loads(self.kubeconfig_content)
                kubernetes.config.load_kube_config_from_dict(given, self.context, configuration, **self._keeping())
            elif path or not self.host or pathlib.Path(_USUAL).expanduser().exists():
                _refuse_unreadable(path)
                kubernetes.config.load_kube_config(path or None, self.context, configuration, **self._keeping())
        except kubernetes.config.ConfigException as error:
            raise ConnectionFailed(self._why_unusable(path, str(error))) from error
        except (TypeError, ValueError, LookupError, AttributeError, OSError, YAMLError) as error:
            told = "given" if self.kubeconfig_content else repr(path or _USUAL)
            raise ConnectionFailed(f"kubeconfig is {told}; it cannot be read as a kubeconfig") from error

    def _keeping(self) -> dict[str, Any]:
        """How to keep what a kubeconfig holds in itself; a pod's own account needs no folder, and may have none."""
        return {"persist_config": bool(self.persist_config), "temp_file_path": _folder(os.getpid())}

    def _why_unusable(self, path: str, told: str) -> str:
        if self.context and f"name {self.context} in" in told:
            where = repr(path) if path else "the kubeconfig"
            return f"context is {self.context!r}; {where} has no such context"
        return (
            f"no usable Kubernetes configuration ({told}); give kubeconfig, or host with api_key, "
            "or set K8S_AUTH_KUBECONFIG"
        )


def _load_pod_account(configuration: kubernetes.client.Configuration) -> bool:
    """Whether this runs in a pod with an account, which is taken then."""
    try:
        kubernetes.config.load_incluster_config(configuration)
    except kubernetes.config.ConfigException:
        return False
    return True


def _forget_user(configuration: kubernetes.client.Configuration) -> None:
    """Nothing stays by which a kubeconfig's user, or a pod's account, could be taken for the one that is given."""
    configuration.api_key = {}
    configuration.refresh_api_key_hook = None
    configuration.cert_file = configuration.key_file = None
    configuration.username = configuration.password = None


def secrets_of(kubeconfig: Any) -> set[str]:
    """What must not be shown of a kubeconfig that is given as a dictionary: all that its users are known by."""
    users = kubeconfig.get("users") if isinstance(kubeconfig, Mapping) else None
    return set(_strings([user.get("user") for user in users or () if isinstance(user, Mapping)]))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str) and value:
        yield value


def strings_of(kubeconfig: Any) -> set[str]:
    """All values of a kubeconfig, or its path."""
    return set(_strings(kubeconfig))


def _refuse_unreadable(path: str) -> None:
    """Of several paths, those that are not there are passed over, as kubectl does, if there is another."""
    parts = [part for part in path.split(os.pathsep) if part] or [_USUAL]
    reasons = [_why_no_file(part) for part in parts]
    told = next((why for why in reasons if why not in (None, _MISSING)), None)
    if told or (path and None not in reasons):
        raise ConnectionFailed(f"kubeconfig is {path or _USUAL!r}; {told or _MISSING}")


def _why_no_file(path: str) -> str | None:
    """Why nothing can be read from a path; None if something can."""
    found = pathlib.Path(path).expanduser()
    try:
        if found.is_dir():
            return "that is a folder; give the file"
        if not found.is_file():
            return _MISSING
        with found.open("rb"):
            return None if found.stat().st_size else "that file is empty"
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def remove_keys() -> bool:
    """Remove the files that clients of this process need to connect, and tell whether there were any.

    The kubernetes client leaves it to atexit, which Ansible's workers, killed as soon as their result is there, do
    without.
    """
    if not _folder.cache_info().currsize:
        return False
    folder = pathlib.Path(_folder(os.getpid()))
    needed = any(folder.iterdir())
    shutil.rmtree(folder, ignore_errors=True)
    _folder.cache_clear()
    return needed


@cache
def _folder(_process: int) -> str:
    """Where clients of this process keep the keys that a kubeconfig holds in itself."""
    folder = tempfile.mkdtemp(prefix="avi-egress-")
    Finalize(None, shutil.rmtree, (folder, True), exitpriority=0)
    return folder


_USUAL = "~/.kube/config"
_MISSING = "there is no such file"
_URL = re.compile(r"https?://[^/]")
_SETTINGS = {
    "username": "username",
    "password": "password",
    "client_cert": "cert_file",
    "client_key": "key_file",
    "ca_cert": "ssl_ca_cert",
    "validate_certs": "verify_ssl",
    "proxy": "proxy",
    "no_proxy": "no_proxy",
}
