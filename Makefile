# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
#
# `make demo` and `make test` are all a newcomer needs; each prepares the machine by itself.

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := $(CURDIR):$(CURDIR)/.collections:$(CURDIR)/images/egress_router:$(CURDIR)/images/egress_controller
export ANSIBLE_COLLECTIONS_PATH := $(CURDIR)/.collections
export MYPYPATH := $(PYTHONPATH)
# Each process would compile what it imports of this checkout; the checkout itself is left without what that gives.
export PYTHONPYCACHEPREFIX := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/avi-egress/bytecode
# Some machines forbid it. Nothing would be kept there then, and nothing be read from elsewhere.
unexport PYTHONDONTWRITEBYTECODE
# Molecule's own place is shared by all checkouts.
export MOLECULE_EPHEMERAL_DIRECTORY := $(CURDIR)/.cache/molecule

# Network namespaces and containers need root; the caches stay the caller's.
SUDO = $(if $(shell command -v sudo),sudo --preserve-env=$(KEPT),$(error make $(MAKECMDGOALS) needs root: run it as root, or install sudo))
KEPT := HOME,PATH,PYTHONPATH,ANSIBLE_COLLECTIONS_PATH,PYTHONPYCACHEPREFIX,KUBECONFIG,EGRESS_DEMO_KUBECONFIG
KEPT := $(KEPT),EGRESS_DEMO_OUTSIDE,EGRESS_CLUSTER_NAME,EGRESS_CLUSTER_API_PORT,EGRESS_CLUSTER_STATE,CI,EGRESS_KUBERNETES
KEPT := $(KEPT),MOLECULE_EPHEMERAL_DIRECTORY
AS_ROOT = $(if $(filter 0,$(shell id -u)),,$(SUDO))

.PHONY: demo demo-down test check lint mypy ruff ansible-lint yamllint reuse unit fuzz integration conventions e2e molecule versions docs cluster-up cluster-down bootstrap clean root

demo: root bootstrap ## A cluster, the product installed by its playbook, and a proof with real traffic
	$(AS_ROOT) .venv/bin/python -m tests.demo up

demo-down: root bootstrap ## Remove everything that demo made
	$(AS_ROOT) .venv/bin/python -m tests.demo down

test: root bootstrap lint ## Everything: lint and types, then one pytest run over all folders of tests
	$(AS_ROOT) .venv/bin/python -m pytest -n 4 -p tests.scheduling tests/unit tests/integration tests/conventions tests/e2e tests/molecule

check: lint ## Lint, types and unit tests: what to run while writing; neither root nor a cluster
	.venv/bin/python -m pytest -q -n 2 tests/unit

lint: bootstrap
	@$(MAKE) --no-print-directory -j 2 -O mypy ruff ansible-lint yamllint reuse

mypy:
	cd .collections && mypy --config-file $(CURDIR)/pyproject.toml \
	  -p ansible_collections.avi.egress.plugins -p ansible_collections.avi.egress.extensions.eda -p egress_controller -p egress_router -p images -p tests.cluster -p tests.faults -p tests.demo -p tests.molecule -p tests.benchmarks -p tests.conventions -p tests.support -p tests.versions -m tests.scheduling -m tests.fuzz

ruff:
	ruff check .
	ruff format --check .

ansible-lint:
	ansible-lint -q roles playbooks extensions

yamllint:
	yamllint -s .

reuse:
	reuse lint -q

unit: bootstrap
	.venv/bin/python -m pytest tests/unit

fuzz: bootstrap ## 100,000 hostile annotations, by the work that each takes; others by SEED=1
	.venv/bin/python -m tests.fuzz $(if $(SEED),--seed $(SEED))

integration: root bootstrap
	$(AS_ROOT) .venv/bin/python -m pytest tests/integration

conventions: root bootstrap
	$(AS_ROOT) .venv/bin/python -m pytest tests/conventions

e2e: root bootstrap
	$(AS_ROOT) .venv/bin/python -m pytest tests/e2e

molecule: root bootstrap ## The Molecule scenarios on a cluster of their own; some by SCENARIO="a b"; PLACEMENT=gateway
	cd extensions && $(AS_ROOT) ../.venv/bin/molecule test $(if $(SCENARIO),$(SCENARIO:%=--scenario-name %),--all) \
	  $(if $(PLACEMENT),-- --extra-vars=egress_placement=$(PLACEMENT))

# The router's laboratory has no cluster.
ON_CLUSTER = $(filter-out tests/e2e/test_router_%,$(wildcard tests/e2e/test_*.py))

versions: root bootstrap ## Other versions of ansible-core, OpenShift's SCC admission, other API servers: half an hour each
	$(AS_ROOT) .venv/bin/python -m pytest tests/versions
	EGRESS_KUBERNETES=openshift $(AS_ROOT) .venv/bin/python -m pytest $(ON_CLUSTER)
	EGRESS_KUBERNETES=1.28 $(AS_ROOT) .venv/bin/python -m pytest tests/integration/controller/test_services.py \
	  tests/integration/test_role_form.py::test_a_cluster_without_admission_policies_is_told_and_left_as_it_was
	for series in 1.30 1.34 1.37; do \
	  EGRESS_KUBERNETES=$$series $(AS_ROOT) .venv/bin/python -m pytest -n 2 -p tests.scheduling tests/integration || exit 1; \
	done

docs: bootstrap ## The reference site of modules, role and filter: build/docsite/html/index.html
	docs/docsite/build.sh build/docsite

cluster-up cluster-down: root bootstrap ## The local cluster alone
	$(AS_ROOT) .venv/bin/python -m tests.cluster $(@:cluster-%=%)

clean: ## Remove what bootstrap and builds keep for the next run: environment, tools, images
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/avi-egress" .venv .collections

root: # Said before anything is installed or built
	@: $(AS_ROOT)

bootstrap:
	@tests/bootstrap.sh
