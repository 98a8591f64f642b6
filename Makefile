# Everything is done through these targets. They need Python 3.11 or newer and nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
LOCK   := deploy/requirements/dev.txt
READY  := $(VENV)/.ready
DATA   ?= ../shared/data
OTHERS := .clients
SUITES := build
TOOLS  := $(CURDIR)/$(SUITES)/bench
PEERS  := $(SUITES)/peers
PROMTOOL ?= $(or $(shell command -v promtool),$(SUITES)/prometheus/usr/bin/promtool)

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-clients test-examples test-conformance test-browser test-image test-real fuzz check check-alerts check-deploy release-check sbom docs fmt bench bench-quick bench-micro bench-profiles eval lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with the locked dependencies

$(READY): $(LOCK) pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

run: $(READY) ## Start the proxy with config.yaml
	$(BIN)/reprise serve --config config.yaml

demo: $(READY) ## Watch hits and misses against a scripted origin, with no key and no network
	$(BIN)/python examples/demo.py

test: $(READY) ## Run the tests
	$(BIN)/python -m pytest $(ARGS)

test-clients: $(READY) $(OTHERS)/current/.ready $(OTHERS)/older/.ready $(OTHERS)/node/.ready ## Drive real clients, each by a miss and a hit (docs/clients.md)
	@cp tests/clients/drivers/*.mjs $(OTHERS)/node/
	$(BIN)/python -m tests.clients $(OTHERS) $(ARGS)

test-examples: $(READY) $(OTHERS)/current/.ready $(OTHERS)/fastapi/.ready $(OTHERS)/node/.ready ## Run the examples that need packages of their own
	$(BIN)/python -m tests.examples $(OTHERS)

# Clients need other versions than the program: they get environments of their own. The one in
# `current` brings Node.
$(OTHERS)/%/.ready: tests/clients/requirements/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

$(OTHERS)/node/.ready: tests/clients/package.json tests/clients/package-lock.json $(OTHERS)/current/.ready
	mkdir -p $(@D)
	cp tests/clients/package.json tests/clients/package-lock.json $(@D)/
	cd $(@D) && PATH="$(CURDIR)/$(OTHERS)/current/bin:$$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

test-conformance: $(READY) $(SUITES)/conformance/.ready ## Run others' test suites before the proxy and its origin (docs/conformance.md)
	$(BIN)/python -m tests.conformance $(SUITES)/conformance $(ARGS)

test-browser: $(READY) $(SUITES)/browser/.ready ## Use the dashboard in Chromium, which must be on the PATH (docs/dashboard.md)
	$(BIN)/python -m tests.browser $(SUITES)/browser $(ARGS)

test-image: $(READY) $(SUITES)/image/.ready ## Carry out the Dockerfile's steps and start what they make, without an engine; as root, with debootstrap
	$(BIN)/python -m tests.image $(SUITES)/image

test-real: $(READY) $(SUITES)/real/.ready ## Ask a real model through the proxy; fetches 360 MB the first time (docs/conformance.md)
	$(BIN)/python -m tests.real $(SUITES)/real

fuzz: $(READY) $(SUITES)/fuzz/.ready ## Fuzz every parser, guided by coverage, a minute over all (docs/fuzzing.md)
	PYTHONPATH="$$(echo $(SUITES)/fuzz/lib/python*/site-packages)" $(BIN)/python -m tests.fuzz $(SUITES)/fuzz/kept $(ARGS)

# The suites and the model's server are programs of their own, not libraries of the tests.
$(SUITES)/%/.ready: tests/%/requirements.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

check: $(READY) ## Lint, types, architecture, tests: what CI runs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(ARGS)

check-deploy: $(READY) $(SUITES)/deploy/.ready ## Hold compose files, manifests, the chart and workflows to their schemas; needs Go and sprig (docs/deploying.md)
	$(BIN)/python -m tests.deploy $(SUITES)/deploy

release-check: $(READY) ## Build what is released, install it in an empty environment, use it, remove it
	$(BIN)/python -m tests.release $(SUITES)

sbom: $(READY) $(SUITES)/sbom/.ready ## List what the program is made of, as CycloneDX, in build/sbom.json
	$(SUITES)/sbom/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o $(SUITES)/sbom.json deploy/requirements/run.txt

.PHONY: audit
audit: $(SUITES)/audit/.ready ## Look all dependencies up among known vulnerabilities, which the package index has
	$(SUITES)/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r deploy/requirements/run.txt $(ARGS)

docs: $(SUITES)/site/.ready ## Build the documentation as a site, in build/docs
	NO_MKDOCS_2_WARNING=1 $(SUITES)/site/bin/mkdocs build --strict --quiet -f deploy/site/mkdocs.yml

$(SUITES)/audit/.ready $(SUITES)/sbom/.ready $(SUITES)/site/.ready: $(SUITES)/%/.ready: deploy/requirements/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

check-alerts: $(READY) $(PROMTOOL) ## Have promtool read and try the alert rules, and read the metrics (docs/monitoring.md)
	$(PROMTOOL) check rules deploy/prometheus/alerts.yaml
	$(PROMTOOL) test rules deploy/prometheus/alerts.test.yaml
	$(BIN)/python -m tests.deploy.metrics | $(PROMTOOL) check metrics

$(SUITES)/prometheus/usr/bin/promtool: # from Debian, unpacked and not installed
	mkdir -p $(SUITES)/prometheus
	cd $(SUITES)/prometheus && apt-get download prometheus && dpkg-deb -x prometheus_*.deb .

fmt: $(READY) ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: load soak
load: $(READY) ## Put the program under load for MINUTES (2), and hold it to its bars (docs/load.md)
	$(BIN)/python -m tests.load --minutes $(or $(MINUTES),2) --out $(SUITES)/load $(ARGS)

soak: $(READY) ## The same mixed load for MINUTES (30): nothing may grow
	$(BIN)/python -m tests.load --soak --minutes $(or $(MINUTES),30) --out $(SUITES)/load $(ARGS)

bench: $(READY) $(TOOLS)/.ready $(PEERS)/.ready ## Measure the proxy beside nginx and its peers, in a quarter of an hour (docs/benchmarks.md)
	$(MEASURED) $(BIN)/python -m bench.http --peers $(PEERS) $(ARGS)

bench-quick: $(READY) $(TOOLS)/.ready ## Measure it beside nginx alone, in a minute
	$(MEASURED) $(BIN)/python -m bench.http --quick $(ARGS)

bench-micro: $(READY) ## Measure canonicalisation, keys, guards, streams, tiers, a vector, a verdict
	$(BIN)/python -m pytest bench --benchmark-only $(ARGS)

bench-profiles: $(READY) $(TOOLS)/.ready $(SUITES)/profiles/.ready ## Tell where a request's microseconds go, path by path (bench/profiles/README.md)
	$(MEASURED) $(BIN)/python -m bench.profiles $(ARGS)

$(SUITES)/profiles/.ready: bench/profiles/requirements.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

MEASURED := PATH="$$PATH:$(TOOLS)/usr/sbin:$(TOOLS)/usr/bin" LD_LIBRARY_PATH="$(TOOLS)/usr/lib/$(shell uname -m)-linux-gnu"

# nginx, and wrk which makes the load: those on the PATH, else from Debian, unpacked and not installed.
$(TOOLS)/.ready:
	mkdir -p $(@D)
	command -v nginx && command -v wrk || { cd $(@D) && \
	  apt-get download nginx wrk libluajit-5.1-2 libpcre2-8-0 && \
	  for one in *.deb; do dpkg-deb -x "$$one" . || exit; done; }
	@touch $@

# Peers are programs of their own, each in an environment of its own; `node` brings Node for one.
$(PEERS)/.ready: $(PEERS)/ferrogw/.ready $(PEERS)/cachellm/.ready $(PEERS)/litellm/.ready $(PEERS)/portkey/.ready
	@touch $@

$(PEERS)/%/.ready: bench/peers/%.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	@touch $@

$(PEERS)/portkey/.ready: bench/peers/portkey/package.json bench/peers/portkey/package-lock.json $(PEERS)/node/.ready
	mkdir -p $(@D)
	cp bench/peers/portkey/package.json bench/peers/portkey/package-lock.json $(@D)/
	cd $(@D) && PATH="$(CURDIR)/$(PEERS)/node/bin:$$PATH" npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

eval: $(READY) ## Measure right and wrong hits on the labelled sets in DATA
	$(BIN)/reprise eval all $(DATA)

lock: ## Write the locks anew (needs uv on the PATH)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o deploy/requirements/run.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --group dev pyproject.toml -o deploy/requirements/dev.txt
	echo cyclonedx-bom | uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header - -o deploy/requirements/sbom.txt
	echo pip-audit | uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header - -o deploy/requirements/audit.txt
	echo mkdocs-material | uv pip compile -q --universal --python-version 3.11.5 --generate-hashes --no-header - -o deploy/requirements/site.txt

clean: ## Remove the environment, caches and local data
	rm -rf $(VENV) $(OTHERS) $(SUITES) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks data
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
