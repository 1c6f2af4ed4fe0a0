# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A registry of images, asked and given to by skopeo, which knows every way in which registries let somebody in.

Credentials reach skopeo in a file that only the caller can read, never on a command line.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

ASK_SECONDS = 60
PUSH_SECONDS = 1800
_PLACE = re.compile(
    r"[a-z0-9.\-]+(:\d+)?(/[a-z0-9]+([._\-/][a-z0-9]+)*)?|\[[0-9a-f:]+\](:\d+)?(/[a-z0-9._\-/]+)?", re.I
)
_ABSENT = re.compile(
    r"manifest unknown|name unknown|name not known|not found|404|requested access to the resource", re.I
)
"""What registries answer for an image that is not there; some tell nobody who may not see it whether it is."""


class RegistryError(Exception):
    """A registry could not be used; the text is one sentence that names the variable to mend."""


@dataclass(frozen=True)
class RegistryLogin:
    """Where a registry is, and the credentials and certificates for it."""

    place: str
    """``host[:port][/path]``; images are put below it."""
    username: str = ""
    """Empty: as the user of this process has logged in already by ``podman login`` or ``docker login``."""
    password: str = ""
    ca: str = ""
    """A file of certificates to trust besides the machine's own; empty for none."""
    verify: bool = True

    def __post_init__(self) -> None:
        if not _PLACE.fullmatch(self.place):
            raise RegistryError(
                f"egress_registry is {self.place!r}; give host[:port]/path without a scheme, such as "
                "registry.example:5000/avi"
            )
        if bool(self.username) != bool(self.password):
            given, missing = ("username", "password") if self.username else ("password", "username")
            raise RegistryError(
                f"egress_registry_{given} is given without egress_registry_{missing}; give both or none"
            )
        if self.ca and "BEGIN CERTIFICATE" not in _text(self.ca):
            raise RegistryError(
                f"egress_registry_ca is {self.ca!r}, which is no file of PEM certificates on this machine"
            )

    @property
    def host(self) -> str:
        return self.place.partition("/")[0]


@dataclass(frozen=True)
class Registry:
    """A registry that can be asked and pushed to."""

    login: RegistryLogin
    folder: Path
    """Holds the credentials, the certificates and the digests for as long as the registry is open."""

    def digest(self, image: str) -> str | None:
        """The digest of ``name:tag`` in the registry; None where there is no such image. Raises RegistryError."""
        flags = self._flags("")
        done = _skopeo(ASK_SECONDS, "inspect", "--no-tags", "--format={{.Digest}}", *flags, self._address(image))
        if done.returncode == 0:
            return done.stdout.strip()
        complaint = _last_words(done.stderr)
        if _ABSENT.search(complaint) and "unauthorized" not in complaint:
            return None
        raise RegistryError(self._sentence(complaint, "read"))

    def push(self, archive: Path, image: str) -> str:
        """Put a docker archive there as ``name:tag``, and give the digest that it has there. Raises RegistryError."""
        told = self.folder / "digest"
        flags = (*self._flags("dest-"), f"--digestfile={told}")
        done = _skopeo(PUSH_SECONDS, "copy", "--quiet", *flags, f"docker-archive:{archive}", self._address(image))
        if done.returncode:
            raise RegistryError(self._sentence(_last_words(done.stderr), "push"))
        return told.read_text().strip()

    def _address(self, image: str) -> str:
        return f"docker://{self.login.place}/{image}"

    def _flags(self, side: str) -> list[str]:
        flags = [f"--{side}tls-verify={str(self.login.verify).lower()}"]
        if self.login.username:
            flags.append(f"--{side}authfile={self.folder / 'auth.json'}")
        if self.login.ca:
            flags.append(f"--{side}cert-dir={self.folder / 'certificates'}")
        return flags

    def _sentence(self, complaint: str, purpose: str) -> str:
        place, user = self.login.place, self.login.username
        return f"egress_registry {place}: {_cause(complaint, user, purpose)} ({complaint})"


@contextmanager
def opened(login: RegistryLogin) -> Iterator[Registry]:
    """The registry of a login; credentials and certificates lie in a private folder until the block ends."""
    with tempfile.TemporaryDirectory(prefix="avi-egress-registry-") as name:
        folder = Path(name)
        if login.username:
            secret = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
            auth = folder / "auth.json"
            auth.touch(mode=0o600)
            auth.write_text(json.dumps({"auths": {login.host: {"auth": secret}}}))
        if login.ca:
            (folder / "certificates").mkdir()
            (folder / "certificates/ca.crt").write_text(_text(login.ca))
        yield Registry(login, folder)


def _cause(complaint: str, user: str, purpose: str) -> str:
    """What is wrong, and which variable mends it."""
    who = user or "the user who is logged in"
    remedy = (
        f"the login of {user} is refused; mend egress_registry_username or egress_registry_password"
        if user
        else "it asks for a login; give egress_registry_username and egress_registry_password"
    )
    causes = (
        ("certificate|x509", "its certificate is not trusted here; name its authority's file in egress_registry_ca"),
        ("gave HTTP response", "it speaks plain HTTP; use its HTTPS port, or set egress_registry_tls_verify to false"),
        ("denied", f"{who} may not {purpose} there; give one who may in egress_registry_username"),
        ("unauthorized|authentication required", remedy),
        (
            "dial tcp|no such host|deadline exceeded|timeout|connection",
            "it does not answer; mend the host or port, or the way there",
        ),
    )
    return next((cause for pattern, cause in causes if re.search(pattern, complaint)), f"skopeo can't {purpose} there")


def _skopeo(seconds: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["skopeo", f"--command-timeout={seconds}s", *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise RegistryError(
            "skopeo is not installed on this machine; the images are pushed with it, so install its package"
        ) from None


def _last_words(stderr: str) -> str:
    """The message of skopeo's last line, without the address that it repeats."""
    line = (stderr.strip().splitlines() or ["skopeo said nothing"])[-1]
    message = re.search(r'level=fatal msg="(.*)"$', line)
    text = message.group(1).replace('\\"', '"') if message else line
    return re.sub(
        r'^(Error )?(parsing image name|determining manifest.*?|trying to reuse blob.*?) "docker://\S+": ', "", text
    )


def _text(path: str) -> str:
    """A file's text; empty where it cannot be read as such."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return ""
