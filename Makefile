# Targets with a comment behind ## are listed by `make help`.

GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod
GOLANGCI := $(GO) tool -modfile=tools/golangci-lint/go.mod golangci-lint
SUITE := $(GO) run ./test/suite

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build build/bin/weir
	$(GO) build -o build/bin/weir ./cmd/weir

.PHONY: test
test: tools ## install what the tests need, run every suite, end with one line of counts
	@$(SUITE)

.PHONY: tools
tools: ## install the real parts that tests run (clients, Apache Kafka, AWS CLIs) into build/tools
	@echo "== tools: what the tests with real parts run"
	@test/tools/install

.PHONY: unit
unit: ## run the packages' tests with the race detector
	@$(SUITE) unit

.PHONY: race
race: ## run the packages' tests with the race detector, COUNT=N times
	$(GO) test -race -count=$(or $(COUNT),1) $$($(GO) list ./... | grep -v -e /test/ -e /internal/)

.PHONY: fuzz
fuzz: ## fuzz every target for FUZZTIME (50000x)
	@$(SUITE) fuzz

.PHONY: sim
sim: ## run the simulations: SEEDS=N of them, or SEED=N to repeat one
	@$(SUITE) sim

.PHONY: script
script: tools ## run the command line and the AWS CLI as users type them
	@$(SUITE) script

.PHONY: peer
peer: tools ## run Kafka's tools and AWS SDKs, against Apache Kafka and Weir
	@$(SUITE) peer

.PHONY: matrix
matrix: tools ## run every client library through every feature, and the tests that client libraries carry
	@$(SUITE) matrix upstream

.PHONY: robustness
robustness: ## kill -9 brokers and weir up under load, as often as `make test` does
	@$(SUITE) robustness

.PHONY: crash
crash: ## the same with N kills of a broker and a tenth of that of weir up
	WEIR_TEST_BROKER_KILLS=$(or $(N),200) WEIR_TEST_UP_KILLS=$$(( $(or $(N),200) / 10 )) $(SUITE) robustness

# CHAOS_RUNS=N runs of CHAOS_SECONDS=S, the first with CHAOS_SEED.
.PHONY: chaos
chaos: tools ## real clients under faults, their histories checked: CHAOS_RUNS=10 CHAOS_SECONDS=120
	CHAOS_RUNS=$(or $(CHAOS_RUNS),10) CHAOS_SECONDS=$(or $(CHAOS_SECONDS),120) $(GO) test -count=1 -v -timeout=12h -run=TestChaos ./test/chaos

.PHONY: planted
planted: ## build Weir with one bug after the other, each of which chaos must find within ten minutes
	$(GO) test -count=1 -v -timeout=3h -tags=planted -run=TestPlantedBugs ./test/chaos

.PHONY: examples
examples: tools ## run the examples with their public data sets
	@$(SUITE) examples

# CASE=blast64,single measures these only, by default on Weir (SYSTEM=weir,kafka,kafka-flush), and writes nothing. See test/bench/doc.go.
.PHONY: bench
bench: ## measure beside Apache Kafka and write docs/benchmarks.md: SET=standard or full, or only CASE=..., SYSTEM=...
	@test/tools/install java
ifdef CASE
	$(GO) test -count=1 -v -timeout=60m -run=TestBench ./test/bench -case=$(CASE) -system=$(SYSTEM) -rounds=$(or $(ROUNDS),0) -seconds=$(or $(LENGTH),0) -perf=$(PERF)
else
	$(GO) test -count=1 -v -timeout=90m -run=TestBench ./test/bench -set=$(or $(SET),standard) -system=$(SYSTEM) -rounds=$(or $(ROUNDS),0) $(if $(SET),,-within=12m30s) -write=$(CURDIR)/docs/benchmarks.md
endif

.PHONY: generate
generate: ## write generated files anew
	$(GO) generate ./...
	$(GO) test -run TestDependenciesAreListed ./internal/lint -update

.PHONY: lint
lint: ## vet, linters, formatting, house rules
	@$(SUITE) lint

.PHONY: fmt
fmt: ## format the tree
	$(GOLANGCI) fmt

.PHONY: vuln
vuln: ## look for known vulnerabilities (needs the vulnerability database)
	$(TOOL) govulncheck ./...

.PHONY: clean
clean: ## remove build/
	rm -rf build
