# Every target works in a clean clone: it sets up what it needs first.
SHELL := bash
# What a build that failed has left does not count as built.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# May be changed on the command line or by the environment.
RATE ?= 100
BURST_RATE ?= 500
BURST_INTERVAL ?= 60
BURST_DURATION ?= 10

# Compiles the benchmarks, and runs the one of that name on the system's server.
define bench
npx tsc -p tsconfig.bench.json
NATS_SERVER="$$(scripts/nats-server.sh)" node .cache/bench/bench/$(1).js
endef

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install the npm packages, and find or fetch a nats-server
	@scripts/setup.sh
	@server="$$(scripts/nats-server.sh)" && echo "nats-server: $$server"

.PHONY: build
build: dist/index.js ## Compile to dist/

# Not while nothing has changed: several of these may run side by side, from the same files.
dist/index.js: $(shell find src) package.json package-lock.json tsconfig.json tsconfig.build.json | setup
	npm run build

.PHONY: demo
demo: build ## Show the whole system working; ends by itself
	NATS_SERVER="$$(scripts/nats-server.sh)" node dist/cli/main.js demo

.PHONY: test
test: build ## Run every test, on the system's and on the newest nats-server
	npm test

.PHONY: verify
verify: setup ## Run all gates: format, lint and boundaries, types, build, package
	npm run verify

.PHONY: bench-handover
bench-handover: build ## Measure hand-overs between processes under load: p50, p99
	$(call bench,handover)

.PHONY: bench-failover
bench-failover: build ## Measure 1,000 hand-overs, 100 crashes and 100 pauses (9 minutes)
	$(call bench,failover)

.PHONY: bench
bench: build ## Compare docktor with nats.js on both servers, and write docs/benchmarks.md (an hour)
	npx tsc -p tsconfig.bench.json
	server="$$(scripts/nats-server.sh)"; newest="$$(scripts/newest-nats-server.sh)"; \
	for each in "$$server" "$$newest"; do \
	  version="$$("$$each" --version | sed 's/.*v//')"; \
	  NATS_SERVER="$$each" COMPARE=all RESULTS="bench/results/throughput-$$version.json" \
	    node .cache/bench/bench/throughput.js || exit 1; \
	  NATS_SERVER="$$each" RESULTS="bench/results/latency-$$version.json" \
	    node .cache/bench/bench/latency.js || exit 1; \
	done
	node .cache/bench/bench/report.js

.PHONY: bench-quick
bench-quick: build ## Compare docktor with nats.js, for a first idea (90 seconds)
	npx tsc -p tsconfig.bench.json
	NATS_SERVER="$$(scripts/nats-server.sh)" ROUNDS=3 SECONDS=1 node .cache/bench/bench/throughput.js

# Installed beside, and gone with the next npm ci: nothing of docktor's needs them.
PEERS := bullmq@6.7.0 ioredis@6.0.0 amqplib@2.3.1

.PHONY: bench-peers
bench-peers: build ## Compare docktor with BullMQ and RabbitMQ, where their servers are installed (5 minutes)
	npm install --no-save --no-audit --no-fund $(PEERS)
	npx tsc -p tsconfig.bench.json
	NATS_SERVER="$$(scripts/newest-nats-server.sh)" RESULTS=bench/results/peers.json node .cache/bench/bench/peers.js
	node .cache/bench/bench/report.js

.PHONY: bench-guard
bench-guard: build ## Fail if docktor has come to need more processor time than recorded (2 minutes)
	$(call bench,guard)

.PHONY: bench-latency
bench-latency: build ## Measure the way from producer to handler at a steady pace, beside nats.js (2 minutes)
	$(call bench,latency)

.PHONY: bench-coordination
bench-coordination: build ## Measure joins, leaves, crashes and traffic, up to 1,024 partitions and 64 members (10 minutes)
	$(call bench,coordination)

.PHONY: bench-scaling
bench-scaling: setup ## Compare scaling policies in the simulator, and write docs/scaling-policy.md (40 minutes)
	npx tsc -p tsconfig.bench.json
	node .cache/bench/bench/scaling.js
	npx biome format --write bench/results/scaling.json
	node .cache/bench/bench/scaling-report.js

.PHONY: churn
churn: build ## Have members come and go for MINUTES=30, and see that nothing grows or is left behind
	$(call bench,churn)

.PHONY: chaos
chaos: build ## Replay faults on a group: SEED=… or SEEDS=1..20, DURATION=30 (s), SERVERS=1|3
	npx tsc -p tsconfig.chaos.json
	NATS_SERVER="$$(scripts/nats-server.sh)" SEED="$(SEED)" SEEDS="$(SEEDS)" \
	  DURATION="$(DURATION)" SERVERS="$(SERVERS)" node .cache/chaos/test/fault/chaos/main.js

.PHONY: chaos-mutants
chaos-mutants: build ## Break the protocol's rules one by one, and see that chaos notices each
	npx tsc -p tsconfig.chaos.json
	NATS_SERVER="$$(scripts/nats-server.sh)" node .cache/chaos/test/fault/chaos/mutants-main.js

.PHONY: run-consumer
run-consumer: build ## Consume as one member of a group (more terminals: more members)
	node dist/cli/main.js consume

.PHONY: run-publisher
run-publisher: build ## Publish RATE=100 messages a second; BURST=1 adds bursts
	node dist/cli/main.js publish --rate $(RATE) $(if $(BURST),--burst-rate $(BURST_RATE) \
	  --burst-interval $(BURST_INTERVAL) --burst-duration $(BURST_DURATION))

.PHONY: scale-watch
scale-watch: build ## Scale the services of docktor.yaml, which docktor config init writes
	node dist/cli/main.js scale-watch

.PHONY: nats
nats: ## Run a local nats-server with JetStream in the foreground, data in .cache/nats
	@scripts/nats.sh

.PHONY: clean
clean: ## Remove what was built, fetched and stored here: dist, .cache
	rm -rf dist .cache
