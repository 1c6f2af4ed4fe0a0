# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Many Services by one task, against a server in memory that counts what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import (
    AlreadyExists,
    ApiError,
    EgressError,
    Forbidden,
    InvalidInput,
    NotFound,
)
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import patched
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    REPLICATION_CONTROLLER,
    SERVICE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import Selection
from ansible_collections.avi.egress.plugins.module_utils.module import waiting
from ansible_collections.avi.egress.plugins.module_utils.module.result import Result
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service
from ansible_collections.avi.egress.plugins.module_utils.module.waiting import key

READY = {"type": "EgressReady", "status": "True", "reason": "EgressReady", "message": "traffic leaves"}


def item(namespace: str, name: str, **given: Any) -> dict[str, Any]:
    """One of a list, as the module gets it from Ansible."""
    options = egress_service.SPEC.options["services"]["options"]
    defaults = {option: spec.get("default") for option, spec in options.items()}
    ports = [{"name": None, "port": 80, "target_port": None, "protocol": "TCP"}]
    return {**defaults, "destination_ip": "10.10.10.200", "ports": ports, "namespace": namespace, "name": name, **given}


def absent(namespace: str, name: str) -> dict[str, Any]:
    return item(namespace, name, state="absent", destination_ip=None, ports=None)


def service(namespace: str, name: str, condition: dict[str, Any] | None = None, **spec: Any) -> KubeObject:
    """As the module makes it from ``item``, once the controller has said something."""
    metadata = {"namespace": namespace, "name": name, "uid": name, "resourceVersion": "1"}
    ports = [{"name": "tcp-80", "port": 80, "protocol": "TCP", "targetPort": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {**metadata, "annotations": {"egress_pod": '{"destination_ip": "10.10.10.200"}'}},
        "spec": {"type": "ClusterIP", "ports": ports, **spec},
        "status": {"conditions": [condition] if condition else []},
    }


class Server:
    """A cluster with some Services; ``controller`` says what their conditions are once they are watched."""

    def __init__(self, *services: KubeObject) -> None:
        self.found: dict[Resource, dict[str, KubeObject]] = {
            SERVICE: {key(service["metadata"]): service for service in services},
            REPLICATION_CONTROLLER: {},
            EGRESS_LEASE: {},
        }
        self.log: list[str] = []
        self.refused: dict[str, EgressError] = {}
        self.faster: dict[str, KubeObject | None] = {}
        """What somebody else makes of a Service just before a request about it."""
        self.controller: Callable[[KubeObject], dict[str, Any] | None] = lambda _service: READY

    def list(self, resource: Resource, namespace: str | None = None, **_selectors: Any) -> list[KubeObject]:
        return self.list_with_version(resource, namespace)[0]

    def list_with_version(
        self, resource: Resource, namespace: str | None = None, *, fields: str | None = None, **_selectors: Any
    ) -> tuple[list[KubeObject], str]:
        self._asked(f"list {resource.kind} {namespace}")
        items = self.found.get(resource, {}).values()
        return [item for item in items if namespace in (None, item["metadata"].get("namespace"))], "1"

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> KubeObject | None:
        self._asked(f"get {resource.kind}")
        return self.found[resource].get(f"{namespace}/{name}")

    def serves(self, _resource: Resource) -> bool:
        self._asked("serves")
        return True

    def create(self, resource: Resource, body: KubeObject, *, dry_run: bool = False) -> KubeObject:
        name = key(body["metadata"])
        self._asked(f"{'try' if dry_run else 'create'} {name}")
        return self._kept(resource, name, body, dry_run)

    def patch(
        self, resource: Resource, name: str, body: KubeObject, namespace: str, *, dry_run: bool = False
    ) -> KubeObject:
        self._asked(f"{'try' if dry_run else 'patch'} {namespace}/{name}")
        found = self.found[resource].get(f"{namespace}/{name}")
        if found is None:
            raise NotFound(404, f"{name} not found")
        return self._kept(resource, f"{namespace}/{name}", patched(found, body), dry_run)

    def delete_named(
        self, resource: Resource, name: str, namespace: str, _preconditions: Any, *, dry_run: bool = False
    ) -> None:
        self._asked(f"{'try' if dry_run else 'delete'} {namespace}/{name}")
        if not dry_run:
            del self.found[resource][f"{namespace}/{name}"]

    def watch(self, selection: Selection, **_options: Any) -> Iterator[tuple[str, KubeObject]]:
        resource, namespace = selection.resource, selection.namespace
        self._asked(f"watch {resource.kind} {namespace}")
        for obj in self.list(resource, namespace) if resource is SERVICE else ():
            said = self.controller(obj)
            told = {**obj, "metadata": {**obj["metadata"], "resourceVersion": "2"}}
            kept = [
                item for item in obj.get("status", {}).get("conditions", ()) if said and item["type"] != said["type"]
            ]
            yield "MODIFIED", patched(told, {"status": {"conditions": [*kept, said] if said else []}})

    def _kept(self, resource: Resource, name: str, body: KubeObject, dry_run: bool) -> KubeObject:
        if not dry_run:
            self.found[resource][name] = body
        return body

    def _asked(self, request: str) -> None:
        self.log.append(request)
        if request in self.refused:
            raise self.refused[request]
        if request in self.faster:
            verb, name = request.split()
            self._overtake(verb, name, self.faster.pop(request))

    def _overtake(self, verb: str, name: str, other: KubeObject | None) -> None:
        self.found[SERVICE].pop(name, None)
        if other:
            self.found[SERVICE][name] = other
            if verb == "create":
                raise AlreadyExists(409, f"{name} already exists")


def run(server: Server, *items: dict[str, Any], check_mode: bool = False, **options: Any) -> Result:
    given = {
        **dict.fromkeys(egress_service.SPEC.options),
        "wait": False,
        "wait_for": "ready",
        "wait_timeout": 0.2,
        **options,
    }
    given["services"] = list(items)
    egress_service.validate(given)
    return egress_service.reconcile(cast("Any", server), given, check_mode)


def failure(server: Server, *items: dict[str, Any], **options: Any) -> EgressError:
    with pytest.raises(EgressError) as caught:
        run(server, *items, **options)
    return caught.value


@pytest.fixture(autouse=True)
def _short_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(waiting, "SETTLE_SECONDS_OF_EACH", 0)


def test_a_hundred_ready_services_cost_one_list() -> None:
    names = [(project, f"s{number}") for project in ("green", "blue") for number in range(50)]
    server = Server(*(service(*name, READY) for name in names))

    result = run(server, *(item(*name) for name in names), wait=True)

    assert not result.changed
    assert server.log == ["list Service None"]


def test_services_of_one_project_are_read_there_alone() -> None:
    server = Server(service("green", "a", READY), service("blue", "a"))

    run(server, item("green", "a"))

    assert server.log == ["list Service green"]


def test_who_may_not_read_all_projects_reads_his_own() -> None:
    server = Server(service("green", "a", READY), service("blue", "b", READY))
    server.refused["list Service None"] = Forbidden(403, "permission is missing")

    assert not run(server, item("green", "a"), item("blue", "b")).changed
    assert sorted(server.log[1:]) == ["list Service blue", "list Service green"]


def test_only_what_differs_is_written_and_told_in_the_order_given() -> None:
    server = Server(service("green", "same", READY), service("green", "other"), service("blue", "gone"))
    items = [
        absent("blue", "gone"),
        item("green", "new"),
        item("green", "same"),
        item("green", "other", hm_port=1000),
        absent("blue", "never"),
    ]

    result = run(server, *items)

    assert server.log[:2] == ["list Service None", "serves"]
    assert sorted(server.log[2:5]) == ["try blue/gone", "try green/new", "try green/other"]
    assert sorted(server.log[5:]) == ["create green/new", "delete blue/gone", "patch green/other"]
    told = result.values["services"]
    assert [(one["namespace"], one["name"], one["changed"]) for one in told] == [
        ("blue", "gone", True),
        ("green", "new", True),
        ("green", "same", False),
        ("green", "other", True),
        ("blue", "never", False),
    ]
    assert told[0]["service"] is None
    assert told[2]["condition"] == READY
    assert result.before.keys() == {"Service blue/gone", "Service green/same", "Service green/other"}
    assert result.after.keys() == {"Service green/new", "Service green/same", "Service green/other"}


def test_check_mode_foretells_what_is_then_done() -> None:
    server = Server(service("green", "gone"), service("green", "other"))
    items = [absent("green", "gone"), item("green", "other", hm_port=1000), item("green", "new")]

    after_write = run(server, *items, check_mode=True, wait=True)
    assert server.found[SERVICE].keys() == {"green/gone", "green/other"}
    done = run(server, *items)

    assert after_write == done


@pytest.mark.parametrize(
    ("items", "sentence"),
    [
        ([item("green", "b", destination_ip="no host")], "services[1], Service green/b: egress_pod.destination_ip is"),
        ([item("green", "b", destination_ip=None)], "give exactly one of destination_ip and destinations"),
        ([item("green", "a")], "services[1], Service green/a: name is 'a'; services[0] has the same; give it once"),
        (
            [item("green", "b", source_ip=["10.1.1.1"]), item("green", "c", source_ip=["10.1.1.1"])],
            "services[2], Service green/c: source_ip is '10.1.1.1'; services[1] asks for it, too",
        ),
        ([item("green", "Upper")], "services[1], Service green/Upper: name is 'Upper'; give a DNS label"),
    ],
)
def test_wrong_items_are_refused_by_number_before_the_first_request(items: list[dict[str, Any]], sentence: str) -> None:
    server = Server()

    assert sentence in str(failure(server, item("green", "a"), *items))
    assert server.log == []


def network(name: str, cidr: str, **reserved: str) -> KubeObject:
    """``reserved``: for each project, the last part of its address."""
    begin = cidr.rpartition(".")[0]
    reservations = [{"address": f"{begin}.{last}", "namespace": project} for project, last in reserved.items()]
    return {"metadata": {"name": name}, "spec": {"subnets": [{"cidr": cidr}], "reservations": reservations}}


def lease(name: str, address: str) -> KubeObject:
    of, namespace, *_rest = name.split(".")
    spec = {"network": of, "namespace": namespace}
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": "Bound", "address": address}}


@pytest.fixture
def with_networks() -> Server:
    """``dmz`` has an address for green and one for blue, and green's ``ahead`` holds one that is leased ahead."""
    server = Server()
    networks = [network("dmz", "10.1.1.0/24", green="5", blue="6"), network("lab", "10.1.2.0/24")]
    server.found[EGRESS_NETWORK] = {found["metadata"]["name"]: found for found in networks}
    server.found[EGRESS_LEASE] = {"x": lease("dmz.green.ahead.0", "10.1.1.7")}
    return server


def test_an_address_that_is_reserved_or_leased_ahead_may_be_asked_for(with_networks: Server) -> None:
    result = run(
        with_networks,
        item("green", "a", source_ip=["10.1.1.5"]),
        item("green", "ahead", source_ip=["10.1.1.7"], network="dmz"),
        item("blue", "two"),
    )

    assert result.changed
    assert with_networks.log[:4] == [
        "list Service None",
        "serves",
        "list EgressNetwork None",
        "list EgressLease None",
    ]
    assert not [request for request in with_networks.log[4:] if "list" in request]


@pytest.mark.parametrize(
    ("given", "reason", "sentence"),
    [
        ({"source_ip": ["10.1.1.6"]}, "AddressNotReserved", "no EgressNetwork reserves it for its project"),
        ({"source_ip": ["10.1.1.7"]}, "AddressNotReserved", "no lease of this service holds that"),
        ({"source_ip": ["10.1.1.5"], "network": "lab"}, "AddressNotReserved", "10.1.1.5 is none of the leasable"),
        (
            {"source_ip": ["10.1.1.5", "10.9.9.9"], "ha": True},
            "AddressNotReserved",
            "egress_pod.source_ip is 10.1.1.5, 10.9.9.9; 10.9.9.9 is none of the leasable addresses of EgressNetwork "
            "dmz, lab;",
        ),
        ({"network": "lan"}, "NetworkNotFound", "egress_pod.network names EgressNetwork 'lan', and there is none"),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_what_is_not_there_for_the_project_keeps_all_from_being_written(
    with_networks: Server, given: dict[str, Any], reason: str, sentence: str, check_mode: bool
) -> None:
    error = failure(with_networks, item("green", "a"), item("green", "b", **given), check_mode=check_mode)

    assert str(error).startswith("services[1], Service green/b: egress_pod.")
    assert (error.reason, sentence in str(error)) == (reason, True), str(error)
    assert not [request for request in with_networks.log if request.split()[0] in ("try", "create")]


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_destination_that_the_network_named_excludes_is_refused_before(
    with_networks: Server, check_mode: bool
) -> None:
    some = network("partners", "10.1.3.0/24")
    some["spec"]["allowedDestinations"] = [{"destinations": ["198.51.100.0/24"], "namespaces": {"names": ["green"]}}]
    with_networks.found[EGRESS_NETWORK]["partners"] = some
    with_networks.found[NAMESPACE] = {name: {"metadata": {"name": name}} for name in ("green", "blue")}
    led = {"network": "partners", "destination_ip": "198.51.100.7"}

    error = failure(with_networks, item("green", "a", **led), item("blue", "b", **led), check_mode=check_mode)

    assert error.reason == "DestinationNotAllowed"
    assert "services[1], Service blue/b: egress_pod leads to '198.51.100.7', which EgressNetwork partners" in str(error)
    assert not [request for request in with_networks.log if request.split()[0] in ("try", "create")]


def test_who_may_not_read_networks_or_leases_leaves_it_to_the_controller(with_networks: Server) -> None:
    asking = item("green", "a", source_ip=["10.1.1.6"])
    for kind in ("EgressLease", "EgressNetwork"):
        with_networks.refused[f"list {kind} None"] = Forbidden(403, "permission is missing")

        assert run(with_networks, asking, item("green", "b", network="lan"), check_mode=True).changed


def test_a_service_that_stays_as_it_is_has_nothing_looked_up() -> None:
    named = service("green", "a", READY)
    named["metadata"]["annotations"]["egress_pod"] = '{"destination_ip": "10.10.10.200", "source_ip": "10.1.1.5"}'
    server = Server(named)

    assert not run(server, item("green", "a", source_ip=["10.1.1.5"])).changed
    assert server.log == ["list Service green"]


def test_an_item_that_fits_nothing_there_keeps_all_from_being_written() -> None:
    web = service("green", "web", selector={"app": "web"})
    web["metadata"]["annotations"] = {}
    server = Server(web)

    foreign = failure(server, item("green", "a"), item("green", "web"))
    portless = failure(server, item("green", "a"), item("green", "b", ports=None))

    assert str(foreign).startswith("services[1], Service green/web exists and is no secure egress service")
    assert str(portless).startswith("services[1], Service green/b: ports is None; a new service")
    assert isinstance(portless.__cause__, InvalidInput)
    assert server.found[SERVICE].keys() == {"green/web"}


def test_what_the_server_refuses_keeps_all_from_being_written() -> None:
    server = Server()
    server.refused["try gone/b"] = ApiError(404, 'namespaces "gone" not found')

    error = failure(server, item("green", "a"), item("gone", "b"))

    assert str(error) == 'services[1], Service gone/b: namespaces "gone" not found'
    assert not error.changed
    assert server.found[SERVICE] == {}


def test_a_write_that_fails_after_all_tells_what_was_done_before() -> None:
    server = Server(service("green", "same", READY))
    server.refused["create green/b"] = AlreadyExists(409, "services b already exists")

    error = failure(server, item("green", "same"), item("green", "a"), item("green", "b"))

    assert str(error) == "services[2], Service green/b: services b already exists; changed already: green/a"
    assert (error.changed, error.reason) == (True, "ApiError")


def test_where_somebody_else_is_faster_it_is_decided_anew() -> None:
    server = Server(service("green", "gone"))
    server.faster = {
        "create green/same": service("green", "same"),
        "create green/other": service("green", "other", ports=[]),
        "patch green/gone": None,
    }

    result = run(server, item("green", "same"), item("green", "other"), item("green", "gone", hm_port=1000))

    assert [one["changed"] for one in result.values["services"]] == [False, True, True]
    assert [request for request in server.log if request.endswith("gone")][-2:] == [
        "patch green/gone",
        "create green/gone",
    ]
    assert "patch green/other" in server.log


def test_a_foreign_service_that_came_in_between_is_left_alone() -> None:
    web = service("green", "a", selector={"app": "web"})
    web["metadata"]["annotations"] = {}
    server = Server()
    server.faster = {"create green/a": web}

    error = failure(server, item("green", "a"))

    assert "Service green/a exists and is no secure egress service" in str(error)
    assert server.found[SERVICE]["green/a"] is web


def test_all_changed_services_are_waited_for_by_one_watch() -> None:
    server = Server(service("green", "same", READY))
    names = [f"s{number}" for number in range(20)]

    result = run(server, item("green", "same"), *(item("green", name) for name in names), wait=True, wait_timeout=60)

    assert [one["condition"] for one in result.values["services"]] == [READY] * 21
    assert len([request for request in server.log if request.startswith("watch")]) == 1


def test_a_service_that_is_as_it_should_be_and_not_ready_is_waited_for() -> None:
    server = Server(service("green", "a"))

    result = run(server, item("green", "a"), wait=True, wait_timeout=60)

    assert not result.changed
    assert result.values["services"][0]["condition"] == READY


REACHABLE = {"type": "DestinationsReachable", "status": "True", "reason": "DestinationsReachable", "message": "all"}


def test_a_ready_service_is_waited_for_until_it_is_reachable_too() -> None:
    server = Server(service("green", "a", READY))
    told = "from 10.70.112.155: 10.10.10.200:80 Refused"
    closed = {**REACHABLE, "status": "False", "reason": "DestinationsNotReachable", "message": told}
    server.controller = lambda _service: closed

    error = failure(server, item("green", "a"), wait=True, wait_for="reachable")

    assert error.reason == "TimedOut"
    assert f"DestinationsNotReachable: {told}" in str(error)
    assert error.changed is False
    assert not run(server, item("green", "a"), wait=True).changed, "ready alone is not affected"


def test_a_service_that_is_reachable_costs_no_watch() -> None:
    server = Server(service("green", "a", READY))
    server.found[SERVICE]["green/a"]["status"]["conditions"].append(REACHABLE)

    result = run(server, item("green", "a"), wait=True, wait_for="reachable")

    assert server.log == ["list Service green"]
    assert result.values["services"][0]["reachable"] == REACHABLE


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    "given",
    [
        {"probe": {"interval": 0, "timeout": None}},
        {"destination_ip": None, "destinations": {"10.10.10.200": {"53/udp": 53}}, "ports": None},
    ],
)
def test_what_is_never_tried_is_not_waited_for(given: dict[str, Any], check_mode: bool) -> None:
    server = Server()

    error = failure(server, item("green", "a", **given), wait_for="reachable", check_mode=check_mode)

    assert error.reason == "InvalidInput"
    assert "wait_for is 'reachable'; its egress pod tries no destination" in str(error)
    assert server.log == ["list Service green"]


def test_those_that_are_not_ready_in_the_end_are_named_each_with_its_reason() -> None:
    server = Server()
    refused = {"type": "EgressReady", "status": "False", "reason": "PoolExhausted", "message": "all are held"}
    late = {"type": "EgressReady", "status": "False", "reason": "WaitingForPod", "message": "it starts"}
    said = {"a": READY, "b": late, "c": refused, "d": None}
    server.controller = lambda service: said[service["metadata"]["name"]]

    error = failure(server, *(item("green", name) for name in said), wait=True)

    late_told = "condition EgressReady is not True after 0.2 s: it is False (WaitingForPod: it starts)"
    assert str(error) == (
        f"services[1], Service green/b: {late_told}; it has no Events; "
        "services[2], Service green/c: all are held; "
        "services[3], Service green/d: condition EgressReady is not True after 0.2 s: "
        "the egress controller has not set it, is it running?; it has no Events"
    )
    assert (error.reason, error.changed) == ("PoolExhausted", True)


def test_of_many_that_are_not_ready_the_first_five_are_named_and_no_more_events_read() -> None:
    server = Server()
    server.controller = lambda _service: None

    error = failure(server, *(item("green", f"s{number}") for number in range(9)), wait=True)

    assert "services[4], Service green/s4" in str(error)
    assert "services[5]" not in str(error)
    assert str(error).endswith("; and 4 more are not ready")
    assert error.reason == "TimedOut"
    assert server.log.count("list Event green") == 5


def test_absent_ones_are_waited_for_until_nothing_of_them_is_left() -> None:
    server = Server(service("green", "a"), service("blue", "b"))
    left = {"metadata": {"namespace": "blue", "name": "b-avi-egress-pod", "resourceVersion": "1"}}
    server.found[REPLICATION_CONTROLLER]["blue/b-avi-egress-pod"] = left

    error = failure(server, absent("green", "a"), absent("blue", "b"), wait=True)
    server.found[REPLICATION_CONTROLLER].clear()
    again = run(server, absent("green", "a"), absent("blue", "b"), wait=True)

    assert str(error).startswith(
        "services[1], Service blue/b: ReplicationController b-avi-egress-pod is still there after 0.2 s;"
    )
    assert (error.changed, again.changed) == (True, False)


def test_rights_that_do_not_reach_to_leases_are_a_warning() -> None:
    server = Server(service("green", "a"))
    server.refused["list EgressLease None"] = Forbidden(403, "permission is missing")

    result = run(server, absent("green", "a"), wait=True)

    assert result.changed
    assert result.warnings == [
        "Service green/a: whether the address is given back cannot be seen: permission is missing"
    ]


def test_an_empty_list_asks_for_nothing() -> None:
    server = Server()

    assert run(server, wait=True).values == {"services": []}
    assert server.log == []
