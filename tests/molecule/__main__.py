# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the scenarios' playbooks call: ``python -m tests.molecule up FOLDER``, ``down FOLDER``, ``former COMMIT``.

FOLDER is Molecule's own, MOLECULE_EPHEMERAL_DIRECTORY.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from images.engine import BuildError
from tests.cluster import ClusterError
from tests.support.outside import DemoError

from . import cluster, former


def _run(arguments: argparse.Namespace) -> None:
    chosen = cluster.provider()
    if arguments.command == "up":
        cluster.up(arguments.folder, chosen)
    elif arguments.command == "down":
        print("removed" if cluster.down(arguments.folder, chosen) else "left as it was found")
    else:
        print(json.dumps(former.prepare(arguments.commit, chosen)))


def main() -> int:
    """1 and a sentence when it could not be done."""
    parser = argparse.ArgumentParser(prog="python -m tests.molecule", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in ("up", "down"):
        commands.add_parser(command).add_argument("folder", type=Path)
    commands.add_parser("former").add_argument("commit")
    try:
        _run(parser.parse_args())
    except (DemoError, ClusterError, BuildError, subprocess.TimeoutExpired) as error:
        print(f"molecule: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
