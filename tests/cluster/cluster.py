# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The cluster as one thing: up, down, how it is."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.cluster import (
    addons,
    cgroups,
    control_plane,
    health,
    images,
    inventory,
    network,
    node,
    pki,
    port,
    processes,
    requirements,
    tools,
)
from tests.cluster.api import Api
from tests.cluster.errors import ClusterError
from tests.cluster.layout import DEFAULT_STATE_ROOT, Layout
from tests.cluster.lock import exclusive
from tests.cluster.processes import Component

_POLL_SECONDS = 0.05
_API_SECONDS = 90
_NODES_SECONDS = 90
_SERVICES_SECONDS = 60


def _silent(message: str) -> None:
    """The report of a caller who wants none."""


class Cluster:
    """A local cluster. Every method that can fail for a reason a person can mend raises ClusterError."""

    def __init__(
        self,
        name: str | None = None,
        api_port: int | None = None,
        state_root: Path | None = None,
        *,
        scc: bool = True,
        report: Callable[[str], None] = _silent,
    ) -> None:
        self.layout = Layout.from_environment(name, api_port, state_root)
        self._scc = scc
        self._report = report

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; it exists while the cluster does."""
        return self.layout.kubeconfig

    def namespace(self, role: str) -> str:
        """The network namespace of `fabric`, `control`, `node1`, `node2` or `remote`, as `ip netns` knows it."""
        return self.layout.namespace(role)

    def node_pid(self, name: str) -> int:
        """The node's first process, for nsenter."""
        requirements.check_root()
        init = processes.identity(self.layout, self.layout.node(name).name)
        if init is None:
            raise ClusterError(f"{name} of the cluster {self.layout.name} is not running: run `up`.")
        return init.pid

    def tool(self, name: str) -> Path:
        """A built program, `kubectl` for example."""
        return tools.program(name)

    def load_images(self, archives: Iterable[Path]) -> None:
        """Import docker or OCI archives into every node."""
        requirements.check_root()
        images.load(self.layout, archives)

    def trust_registry(self, registry: str, authority: Path) -> None:
        """Let the nodes pull from a registry, ``host:port``, whose certificate the authority's file vouches for."""
        requirements.check_root()
        for one in self.layout.nodes:
            node.trust(self.layout, one, registry, authority)

    def states(self) -> list[health.ComponentState]:
        """Every process that the cluster should have."""
        requirements.check_root()
        return health.states(self.layout)

    def problems(self) -> list[str]:
        """What is wrong, one sentence each; empty when the cluster is healthy."""
        requirements.check_root()
        return health.problems(self.layout)

    def up(self) -> None:
        """Bring the cluster up, or see that it is; repair what has stopped, make anew what is half made."""
        requirements.check()
        if tools.admits_by_sccs() and not self._scc:
            raise ClusterError("Without SCCs OpenShift's API server admits no pod: leave out --without-scc.")
        with exclusive(self.layout):
            if self._stands():
                self._require_same()
                self._mend()
                return
            if self.layout.state.exists() or network.partly_exists(self.layout):
                self._require_own_folder()
                self._report("removing what an interrupted run left")
                self._remove()
            port.require_free(self.layout)
            for tool in tools.of_cluster():
                tools.ensure(tool, self._report)
            try:
                self._create()
            except BaseException:
                self._report("removing what was half made")
                self._remove()
                raise

    def down(self) -> None:
        """Remove the cluster: processes, namespaces, cgroups and state; nothing else. Also where there is none."""
        requirements.check_root()
        with exclusive(self.layout):
            self._remove()
        # A root that somebody chose is theirs; in the default one another cluster may live.
        if self.layout.state_root == DEFAULT_STATE_ROOT:
            with contextlib.suppress(OSError):
                self.layout.state_root.rmdir()

    def _stands(self) -> bool:
        """Whether `up` has ended well once and the frame is still there: namespaces and the nodes' first processes."""
        return (
            self.layout.complete.exists()
            and network.exists(self.layout)
            and all(processes.identity(self.layout, one.name) is not None for one in self.layout.nodes)
        )

    def _require_own_folder(self) -> None:
        state = self.layout.state
        if state.exists() and not self.layout.marker.exists() and any(state.iterdir()):
            raise ClusterError(
                f"The folder {state} is not a cluster's: move it away, or set EGRESS_CLUSTER_STATE to another place."
            )

    def _require_same(self) -> None:
        made = json.loads(self.layout.marker.read_text())
        if made["api_port"] != self.layout.api_port:
            raise ClusterError(
                f"The cluster {self.layout.name} is up on port {made['api_port']}, not {self.layout.api_port}: "
                f"say --api-port {made['api_port']}, or run `down` first."
            )
        of, wanted = made.get("programs", tools.KUBERNETES.name), tools.of_cluster()[0].name
        if of != wanted:
            raise ClusterError(
                f"The cluster {self.layout.name} is up with the programs of {of}, not of {wanted}: "
                "set EGRESS_KUBERNETES as it was when it was made, or run `down` first."
            )

    def _create(self) -> None:
        layout = self.layout
        layout.state.mkdir(parents=True, mode=0o711)
        layout.marker.write_text(json.dumps({"api_port": layout.api_port, "programs": tools.of_cluster()[0].name}))
        for folder in (layout.logs, layout.pids):
            folder.mkdir()
        pki.create(layout)
        control_plane.prepare(layout)
        addons.prepare_dns(layout)

        self._report("making the networks")
        network.create(layout)

        self._report("starting etcd and the API server")
        servers = [control_plane.storage(layout), control_plane.api_server(layout), control_plane.forwarder(layout)]
        self._start([*servers, addons.remote(layout)])

        self._report("starting the nodes' container runtimes")
        for one in layout.nodes:
            node.boot(layout, one)
        runtimes = [node.containerd(layout, one) for one in layout.nodes]
        self._start(runtimes)
        for one in layout.nodes:
            node.wait_for_containerd(layout, one)
        images.load_pause(layout)

        self._report("waiting for the API server")
        api = Api(layout)
        self._wait("the API server", api.ready, servers, _API_SECONDS)

        self._report("starting controllers, DNS and kubelets")
        kubelets = [node.kubelet(layout, one) for one in layout.nodes]
        beside = [*control_plane.controllers(layout), *addons.dns(layout), *addons.allocator(layout)]
        self._start([*beside, *kubelets])
        addons.install(layout, scc=self._scc)

        self._report("waiting for the nodes")
        self._wait_for_nodes(api, [*kubelets, *runtimes])
        addons.name_pod_subnets(layout, api)

        self._report("starting kube-proxy and the policy enforcer")
        # Both look up their Node object first, and the enforcer ends where there is none.
        agents = [agent for one in layout.nodes for agent in node.network_agents(layout, one)]
        self._start(agents)
        self._wait_for_services(agents)
        layout.complete.touch()
        self._report("the cluster is up")

    def _mend(self) -> None:
        everything = inventory.components(self.layout)
        stopped = [one for one in everything if processes.identity(self.layout, one.name) is None]
        if not stopped and not self.problems():
            self._report("the cluster is up already")
            return
        if stopped:
            self._report(f"starting again: {', '.join(one.name for one in stopped)}")
        if any(one.name == "forward" for one in stopped):
            port.require_free(self.layout)
        self._start(stopped)
        self._report("waiting until all is well again")
        api = Api(self.layout)
        self._wait("the API server", api.ready, everything, _API_SECONDS)
        self._wait_for_nodes(api, everything)
        self._wait_for_services(everything)
        self._report("the cluster is up")

    def _wait_for_nodes(self, api: Api, watched: list[Component]) -> None:
        names = {one.name for one in self.layout.nodes}
        self._wait("the nodes", lambda: api.ready_nodes() >= names, watched, _NODES_SECONDS)

    def _wait_for_services(self, watched: list[Component]) -> None:
        layout = self.layout
        self._wait("the cluster's DNS", lambda: addons.dns_answers(layout), watched, _SERVICES_SECONDS)
        self._wait(
            "Services and policies",
            lambda: all(node.serves(layout, one) for one in layout.nodes),
            watched,
            _SERVICES_SECONDS,
        )

    def _start(self, components: Iterable[Component]) -> None:
        for component in components:
            processes.start(self.layout, component)

    def _wait(self, what: str, ready: Callable[[], bool], watched: list[Component], seconds: float) -> None:
        """Poll until ready. A watched component that ends meanwhile ends the wait, with its last words."""
        deadline = time.monotonic() + seconds
        while not ready():
            for component in watched:
                if processes.identity(self.layout, component.name) is None:
                    words = processes.last_words(self.layout, component.name)
                    raise ClusterError(f"{component.name} ended while {what} was awaited: {words}")
            if time.monotonic() > deadline:
                raise ClusterError(
                    f"Waited {seconds:.0f} s in vain for {what}; {' '.join(_last_words(self.layout, watched))}"
                )
            time.sleep(_POLL_SECONDS)

    def _remove(self) -> None:
        layout = self.layout
        self._require_own_folder()
        processes.end(layout, processes.recorded(layout))
        for one in layout.nodes:
            cgroups.remove(layout.cgroup(one))
        network.remove(layout)
        if layout.state.exists():
            # The marker goes last: an interrupted removal can be taken up again.
            for path in layout.state.iterdir():
                if path != layout.marker:
                    _delete(path)
            layout.marker.unlink(missing_ok=True)
            layout.state.rmdir()


def _last_words(layout: Layout, watched: list[Component]) -> list[str]:
    return [f"{component.name} says: {processes.last_words(layout, component.name)}" for component in watched]


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        os.unlink(path)
