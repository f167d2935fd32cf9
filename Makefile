# Duebook. `make help` lists the targets.

PORT ?= 8000
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),.duebook/tools/bin/uv)
RUN := $(UV) run --frozen --no-sync
# A Python of the distribution is compiled with profile-guided optimisation. One that is compiled without, as pyenv does,
# takes a fifth more CPU for what Duebook does. An environment that exists keeps its Python, and without one of the
# distribution uv looks for one itself.
ifndef UV_PYTHON
FOUND := $(if $(wildcard .venv),,$(shell for p in /usr/bin/python3.1[1-9]; do $$p -c 'import asyncio, ssl' 2>/dev/null && echo $$p && break; done))
ifneq ($(FOUND),)
export UV_PYTHON := $(FOUND)
endif
endif

# The authorities that the machine trusts, among them that of a proxy which opens TLS: pip trusts these anyway, uv only then.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS ?= 1
endif

# Many images forbid Python to keep bytecode. Then each of the programs that tests start compiles all its modules again.
test unit: export PYTHONDONTWRITEBYTECODE :=
test unit: export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.duebook/bytecode

VERSION ?= 0.1.0
REVISION ?= $(shell git rev-parse HEAD)
IMAGE = docker build -q -f deploy/Dockerfile $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
	--build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION)

.DEFAULT_GOAL := help
.PHONY: up install test check fmt lint unit docs pictures bench bench-peers bench-scale soak soak-hold images help sync

up: sync ## Start all servers and services until Ctrl-C; PORT=8000 is the port of the API
	@exec .venv/bin/duebook dev --port $(PORT)

# By constraints, so that no package replaces what Duebook itself runs on.
install: sync ## Install packages for your own tasks into .venv, where they stay; PACKAGES="one two"
	@test -n "$(PACKAGES)" || { echo 'duebook: name the packages: make install PACKAGES="one two"'; exit 2; }
	@mkdir -p .duebook
	@$(UV) export --quiet --frozen --all-packages --no-hashes --no-emit-workspace --output-file .duebook/constraints.txt
	@$(UV) pip install --python .venv/bin/python --constraint .duebook/constraints.txt $(PACKAGES)

test: sync ## Run all tests, on real servers
	@$(RUN) pytest -n 3 --dist loadgroup tests examples

check: lint unit ## The definition of done: lint and unit

lint: sync ## Check format, style, types and import contracts
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports

unit: sync ## Run the unit tests, which need no server
	$(RUN) pytest -q -n 2 tests/unit examples

fmt: sync ## Format the code, and fix what ruff can fix
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

docs: sync ## Render the reference pages from the code
	@$(RUN) python -m docs.pages

pictures: sync ## Draw the pages of the console into docs/images, with Chromium
	@$(RUN) python -m docs.pictures

bench: sync ## Run the benchmark suite and print one table
	@$(RUN) python -m benchmarks

bench-peers: sync ## Run the same no-op tasks on Celery, TaskIQ, Dramatiq and Procrastinate, and print ratios; ROUNDS=3
	@$(RUN) python -m benchmarks.peers $(if $(ROUNDS),--rounds $(ROUNDS))

bench-scale: sync ## Measure the console and lists at a million runs; KEEP=DIR keeps the filled servers
	@$(RUN) python -m benchmarks.scale $(if $(KEEP),--keep $(KEEP))

soak: sync ## Run at 300 jobs/s with retention for MINUTES=60, and print what grows
	@$(RUN) python -m benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES))

soak-hold: sync ## Hold a transaction open for MINUTES=10 at 30 jobs/s, and print what waits, what alerts, how it recovers
	@$(RUN) python -m benchmarks.soak.hold $(if $(MINUTES),--minutes $(MINUTES))

images: ## Build the images of all services and of the command line with Docker; BASE_IMAGE and VERSION may be set
	@for service in api scheduler executor notifier; do $(IMAGE) --build-arg SERVICE=$$service -t duebook-$$service:$(VERSION) . || exit 1; done
	@$(IMAGE) --build-arg PACKAGE=duebook --build-arg EXTRA=cli -t duebook-cli:$(VERSION) .

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --inexact: packages that a user has installed into .venv for her own tasks stay.
sync: $(UV)
	@$(UV) sync --locked --inexact --quiet

# Debian's python3 has neither venv nor pip; there the package python3-pip is installed to get uv.
.duebook/tools/bin/uv:
	@echo "duebook: installing uv into .duebook/tools"
	@mkdir -p .duebook
	@{ python3 -m venv .duebook/tools && .duebook/tools/bin/pip install --quiet uv; } >.duebook/uv.log 2>&1 \
	|| python3 -m pip install --quiet --target .duebook/tools uv >>.duebook/uv.log 2>&1 \
	|| { [ "$$(id -u)" = 0 ] && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy python3-pip \
	     && python3 -m pip install --quiet --target .duebook/tools uv; } >>.duebook/uv.log 2>&1 \
	|| { tail -5 .duebook/uv.log; echo "duebook: uv was not found and pip cannot install it; install uv or pip"; exit 1; }
