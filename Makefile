# One command on a fresh clone starts everything; `make help` lists them.
# Needed: make, Python 3.11 or newer with venv and pip, and the package registries.

PYTHON ?= python3
BASKETS ?=
CATALOGUE ?=
ORDERS ?=
MODE ?=
KILL_BROKER ?=
CANCEL ?=
PAYMENT ?=
FAULTS ?=
TESTS ?=
BENCH ?=
SEEDS ?=
CRASHES ?=
override VENV := .venv/bin
override STACK := $(VENV)/python -m sagaplatform.stack
override comma := ,
export PYTHONUNBUFFERED := 1
# Even where the shell says not to keep it: hundreds of processes start, each a sixth sooner with it.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help up down status servers demo test docs reliability bench lock install install-tests clean

help: ## this list
	@echo "Usage: make TARGET [VARIABLE=value]"; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; echo "Variables (also from the environment):"
	@echo "  PYTHON         Python 3.11 or newer to build .venv with (python3)"
	@echo "  PG_BIN         bin directory of a PostgreSQL 15 or newer (found by itself, else a wheel)"
	@echo "  JAVA_HOME      a Java 17 or newer (found by itself, else a wheel)"
	@echo "  WEB_PORT       port of the web pages (8000 if free; kept in .local/ports.json)"
	@echo "  MODE           of the demo: orchestrated, choreographed or mixed (as it was set last);"
	@echo "                 of the benchmarks: one of the first two (both)"
	@echo "  CARRIER        http: parcels go by a stand-in for a carrier, not by the house's own van"
	@echo "  PAYMENT        in the demo: credit, card or mixed (credit)"
	@echo "  FAULTS         in the demo: percent of the gateway's calls that each kind of fault hits"
	@echo "  BROKERS        1 or 3 brokers of the local Kafka (as its data has, else 1)"
	@echo "  KILL_BROKER    in the demo: the number of the broker to kill at half of the orders"
	@echo "  POSTGRES_PORT  KAFKA_PORT  KAFKA_CONTROLLER_PORT  GATEWAY_PORT  CARRIER_PORT"
	@echo "  MAIL_PORT  SMTP_PORT   the servers' ports (of further"
	@echo "                 brokers KAFKA_PORT_2, KAFKA_CONTROLLER_PORT_2, and _3)"
	@echo "  DATABASE_URL_<CONTEXT>, DATABASE_OWNER_URL_<CONTEXT>, KAFKA_BOOTSTRAP_SERVERS"
	@echo "                 servers of your own; no local one is started in their place"

up: install ## the platform with its web pages, until Ctrl-C
	@$(STACK) up

down: ## stop everything, from any terminal
	@if [ -x $(VENV)/python ]; then $(STACK) down; else echo "Nothing runs."; fi

status: install ## what runs: processes, pids, memory
	@$(STACK) status

servers: install ## PostgreSQL and Kafka only, until Ctrl-C
	@$(STACK) servers

demo: install ## replay baskets as orders, print the outcomes and the proof (BASKETS= CATALOGUE= ORDERS= MODE= PAYMENT= FAULTS= CARRIER= CANCEL= BROKERS= KILL_BROKER=)
	@SECRET_KEY=none-needed $(VENV)/$(demo) --help >/dev/null
	@$(STACK) run --platform -- $(demo)

test: install-tests ## all that CI runs: lints, types, tests (TESTS= chooses: TESTS='tests/stack -k ports')
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	SECRET_KEY=none-needed $(VENV)/mypy apps sagaplatform tools
	$(VENV)/lint-imports
	@$(if $(TESTS)$(KAFKA_BOOTSTRAP_SERVERS)$(DATABASE_URL_ORDERS),$(call pytest,$(TESTS)),$(halves))

docs: install ## write docs/reference anew, from the code that it speaks of
	@SECRET_KEY=none-needed $(VENV)/python manage.py write_reference

reliability: install-tests ## the long campaigns, and docs/reliability.md (ONLY="crash,simulation" SEEDS=3000 CRASHES=3; CRASHES=1: every crash)
	@$(VENV)/$(reliability) --help >/dev/null
	@$(STACK) run --test -- $(reliability)

bench: install-tests ## the benchmarks, as ratios measured in one run (MODE= one mode only; BENCH= passes arguments)
	@$(VENV)/$(bench) --help >/dev/null
	@$(STACK) run --test -- $(bench)

lock: install-tests ## choose package versions and Kafka's jars anew, within the limits in requirements/
	@rm -rf .local/lock && $(PYTHON) -m venv .local/lock && .local/lock/bin/pip install -q uv
	@for part in base:requirements stack:requirements-stack test:requirements-test; do \
		echo "  $${part#*:}.txt"; \
		PIP_FIND_LINKS= UV_FIND_LINKS= .local/lock/bin/uv pip compile -q --universal --upgrade \
			--python-version 3.11 --generate-hashes --no-emit-find-links \
			--custom-compile-command "make lock" \
			requirements/$${part%:*}.in -o $${part#*:}.txt || exit 1; \
	done; rm -rf .local/lock
	@$(STACK) lock-kafka
	@! grep -nE '^(--|-i |-f )' requirements*.txt || \
		{ echo "Error: a lock file names an index; remove that line."; exit 1; }

install: ## the Python packages (done by the others when needed)
	@$(call bootstrap,)

install-tests:
	@$(call bootstrap,--tests)

clean: ## stop everything and remove its data (.local)
	@for home in .local/beside .local; do \
		if [ -d $$home ] && [ -x $(VENV)/python ]; then $(STACK) --home $$home clean; fi; \
	done; rm -rf .local

# All tests go in two halves at once, each with servers of its own; the second one's words come last.
# PostgreSQL does not wait for the disk, for tests kill processes, not the machine.
# On servers that somebody gives there is one set of test databases, so there they go in one.
override BESIDE := tests/stack tests/reliability tests/e2e tests/traces tests/alone tests/versions tests/outside
pytest = $(STACK) run --test --hasty -- sh -ec 'echo "python manage.py makemigrations --check --dry-run"; \
	python manage.py makemigrations --check --dry-run; echo "pytest $(1)"; pytest $(1)'

# These are run with --help first: what is wrong with the variables is told before anything starts.
demo = python manage.py demo $(if $(BASKETS),--baskets "$(BASKETS)") \
	$(if $(CATALOGUE),--catalogue "$(CATALOGUE)") $(if $(ORDERS),--orders "$(ORDERS)") \
	$(if $(MODE),--mode "$(MODE)") $(if $(CANCEL),--cancel "$(CANCEL)") \
	$(if $(PAYMENT),--payment "$(PAYMENT)") $(if $(FAULTS),--faults "$(FAULTS)") \
	$(if $(KILL_BROKER),--kill-broker "$(KILL_BROKER)")
reliability = python -m tests.reliability $(if $(ONLY),--only "$(ONLY)") $(if $(SEEDS),--seeds "$(SEEDS)") \
	$(if $(CRASHES),--crashes "$(CRASHES)")
bench = python -m benchmarks $(if $(MODE),--only "$(MODE)$(comma)floor-$(MODE)$(comma)dbos") $(BENCH)

define halves
mkdir -p .local/beside; echo "pytest $(BESIDE), beside, into .local/beside/pytest.log"; \
env -u WEB_PORT -u POSTGRES_PORT -u KAFKA_PORT -u KAFKA_CONTROLLER_PORT \
	$(STACK) --home .local/beside run --test --hasty -- pytest -p no:cacheprovider $(BESIDE) \
	>.local/beside/pytest.log 2>&1 & beside=$$!; trap 'kill $$beside; wait $$beside; exit 130' INT TERM; \
status=0; $(call pytest,$(addprefix --ignore ,$(BESIDE))) || status=$$?; \
wait $$beside || status=$$?; trap - INT TERM; cat .local/beside/pytest.log; exit $$status
endef

define bootstrap
command -v $(PYTHON) >/dev/null || { \
	echo "Error: $(PYTHON) was not found. Install Python 3.11 or newer, or name it: make PYTHON=..." >&2; \
	exit 1; }; $(PYTHON) sagaplatform/stack/bootstrap.py $(1)
endef
