# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What an answer of the API server is taken for: a verdict on the request, or trouble of its own."""

from __future__ import annotations

import json

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import REPLICATION_CONTROLLER
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import refusal

WEBHOOK = (
    'Internal error occurred: failed calling webhook "validate.example": failed to call webhook: Post "https://w": '
)


@pytest.mark.parametrize(
    ("status", "message", "is_verdict", "is_lasting"),
    [
        (403, 'replicationcontrollers "x" is forbidden: exceeded quota: small', True, True),
        (422, "spec.replicas: Invalid value", True, True),
        (500, f"{WEBHOOK}context deadline exceeded", True, False),
        (500, 'admission webhook "validate.example" denied the request: it has lost its own server', True, False),
        (500, "etcdserver: request timed out", False, False),
        (503, "the server is shutting down", False, False),
        (409, "the object has been modified", False, False),
    ],
)
def test_what_concerns_the_request_is_a_verdict(status: int, message: str, is_verdict: bool, is_lasting: bool) -> None:
    error = refusal(status, json.dumps({"message": message}), "POST", REPLICATION_CONTROLLER)
    assert (error.is_verdict, error.is_lasting) == (is_verdict, is_lasting)
    assert message in str(error)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("read tcp 10.0.0.1:40312->10.96.1.1:443: read: reset", "read tcp 10.96.1.1:443: read: reset"),
        ("read tcp [fd00::1]:40312->[fd00::2]:443: read: reset", "read tcp [fd00::2]:443: read: reset"),
        (
            "current time 2026-11-30T04:15:16Z is after 2026-11-01T00:00:00Z",
            "current time is after 2026-11-01T00:00:00Z",
        ),
    ],
)
def test_a_webhook_that_fails_is_told_by_the_same_words_each_time(words: str, told: str) -> None:
    error = refusal(500, json.dumps({"message": f"{WEBHOOK}{words}"}), "POST", REPLICATION_CONTROLLER)
    assert str(error) == f"POST ReplicationController: {WEBHOOK}{told}"


@pytest.mark.parametrize(
    ("message", "known"),
    [
        ('replicationcontrollers is forbidden: User "a" cannot create resource "x" in API group ""', True),
        ('roles "x" is forbidden: user "a" (groups=["b"]) is attempting to grant RBAC permissions not held', True),
        ('replicationcontrollers "x" is forbidden: exceeded quota: small', False),
        ('admission webhook "x.example" denied the request: no', False),
    ],
)
def test_only_a_missing_right_is_told_as_one(message: str, known: bool) -> None:
    told = str(refusal(403, json.dumps({"message": message}), "POST", REPLICATION_CONTROLLER))
    assert told == f"{'permission is missing' if known else 'POST ReplicationController'}: {message}"
