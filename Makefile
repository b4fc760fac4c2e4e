# What there is to make: `make` alone prints it.

GO       ?= go
BIN      := bin
COMMANDS := busd buspub bussub

.PHONY: help
help:
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the commands into bin/, each a file that needs nothing else
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ $(addprefix ./cmd/,$(COMMANDS))

.PHONY: demo
demo: build ## see messages of this host's own live data flow, 12 seconds
	$(GO) build -o $(BIN)/demo ./test/demo
	@$(BIN)/demo

.PHONY: test
test: ## run all tests: units, examples, and real processes that are killed and stopped
	$(GO) test ./...

.PHONY: examples
examples: ## test the programs in examples/, a module that uses the bus as any other would
	cd examples && test -z "$$(gofmt -l .)" && $(GO) vet ./... && $(GO) test ./...

.PHONY: race
race: ## run the tests under the race detector
	$(GO) test -race $$($(GO) list ./... | grep -v -e /test/ -e /cmd/) ./test/misuse

.PHONY: check
check: ## formatting, vet for both architectures, staticcheck, generated and unsafe code in their places
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags faults ./...
	GOARCH=arm64 $(GO) vet ./...
	$(GO) tool staticcheck ./...
	test/checkunsafe.sh

.PHONY: arm64
arm64: ## build everything for linux/arm64
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build ./...

.PHONY: arm64-test
arm64-test: ## run the tests of layout, sysvsem, sysvshm, sysvmsg, ring and bus on an emulated arm64 machine (CPUS="cortex-a72 max")
	test/vm/run.sh arm64 $(CPUS)

.PHONY: oldkernel-test
oldkernel-test: ## run the same tests on Linux 5.10, in an emulated machine
	test/vm/run.sh oldkernel

.PHONY: model
model: ## check the protocol's models exhaustively, and that broken variants are caught (needs spin and a C compiler)
	ring/model/run.sh
	$(GO) test -count=1 ./ring/model/litmus

.PHONY: model-full
model-full: ## the same with larger configurations (4 GB, a few minutes more)
	ring/model/run.sh full

.PHONY: faults
faults: ## kill, stop and stall a process at every step of every protocol (SHMBUS_FAULTS=all: in every scenario that comes by)
	@mkdir -p $(BIN)
	$(GO) test -tags faults -c -o $(BIN)/faults ./test/process
	@cd test/process && ../../$(BIN)/faults -test.run '^TestFaults'

.PHONY: chaos
chaos: ## kill, stop and start dozens of processes at random and check every message (KILLS, default 10000, or DURATION; SEED)
	@mkdir -p $(BIN)
	$(GO) build -tags faults -o $(BIN)/chaos ./test/chaos
	@$(BIN)/chaos -kills $(or $(KILLS),10000) -duration $(or $(DURATION),0) $(if $(SEED),-seed $(SEED))

.PHONY: misuse
misuse: ## use buses wrongly from ten processes of sixteen and check that the others lose nothing (DURATION, default 1m; SEED)
	$(GO) test ./test/misuse -count 1 -timeout 0 -v -run Misuse -misuse.duration $(or $(DURATION),1m) $(if $(SEED),-misuse.seed $(SEED))

.PHONY: corrupt
corrupt: ## overwrite words of live buses under running processes (MUTATIONS, default 1000000; SEED)
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/corrupt ./test/corrupt
	@$(BIN)/corrupt -mutations $(or $(MUTATIONS),1000000) $(if $(SEED),-seed $(SEED))

.PHONY: scale
scale: ## measure wake-ups, deaths, joins, new topics and status with up to 1,000 clients asleep (CLIENTS=1,10,…)
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/scale ./test/scale
	@$(BIN)/scale $(if $(CLIENTS),-clients $(CLIENTS))

.PHONY: mutate
mutate: ## take protections out of a copy of the tree, one at a time, and see a test fail (QUICK=1: a few of them; ONLY=WORD)
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/mutate ./test/mutate
	@$(BIN)/mutate $(if $(QUICK),-quick) $(if $(ONLY),-only "$(ONLY)")

.PHONY: fuzz
fuzz: ## fuzz each target for FUZZTIME (default 10s)
	test/fuzz.sh $(or $(FUZZTIME),10s)

.PHONY: pipe
pipe: build ## send a file of LINES JSON lines (default 5000000) through the bus and compare what comes out
	test/pipe.sh $(or $(LINES),5000000)

.PHONY: bench
bench: build $(BIN)/bench ## compare the bus with what the hardware allows and with other ways between processes, and say what load there was (ONLY=TABLE,…)
	@$(BIN)/bench tables $(if $(ONLY),-only $(ONLY))

.PHONY: bench-full
bench-full: build $(BIN)/bench ## the same with more sizes and rounds, and its results in bin/bench.json, charts in bin/plots
	@$(BIN)/bench tables -full -json $(BIN)/bench.json $(if $(ONLY),-only $(ONLY))
	@$(BIN)/bench plot $(BIN)/bench.json $(BIN)/plots

.PHONY: bench-test
bench-test: $(BIN)/bench ## test the benchmarks themselves: that a bus which cheats gets no figure
	cd test/bench && test -z "$$(gofmt -l .)" && $(GO) vet ./... && $(GO) test -p 1 ./... && $(GO) test -race ./library
	@cp test/bench/typed/generated_msgp.go $(BIN)/generated_msgp.go.was
	cd test/bench && $(GO) generate ./typed && cmp typed/generated_msgp.go ../../$(BIN)/generated_msgp.go.was

.PHONY: bench-race
bench-race: ## run what the benchmarks measure under the race detector (but 10,000 topics and single steps, which are too slow there)
	cd test/bench && $(GO) test -race -p 1 -timeout 30m -skip "TestTables/(skip|steps)" ./...

.PHONY: bench-go
bench-go: ## time publishing and receiving in one process
	$(GO) test -run '^$$' -bench . -benchmem ./ring ./bus

.PHONY: $(BIN)/bench
$(BIN)/bench:
	@mkdir -p $(BIN)
	cd test/bench && $(GO) build -o ../../$(BIN)/bench . && $(GO) build -o ../../$(BIN)/bench-nats ./natsserver

.PHONY: charts
charts: ## draw the charts in docs/img from the tables beside them
	$(GO) run ./test/docs/charts .

.PHONY: recording
recording: build ## record the demo as docs/img/demo.svg (needs Python 3 with venv, and the network once)
	$(GO) build -o $(BIN)/demo ./test/demo
	docs/img/record.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN)
