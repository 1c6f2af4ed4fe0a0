# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The reasons of conditions and errors, and which of them waiting does not cure."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The CamelCase word of a condition's ``reason`` or of a module's error.

    A final one stands until somebody changes an object, so whatever waits for the opposite ends with it. Text that is
    no reason of this project (``Reason.is_final("Other")``) is not final.
    """

    final: bool

    def __new__(cls, text: str, final: bool = False) -> Reason:
        reason = str.__new__(cls, text)
        reason._value_ = text
        reason.final = final
        return reason

    @classmethod
    def is_final(cls, text: str) -> bool:
        """Whether waiting does not cure what has this reason."""
        return text in cls._value2member_map_ and cls(text).final

    # A Service's EgressReady and EgressServed.
    EGRESS_READY = "EgressReady"
    DEGRADED = "Degraded"
    WAITING_FOR_POD = "WaitingForPod"
    REPLACING = "Replacing"
    HAS_BEEN_READY = "HasBeenReady"
    ADDRESS_CONFLICT = "AddressConflict"
    NODE_FIREWALL = "NodeFirewall"
    NODE_MASQUERADES = "NodeMasquerades"
    WRONG_ROUTE = "WrongRoute"
    GATEWAY_SILENT = "GatewaySilent"
    LAN_PROXY = "LanProxy"
    NODE_KERNEL = "NodeKernel"
    NAME_UNKNOWN = "NameUnknown"
    UPLINK_UNUSABLE = "UplinkUnusable"
    NO_CARRIER = "NoCarrier"

    # A Service's DestinationsReachable.
    DESTINATIONS_REACHABLE = "DestinationsReachable"
    DESTINATIONS_NOT_REACHABLE = "DestinationsNotReachable"
    PORTS_EXHAUSTED = "PortsExhausted"
    NO_VERDICT = "NoVerdict"

    # A Service's PolicyWidened.
    OTHER_POLICIES_ADMIT = "OtherPoliciesAdmit"

    # What is asked for is not allowed, not possible, or does not fit.
    ADDRESS_FAMILY_MISMATCH = ("AddressFamilyMismatch", True)
    ADDRESS_IN_CONFLICT = ("AddressInConflict", True)
    ADDRESS_MISMATCH = ("AddressMismatch", True)
    ADDRESS_NOT_IN_NETWORK = ("AddressNotInNetwork", True)
    ADDRESS_NOT_RESERVED = ("AddressNotReserved", True)
    ADDRESS_RESERVED = ("AddressReserved", True)
    ADDRESS_TAKEN = ("AddressTaken", True)
    ALREADY_BOUND = ("AlreadyBound", True)
    AMBIGUOUS_CLOUD = ("AmbiguousCloud", True)
    DESTINATION_NOT_ALLOWED = ("DestinationNotAllowed", True)
    IMAGE_NOT_ALLOWED = ("ImageNotAllowed", True)
    IN_USE = ("InUse", True)
    INVALID_ANNOTATION = ("InvalidAnnotation", True)
    INVALID_INPUT = ("InvalidInput", True)
    IP_FAMILY_MISSING = ("IPFamilyMissing", True)
    NAME_TAKEN = ("NameTaken", True)
    NETWORK_NOT_ALLOWED = ("NetworkNotAllowed", True)
    NETWORK_NOT_FOUND = ("NetworkNotFound", True)
    NODE_LABEL_NOT_ALLOWED = ("NodeLabelNotAllowed", True)
    NOT_RELEASED = ("NotReleased", True)
    NOTHING_TO_GIVE = ("NothingToGive", True)
    POD_REFUSED = ("PodRefused", True)
    POLICY_NOT_SUPPORTED = ("PolicyNotSupported", True)
    POOL_EXHAUSTED = ("PoolExhausted", True)
    PROJECT_NOT_INCLUDED = ("ProjectNotIncluded", True)
    QUOTA_EXCEEDED = ("QuotaExceeded", True)
    SECURE_EGRESS_MODE_OFF = ("SecureEgressModeOff", True)
    SERVICE_TYPE_NOT_ALLOWED = ("ServiceTypeNotAllowed", True)
    TOLERATION_NOT_ALLOWED = ("TolerationNotAllowed", True)

    # An EgressNetwork's and an EgressCloud's, and an EgressAddress's Conflict.
    PROJECTS_ONBOARDED = "ProjectsOnboarded"
    ADDRESSES_AVAILABLE = "AddressesAvailable"
    RELEASES_ALLOWED = "ReleasesAllowed"
    LEASES_IN_POOL = "LeasesInPool"
    NO_OVERLAP = "NoOverlap"
    NO_CONFLICTS = "NoConflicts"
    POOL_ALMOST_EXHAUSTED = "PoolAlmostExhausted"
    MASS_RELEASE = "MassRelease"
    DRIFT = "Drift"
    OVERLAPS = "Overlaps"
    ANSWERED_BY_STRANGER = "AnsweredByStranger"
    RESOLVED = "Resolved"

    # Errors of a request or of a wait.
    FAILED = "Failed"
    API_ERROR = "ApiError"
    CONNECTION_FAILED = "ConnectionFailed"
    TIMED_OUT = "TimedOut"
    INVALID_COREFILE = "InvalidCorefile"
