# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A laboratory for the egress router: real packets in network namespaces, without Kubernetes.

A ``Lab`` is an outside LAN (a bridge) with a remote application on it and one or more nodes. A ``Pod`` is a namespace
whose eth0 leads to a client namespace, which is the pod network's gateway as well: what leaves a pod by the wrong
interface ends there. All that crosses the LAN is captured, from before the router's first instruction on.

Needs root and a kernel with veth, bridge and nftables; it fails, and does not skip, where they are missing.
"""
