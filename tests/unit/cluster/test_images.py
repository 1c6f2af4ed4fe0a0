# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The archives of single programs, and reading the names that an archive gives."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.cluster import images
from tests.cluster.errors import ClusterError


def _write(path: Path, files: dict[str, object]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_a_program_becomes_an_image_with_matching_digests(tmp_path: Path) -> None:
    program = tmp_path / "hello"
    program.write_bytes(b"not really a program")
    archive = tmp_path / "hello.tar"
    images.write_program_archive(program, "localhost/hello:1", archive)
    assert images.references(archive) == ["localhost/hello:1"]
    with tarfile.open(archive) as content:
        (manifest,) = json.load(content.extractfile("manifest.json") or io.BytesIO())
        config = (content.extractfile(manifest["Config"]) or io.BytesIO()).read()
        (layer_name,) = manifest["Layers"]
        layer = (content.extractfile(layer_name) or io.BytesIO()).read()
    parsed = json.loads(config)
    assert parsed["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert parsed["config"]["Entrypoint"] == ["/hello"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        assert files.getmember("hello").mode == 0o755


def test_one_program_makes_one_archive(tmp_path: Path) -> None:
    program = tmp_path / "hello"
    program.write_bytes(b"the same")
    for name in ("first.tar", "second.tar"):
        images.write_program_archive(program, "localhost/hello:1", tmp_path / name)
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


def test_names_of_an_oci_archive(tmp_path: Path) -> None:
    annotations = {"org.opencontainers.image.ref.name": "localhost/router:dev"}
    index = {"manifests": [{"annotations": annotations}, {"digest": "sha256:0"}]}
    assert images.references(_write(tmp_path / "oci.tar", {"index.json": index})) == ["localhost/router:dev"]


@pytest.mark.parametrize("files", [{}, {"other.json": {}}, {"index.json": {}}])
def test_another_kind_of_archive_is_refused(tmp_path: Path, files: dict[str, object]) -> None:
    with pytest.raises(ClusterError, match="neither a docker nor an OCI archive"):
        images.references(_write(tmp_path / "x.tar", files))
