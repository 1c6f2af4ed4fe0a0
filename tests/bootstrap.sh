#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
#
# Makes a fresh machine ready: Debian packages, the Python environment from requirements-dev.txt, and a place where
# Ansible and Python find this checkout as the collection avi.egress. What is already there is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

# Not the environment itself: it must not be made from its own former self.
PATH="${PATH//"$PWD/.venv/bin:"/}"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/avi-egress"
say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  command -v sudo >/dev/null || die "installing packages needs root: run this as root, or install sudo"
  sudo "$@"
}

# Docker or Podman would bring their own node images; these are for the local cluster and the builder without them.
packages=(
  buildah ca-certificates chromium conntrack containerd containernetworking-plugins dbus-daemon debootstrap default-jre-headless
  docker-registry etcd-server firewalld frr git iproute2 ipset iptables nftables openvswitch-switch procps prometheus runc
  shellcheck skopeo util-linux
)

debian_packages() {
  local missing=()
  if ! command -v dpkg-query >/dev/null; then
    say "no Debian packages here; make sure that these are installed: ${packages[*]}"
    return
  fi
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  say "installing Debian packages: ${missing[*]}"
  log=$(mktemp)
  # The packages' own services must not start: the tests run their own, in namespaces of their own.
  policy=/usr/sbin/policy-rc.d
  made_policy=
  if [ ! -e "$policy" ]; then
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT # an interruption must not leave the machine's services blocked
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
    made_policy=yes
  fi
  as_root env DEBIAN_FRONTEND=noninteractive sh -c \
    'apt-get update -q && apt-get install -q -y "$@"' sh "${missing[@]}" >"$log" 2>&1 || failed=yes
  if [ -n "$made_policy" ]; then
    as_root rm -f "$policy"
    trap - EXIT
  fi
  [ -z "${failed:-}" ] || { tail -n 20 "$log" >&2; die "apt-get could not install them; the lines above say why"; }
  rm -f "$log"
  not_at_boot "${missing[@]}"
}

# Nor when the machine starts the next time: a firewall that nobody asked for would close its ports.
not_at_boot() {
  command -v systemctl >/dev/null || return 0
  dpkg-query -L "$@" | sed -n 's|^.*/systemd/system/\([^/@]*\.service\)$|\1|p' | sort -u |
    as_root xargs -r systemctl disable --quiet || say "some of their services may start with the machine"
}

newest_python() {
  for candidate in python3.13 python3.12 python3.11 python3; do
    "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null &&
      { printf '%s' "$candidate"; return; }
  done
  die "no Python 3.11 to 3.13 with venv is installed; on Debian: apt-get install python3 python3-venv"
}

python_environment() {
  local python environment
  # The version first: ansible-core 2.19 runs on 3.11 to 3.13, and one environment serves every checkout. Then the
  # distribution's own, which is built to be fast: a Python that was compiled as it comes takes a fifth longer.
  python=$(PATH="/usr/bin:$PATH" command -v python3.11 || newest_python)
  "$python" -c 'import venv, ensurepip' 2>/dev/null || python=$(newest_python)
  environment="$cache/venv-$( (cat requirements-dev.txt; "$python" -V; command -v "$python") | sha256sum | cut -c1-12)"
  if [ ! -e "$environment/.complete" ]; then
    say "making the Python environment (about 2 minutes)"
    rm -rf "$environment"
    "$python" -m venv "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r requirements-dev.txt ||
      die "pip could not install requirements-dev.txt; the lines above say why"
    touch "$environment/.complete"
  fi
  ln -sfn "$environment" .venv
}

collection_path() {
  local place
  # Behind a link that leaves the checkout, so that tools which walk the tree don't meet it inside itself.
  place="$cache/collections/$(pwd -P | sha256sum | cut -c1-12)"
  mkdir -p "$place/ansible_collections/avi"
  ln -sfn "$(pwd -P)" "$place/ansible_collections/avi/egress"
  ln -sfn "$place" .collections
}

debian_packages
python_environment
collection_path
