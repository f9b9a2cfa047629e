# SPDX-License-Identifier: Apache-2.0
# Everything runs from the checkout; `make` alone prints the list.

PYTHON ?= python3
PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)
export PORT PURGE HYPERVISORS

.DEFAULT_GOAL := help
.PHONY: help demo up down status test check bench chaos containers replicas netboot openapi lock bootstrap bootstrap-test

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: bootstrap ## Set up everything and provision two virtual machines (HYPERVISORS=libvirt,vsphere: four, on two kinds of hosts)
	@$(PY) -m deploy.local demo

up: bootstrap ## Start the stack (PORT=8080 chooses the API's port)
	@$(PY) -m deploy.local up

down: ## End the stack; virtual machines stay (PURGE=1 removes them and all data)
	@test -x $(PY) || { echo "nothing to end: the stack was never set up here"; exit 0; }; $(PY) -m deploy.local down

status: ## What runs, and where it is reached
	@test -x $(PY) || { echo "the stack was never set up here; run: make up"; exit 1; }; $(PY) -m deploy.local status

test: bootstrap-test check ## The whole test suite, as CI runs it (PYTEST_ARGS="-k name")
	$(PY) -m pytest -n 3 --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

check: bootstrap-test ## Format, lint, types and import rules
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy --strict services innkeeper deploy
	.venv/bin/lint-imports --no-cache

bench: bootstrap-test ## Measure (BENCH=provision, api, images, install, scheduler or hypervisors for one)
	@for bench in $(or $(BENCH),provision api images install scheduler hypervisors); do $(PY) -m tests.bench.$$bench --json || exit 1; done

chaos: bootstrap-test ## Kill everything, again and again (N=40 jobs), and count what was lost
	@$(PY) -m tests.chaos --n $(or $(N),40)

containers: bootstrap-test ## Build every container image, run each, and bring the whole platform up by compose, with a dockerd of its own
	$(PY) -m pytest -q tests/containers

replicas: bootstrap-test ## Two of each service: one of each is killed, then all ten are replaced in turn, amid creates
	$(PY) -m pytest -q tests/chaos/test_two_of_each.py

netboot: bootstrap-test ## Install Debian by its own installer in an emulated machine: most of an hour
	$(PY) -m pytest -q -s -m netboot tests/integration/imagebuilder

openapi: bootstrap ## Write docs/openapi.json from the code
	@$(PY) -m services.api.openapi docs/openapi.json

lock: ## Pin the newest allowed versions in requirements.lock (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --all-extras --upgrade \
		--custom-compile-command "make lock" -q -o requirements.lock pyproject.toml

bootstrap:
	@$(PYTHON) deploy/local/bootstrap.py

bootstrap-test:
	@$(PYTHON) deploy/local/bootstrap.py --test
