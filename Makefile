# Every command that developers and CI run; `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

KEYS ?= 10000
bench: KEYS = 1000000
KILLS ?= 200
SEEDS ?= 10000
SEED ?= 1
FUZZTIME ?= 10s
BENCH ?= .
SEALING ?= on
ONLY ?=
# What takes longest begins first.
TEST ?= ./tests/operations ./tests/e2e ./tests/cluster ./tests/ways ./tests/cards ./...

# How many packages are tested at once: clusters wait more than they work.
PACKAGES ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

# raft and memberlist report to one metrics module with this tag, and to two without it.
TAGS := -tags hashicorpmetrics
GO_TOOL := go tool -modfile=scripts/tools.mod

# No stamp of the version control: a build depends on the sources alone.
export GOFLAGS ?= -buildvcs=false
# Programs with the race detector wait for a second before they end, unless they are told not to.
export GORACE ?= atexit_sleep_ms=0

# Released programs link no C (smart cards need it: make cards), and erase what they used of a key (runtime/secret). Lint and demo take the same settings,
# so that they share what is compiled.
RELEASE := CGO_ENABLED=0 GOEXPERIMENT=runtimesecret GOFLAGS="$(GOFLAGS) -trimpath"
WITH_CARDS := CGO_ENABLED=1 GOEXPERIMENT=runtimesecret GOFLAGS="$(GOFLAGS) -trimpath"

.DEFAULT_GOAL := help
.PHONY: help deps build cards test test-kills e2e ways keep lint demo model sim mutants chaos leak-test leak-proof up down fuzz bench ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what the machine lacks (as root), or name it
	@bash scripts/deps.sh

build: ## build bin/tumbler
	$(RELEASE) go build $(TAGS) -o bin/tumbler ./cli/tumbler

cards: ## build bin/tumbler-cards, the same with smart cards (links C)
	$(WITH_CARDS) go build $(TAGS) -o bin/tumbler-cards ./cli/tumbler

test: deps ## run all tests with the race detector (TEST=./fsm/... for some)
	CGO_ENABLED=1 go build -race $(TAGS),holdpoints -o bin/tumbler-race ./cli/tumbler
	CGO_ENABLED=0 go build $(TAGS),holdpoints -o bin/tumbler-points ./cli/tumbler
	CGO_ENABLED=1 TUMBLER_BINARY=$(CURDIR)/bin/tumbler-race TUMBLER_BINARY_WITHOUT_RACE_DETECTOR=$(CURDIR)/bin/tumbler-points \
		go test -race $(TAGS) -timeout 20m -p $(PACKAGES) $(TEST)

test-kills: ## kill every role in every state of a rotation, and show a line for each; and a restore at each of its steps
	CGO_ENABLED=0 go test $(TAGS) -count 1 -timeout 60m -v ./tests/kills -every
	CGO_ENABLED=0 go test $(TAGS) -count 1 -timeout 20m -run '^TestARestoreIsKilledAtEachOfItsSteps$$' ./tests/operations -every

e2e: deps ## whole ceremonies by prompts alone, and transcripts of every command and every refusal
	CGO_ENABLED=0 go test $(TAGS) -count 1 -timeout 20m -v ./tests/e2e

ways: deps ## replace the master key by recovery units, key parts in files and on smart cards, with KEYS=10000 and none lost
	CGO_ENABLED=1 go test $(TAGS) -count 1 -timeout 30m -v ./tests/ways -keys $(KEYS)

keep: ## write the data directories of this release for tests/upgrade (NAME=0.1.0)
	CGO_ENABLED=0 go test $(TAGS) -count 1 -run '^TestKeep$$' ./tests/upgrade -args -keep $(CURDIR)/tests/upgrade/testdata/$(NAME).tar.gz

lint: ## check format, and lint (go vet included)
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then printf 'not in the format of gofmt:\n%s\n' "$$unformatted" >&2; exit 1; fi
	lint=$$($(RELEASE) $(GO_TOOL) -n golangci-lint); \
	$(RELEASE) "$$lint" run ./...; \
	$(WITH_CARDS) "$$lint" run ./cli/... ./tests/cards/... ./tests/softhsm/...

demo: build ## rotate the master key of a cluster of five processes (KEYS=10000)
	@$(RELEASE) go run $(TAGS) ./tests/demo -keys $(KEYS)

model: deps ## visit every state of the model of a rotation, see planted bugs found, and runs of the code replayed
	@go test $(TAGS) -count 1 -timeout 30m -v ./tests/model -whole
	@go test $(TAGS) -count 1 -timeout 30m -v -run TestTheModel ./tests/sim -whole

sim: ## rotate in SEEDS=10000 simulated clusters, from SEED=1 on, under every fault; a JSON object at the end
	@CGO_ENABLED=0 go build $(TAGS) -o bin/sim ./tests/sim
	@bin/sim -seeds $(SEEDS) -seed $(SEED)

mutants: deps ## plant bugs, one at a time, and see the suite catch each (ONLY=regexp for some)
	@$(RELEASE) go run $(TAGS) ./tests/mutants -only '$(ONLY)'

chaos: deps ## kill, stop and cut off nodes under load until KILLS=200 have died, by SEED=1 (ONLY=kill: one fault; as root)
	@CGO_ENABLED=0 go build $(TAGS),holdpoints -o bin/tumbler-points ./cli/tumbler
	@CGO_ENABLED=0 go build $(TAGS) -o bin/chaos ./tests/chaos
	@bin/chaos -kills $(KILLS) -seed $(SEED) -only "$(ONLY)"

leak-test: deps build cards ## search the disks, connections and memory of a whole demo for planted keys (SEALING=off must fail)
	@$(RELEASE) go test $(TAGS) -count=1 -timeout 10m -v ./tests/leak -run '^TestNoKeyIsFound$$' \
		-args -sealing=$(SEALING) -released=$(CURDIR)/bin/tumbler -cards=$(CURDIR)/bin/tumbler-cards

leak-proof: ## see that search find keys everywhere on a build that seals and erases nothing
	@bash scripts/leak-proof.sh

up: build ## start a cluster on this machine
	@scripts/dev-cluster.sh up

down: ## stop it
	@scripts/dev-cluster.sh down

fuzz: ## run every fuzz test for FUZZTIME=10s each
	@bash scripts/fuzz.sh $(FUZZTIME)

bench: build ## measure a rotation beside the bare pipeline (KEYS=1000000)
	$(RELEASE) go build $(TAGS) -o bin/bench ./tests/bench
	bin/bench -keys $(KEYS)

micro: ## run the benchmarks of packages (BENCH=regexp for some)
	go test $(TAGS) -run '^$$' -bench '$(BENCH)' -benchmem ./...

ci: lint test demo leak-test leak-proof ## what must pass before a change lands
	@$(RELEASE) go run $(TAGS) ./tests/mutants -short
	@$(MAKE) chaos KILLS=10
	@$(MAKE) bench KEYS=50000
