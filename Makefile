# What there is to make: `make` alone prints it.

GO       ?= go
BIN      := bin
COMMANDS := busd buspub bussub

.PHONY: help
help:
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the commands into bin/, static files
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ $(addprefix ./cmd/,$(COMMANDS))

.PHONY: demo
demo: build ## show this host's own live data on a bus, 12 seconds
	$(GO) build -o $(BIN)/demo ./test/demo
	@$(BIN)/demo

.PHONY: test
test: ## run all tests, with real processes and real kills
	$(GO) test ./...

.PHONY: examples
examples: ## test the programs in examples/, a module that uses the bus as any other would
	cd examples && test -z "$$(gofmt -l .)" && $(GO) vet ./... && $(GO) test ./...

.PHONY: rename
rename: ## give the module another path, in everything that git tracks (MODULE=example.org/x/shmbus)
	@$(GO) run ./test/rename "$$MODULE"

.PHONY: rename-test
rename-test: ## rename a copy of the last commit, build, vet and test it, and rename it back
	test/rename/try.sh

.PHONY: race
race: ## run the tests under the race detector
	$(GO) test -race $$($(GO) list ./... | grep -v -e /test/ -e /cmd/) ./test/misuse

# check: vet for both architectures and with the tag faults.
.PHONY: check
check: ## formatting, vet, staticcheck, unsafe code in its places
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags faults ./...
	GOARCH=arm64 $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(GO) tool staticcheck ./...
	test/checkunsafe.sh

.PHONY: arm64
arm64: ## build everything for linux/arm64
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build ./...

# arm64-test: layout, sysvsem, sysvshm, sysvmsg, ring and bus; CPUS="cortex-a72 max" chooses the processors.
.PHONY: arm64-test
arm64-test: ## run kernel-dependent tests on emulated arm64 (CPUS=…)
	test/vm/run.sh arm64 $(CPUS)

.PHONY: oldkernel-test
oldkernel-test: ## run the same tests on Linux 5.10, emulated
	test/vm/run.sh oldkernel

# model: broken variants of the protocol must be caught, too.
.PHONY: model
model: ## check the models exhaustively (needs spin, a C compiler)
	ring/model/run.sh
	$(GO) test -count=1 ./ring/model/litmus

.PHONY: model-full
model-full: ## the same, larger configurations (4 GB, some minutes)
	ring/model/run.sh full

# faults: SHMBUS_FAULTS=all strikes in every scenario that reaches a step, not in the first alone.
.PHONY: faults
faults: ## kill, stop and stall a process at every step
	@mkdir -p $(BIN)
	$(GO) test -tags faults -c -o $(BIN)/faults ./test/process
	@cd test/process && ../../$(BIN)/faults -test.run '^TestFaults'

# chaos: KILLS, default 10000, or DURATION; SEED repeats the choices.
.PHONY: chaos
chaos: ## kill processes at random, check every message (KILLS, SEED)
	@mkdir -p $(BIN)
	$(GO) build -tags faults -o $(BIN)/chaos ./test/chaos
	@$(BIN)/chaos -kills $(or $(KILLS),10000) -duration $(or $(DURATION),0) $(if $(SEED),-seed $(SEED))

# misuse: ten processes of sixteen, for DURATION, default 1m.
.PHONY: misuse
misuse: ## use buses wrongly: the others lose nothing (DURATION, SEED)
	$(GO) test ./test/misuse -count 1 -timeout 0 -v -run Misuse -misuse.duration $(or $(DURATION),1m) $(if $(SEED),-misuse.seed $(SEED))

# corrupt: MUTATIONS, default 1000000.
.PHONY: corrupt
corrupt: ## overwrite words of live buses (MUTATIONS, SEED)
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/corrupt ./test/corrupt
	@$(BIN)/corrupt -mutations $(or $(MUTATIONS),1000000) $(if $(SEED),-seed $(SEED))

# scale: wake-ups, deaths, joins, new topics and status.
.PHONY: scale
scale: ## measure with up to 1,000 clients asleep (CLIENTS=1,10,…)
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/scale ./test/scale
	@$(BIN)/scale $(if $(CLIENTS),-clients $(CLIENTS))

# mutate: in a copy of the tree, one protection at a time.
.PHONY: mutate
mutate: ## take protections out: a test must fail (QUICK=1, ONLY=WORD)
	@mkdir -p $(BIN)
	$(GO) build -o $(BIN)/mutate ./test/mutate
	@$(BIN)/mutate $(if $(QUICK),-quick) $(if $(ONLY),-only "$(ONLY)")

.PHONY: fuzz
fuzz: ## fuzz each target for FUZZTIME (default 10s)
	test/fuzz.sh $(or $(FUZZTIME),10s)

# pipe: LINES, default 5000000.
.PHONY: pipe
pipe: build ## send LINES JSON lines through the bus and compare
	test/pipe.sh $(or $(LINES),5000000)

# bench: says what load there was as well.
.PHONY: bench
bench: build $(BIN)/bench ## compare with the hardware and other ways (ONLY=TABLE,…)
	@$(BIN)/bench tables $(if $(ONLY),-only $(ONLY))

# bench-full: results in bin/bench.json.
.PHONY: bench-full
bench-full: build $(BIN)/bench ## the same, more sizes and rounds; charts in bin/plots
	@$(BIN)/bench tables -full -json $(BIN)/bench.json $(if $(ONLY),-only $(ONLY))
	@$(BIN)/bench plot $(BIN)/bench.json $(BIN)/plots

.PHONY: bench-test
bench-test: $(BIN)/bench ## test the benchmarks: a bus that cheats gets no figure
	cd test/bench && test -z "$$(gofmt -l .)" && $(GO) vet ./... && $(GO) test -p 1 ./... && $(GO) test -race ./library
	@cp test/bench/typed/generated_msgp.go $(BIN)/generated_msgp.go.was
	cd test/bench && $(GO) generate ./typed && cmp typed/generated_msgp.go ../../$(BIN)/generated_msgp.go.was

# bench-race: without 10,000 topics and single steps, which are too slow there.
.PHONY: bench-race
bench-race: ## run what the benchmarks measure under the race detector
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

# recording: needs venv, and the network once. Use a quiet machine.
.PHONY: recording
recording: build ## record the demo as docs/img/demo.svg (needs Python 3)
	$(GO) build -o $(BIN)/demo ./test/demo
	docs/img/record.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN)
