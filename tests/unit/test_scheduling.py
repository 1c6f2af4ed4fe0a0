# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The division of a run's tests among its processes."""

from __future__ import annotations

from tests.scheduling import LONGEST, in_turn, scope
from tests.support.checkout import files

FILES = (
    "tests/unit/core/test_a.py",
    "tests/integration/controller/test_b.py",
    "tests/integration/controller/test_c.py",
    "tests/integration/test_cluster.py",
    "tests/integration/test_d.py",
    "tests/integration/test_e.py",
    "tests/conventions/test_f.py",
    "tests/e2e/test_g.py",
    "tests/e2e/test_router_h.py",
    "tests/e2e/test_router_i.py",
    "tests/molecule/test_j.py",
)


def test_all_that_use_the_cluster_are_one_and_the_router_needs_none() -> None:
    scopes = {file: scope(f"{file}::TestIt::test_x[a/b]") for file in FILES}

    assert {file for file, name in scopes.items() if name == "cluster"} == {FILES[3], FILES[7]}
    assert scopes[FILES[8]] == FILES[8]


def test_files_that_share_an_api_server_stay_together() -> None:
    assert scope(f"{FILES[1]}::test_x") == scope(f"{FILES[2]}::test_x") == "tests/integration/controller/"
    assert scope(f"{FILES[4]}::test_x") == FILES[4]


def test_what_takes_longest_is_first_and_the_routers_files_are_between_others() -> None:
    assert in_turn(map(scope, FILES)) == [
        "cluster",
        "tests/molecule/test_j.py",
        "tests/integration/controller/",
        "tests/conventions/test_f.py",
        "tests/e2e/test_router_h.py",
        "tests/integration/test_d.py",
        "tests/e2e/test_router_i.py",
        "tests/integration/test_e.py",
        "tests/unit/core/test_a.py",
    ]


def test_the_longest_files_are_before_others_of_their_folder() -> None:
    other = "tests/integration/test_a.py"

    assert in_turn([other, *reversed(LONGEST)]) == [*LONGEST, other]


def test_the_longest_files_are_there() -> None:
    assert len(files(*LONGEST)) == len(LONGEST)
