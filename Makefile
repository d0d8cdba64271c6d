# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` install what is missing first. Both need root: they build network namespaces.

.DEFAULT_GOAL := help
.PHONY: help install demo view bench test check docs pictures lab-up lab-down compose-demo compose-down clean

HANDOVERS ?= 20
DIALECT ?= both
DEMO_OUTPUT ?= demo-output
BIN := .venv/bin

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

install: ## Debian packages and .venv, whatever of them is missing
	@tools/install.sh runtime

demo: install ## build a lab, stream, hand over in both dialects, predictive and plain, report, clean up
	./castover demo --dialect $(DIALECT) --handovers $(HANDOVERS) --json $(DEMO_OUTPUT)/report.json \
	    --pcap $(DEMO_OUTPUT)/captures --logs $(DEMO_OUTPUT)/logs

view: install ## keep a lab with a live stream for the live view in a browser: drag a mobile node, Ctrl-C ends
	./castover view

bench: ## handovers beside their alternatives, and that they lose nothing; on a machine that does nothing else
	@tools/install.sh bench
	./castover bench handover
	./castover bench exactly-once
	./castover bench control-plane --json bench/results/control-plane.json

check: ## ruff, mypy, import-linter
	@tools/install.sh dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## check, then every test: those without a lab side by side, labs one after the other
	@tools/test.sh

docs: ## docs/reference/cli.md, from the commands' own help
	@tools/install.sh dev
	$(BIN)/python -m tools.cli_reference >docs/reference/cli.md

pictures: ## the pictures of the live view in docs/pictures, from a real lab in Chromium
	@tools/install.sh dev
	CASTOVER_PICTURES=docs/pictures $(BIN)/pytest -q -m lab tests/lab/test_live_view_in_the_lab.py

lab-up: install ## build the lab of topology.yaml with controller and agents
	./castover lab up

lab-down: ## take it down
	./castover lab down

compose-demo: ## the same demo on containers: start an engine where none answers, build, bring up, hand over, report
	@tools/engine.sh up >/dev/null
	@tools/engine.sh compose build controller
	@tools/engine.sh compose up -d --no-build
	@tools/engine.sh compose run --rm demo \
	    containers demo --topology /etc/castover/topology.yaml --handovers $(HANDOVERS)
	@echo "The containers stay up. Live view and REST API: http://127.0.0.1:$${CASTOVER_REST_PORT:-8080}/; a mobile node that is"
	@echo "dragged to another MAG there is moved by the containers' radio. (No stream flows unless a demo runs.)"
	@echo "make compose-down takes them down."

compose-down: ## take the containers down, and the engine where compose-demo has started one
	@# One that was killed knows its containers and networks, when it runs again.
	@! tools/engine.sh killed || tools/engine.sh up >/dev/null
	@if tools/engine.sh answers; then tools/engine.sh compose down --volumes && tools/engine.sh down; \
	    else echo "no container engine answers: nothing is up"; fi

clean: ## remove what was built here: .venv, caches, the demo's output
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache $(DEMO_OUTPUT)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
