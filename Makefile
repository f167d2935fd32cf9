# Duebook. `make help` lists the targets.

PORT ?= 8000
UV := $(or $(shell uv --version >/dev/null 2>&1 && command -v uv),.duebook/tools/bin/uv)
RUN := $(UV) run --frozen --no-sync

.DEFAULT_GOAL := help
.PHONY: up test check bench help sync

up: sync ## Start everything on this machine, here until Ctrl-C; PORT=8000 is where the API listens
	@exec .venv/bin/duebook dev --port $(PORT)

test: sync ## Run all tests, on real servers
	@$(RUN) pytest -n 2 --dist loadgroup

check: sync ## The definition of done: format, lint, types, import rules, unit tests
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) pytest -q -n 2 tests/unit

bench: sync ## Run the benchmark suite and print one table
	@$(RUN) python -m benchmarks

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

sync: $(UV)
	@$(UV) sync --locked --quiet

# Debian's python3 comes without venv and pip; there the distribution's pip brings uv.
.duebook/tools/bin/uv:
	@echo "duebook: getting uv into .duebook/tools"
	@mkdir -p .duebook
	@{ python3 -m venv .duebook/tools && .duebook/tools/bin/pip install --quiet uv; } >.duebook/uv.log 2>&1 \
	|| python3 -m pip install --quiet --target .duebook/tools uv >>.duebook/uv.log 2>&1 \
	|| { [ "$$(id -u)" = 0 ] && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy python3-pip \
	     && python3 -m pip install --quiet --target .duebook/tools uv; } >>.duebook/uv.log 2>&1 \
	|| { tail -5 .duebook/uv.log; echo "duebook: uv is missing, and pip cannot get it: install one of them"; exit 1; }
