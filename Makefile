# Everything that can be built, checked and measured. `make test` is what continuous integration
# runs; each step can also be called alone. Tools that are missing are installed by scripts/need,
# which says so; one that cannot be installed fails the step and is named. Nothing is skipped in
# silence.

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

CARGO        ?= cargo
NIGHTLY      ?= nightly
CONFORMANCE  ?= part
FUZZ_SECONDS ?= 600
MINUTES      ?=
WORKS        ?= all
# Tests are optimised but keep their assertions, and share one build: see Cargo.toml.
TEST         := $(CARGO) test --profile checked --locked
export NIGHTLY CARGO
export PATH := $(CURDIR)/.cache/bin:$(PATH)

# In the order in which a mistake is found soonest. STEPS="fmt clippy" runs just those.
STEPS ?= fmt tidy clippy unit costs sim it abuse loom benches-build instructions deny compare-check \
         interop api front client browser conformance-$(CONFORMANCE) fuzz-smoke

BINARY := target/release/fanwire
PICTURES := gallery-desktop chat-desktop ticker-desktop map-dark stream-desktop quiz-phone \
            auction-phone device-phone
COMPARE := benches/compare/Cargo.toml

.PHONY: help test build fmt tidy clippy unit costs it abuse sim loom benches-build instructions deny \
        compare compare-quick compare-check interop api front client browser conformance conformance-all \
        conformance-part conformance-off fuzz fuzz-smoke bench bench-codec screenshots clean

help: ## This list.
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## All steps; CONFORMANCE=off leaves Autobahn out and says so, CONFORMANCE=all runs all of it.
	@scripts/steps $(STEPS)

build: ## The binary, as it is shipped: target/release/fanwire.
	$(CARGO) build --release --locked

fmt: ## Formatting.
	@scripts/need rust
	$(CARGO) fmt --check

tidy: ## Our own rules of style and architecture: tests/tidy.rs.
	@scripts/need rust
	$(TEST) --test tidy

clippy: ## Lints, warnings being errors.
	@scripts/need rust
	$(CARGO) clippy --locked --all-targets -- -D warnings

unit: ## Tests beside the code, tables, properties.
	@scripts/need rust
	$(TEST) --lib
	$(TEST) --doc

it: ## Integration: the real binary over real sockets.
	@scripts/need rust
	$(TEST) --test it

abuse: ## Load and attack, thousands of clients; MINUTES=30: full sizes, and so long a soak.
	@scripts/need rust slowhttptest
	MINUTES=$(MINUTES) $(TEST) --test abuse -- --nocapture

costs: ## Exact costs: system calls, allocations, heap bytes, bytes on the wire; no clock.
	@scripts/need rust
	$(TEST) --test costs

sim: ## Simulation: hundreds of seeds with faults. FANWIRE_SEED replays one.
	@scripts/need rust
	$(TEST) --test sim

loom: ## Every interleaving of mailbox and wake.
	@scripts/need rust
	RUSTFLAGS="--cfg loom" $(TEST) --test loom --target-dir target/loom

benches-build: ## The benchmarks compile.
	@scripts/need rust
	$(CARGO) bench --profile checked --locked --no-run

instructions: ## Instructions per delivery, echo and handshake, by callgrind, held to bounds.
	@scripts/need rust valgrind
	$(CARGO) bench --locked --bench instructions

deny: ## Licences, sources and bans of the dependencies.
	@scripts/need cargo-deny
	$(CARGO) deny --locked check bans licenses sources

compare: ## Fanwire, its peers and the floors side by side; docs/benchmarks.md. WORKS="echo-1 idle"
	@scripts/need rust
	$(CARGO) run --release --locked --manifest-path $(COMPARE) -- $(WORKS)

compare-quick: ## A few rounds of Fanwire against the floor; changes no document.
	@scripts/need rust
	$(CARGO) run --release --locked --manifest-path $(COMPARE) -- fanout-1k burst-128 echo-1 echo-16 \
	  --servers floor,fanwire --rounds 5 --results target/compare/quick

compare-check: build ## The comparison's own tests, and one round of it.
	@scripts/need rust
	$(CARGO) fmt --check --manifest-path $(COMPARE)
	$(CARGO) clippy --locked --all-targets --manifest-path $(COMPARE) -- -D warnings
	$(CARGO) test --locked --manifest-path $(COMPARE)
	benches/compare/target/debug/compare fanout-1k --no-build --strict --servers floor,fanwire \
	  --connections 50 --rounds 1 --slice 200ms --results target/compare/check

interop: build ## Node ws, Python websockets and curl against the real binary.
	@scripts/need node npm venv curl
	tests/interop/run $(BINARY)

api: build ## The HTTP API against its description: schemathesis, in open mode and with API keys.
	@scripts/need venv
	tests/api/run $(BINARY)

front: build ## 5,000 WebSockets through nginx, with deploy/nginx.conf, by TCP and by unix socket.
	@scripts/need node npm nginx openssl
	tests/front/run $(BINARY)

client: build ## The client library: logic, package, and cut off 100 times in Chromium.
	@scripts/need node npm chromium
	client/test/run $(BINARY)

browser: build ## The live page and the demos in Chromium.
	@scripts/need node npm chromium
	tests/browser/run $(BINARY)

screenshots: build ## The pictures in docs/images, made from the running demos.
	@scripts/need node npm chromium
	tests/browser/run --pictures docs/images $(BINARY) $(PICTURES)

conformance: build ## Autobahn, all 517 cases; a few minutes.
	@scripts/need venv
	tests/conformance/run $(BINARY)

conformance-part: build ## Autobahn, a representative part; about a minute.
	@scripts/need venv
	tests/conformance/run --part $(BINARY)

conformance-all: conformance

conformance-off:
	@echo "conformance was NOT run: CONFORMANCE=off"

fuzz: ## Each fuzz target for FUZZ_SECONDS (600).
	@scripts/need cargo-fuzz
	scripts/fuzz $(FUZZ_SECONDS)

fuzz-smoke: ## Each fuzz target for ten seconds.
	@scripts/need cargo-fuzz
	scripts/fuzz 10

bench: ## All benchmarks; takes long and wants a quiet machine.
	@scripts/need rust
	$(CARGO) bench --locked

bench-codec: ## The codec beside its peers; two minutes, written to benches/compare/results/codec.*.
	@scripts/need rust
	FANWIRE_WRITE=1 $(CARGO) bench --locked --bench codec

clean: ## Removes what was built, but not the tools in .cache.
	$(CARGO) clean
	rm -rf benches/compare/target fuzz/target tests/browser/node_modules tests/interop/node_modules \
	  client/node_modules client/dist
