# Everything that is done to this repository by hand or in CI is a target here.
# The comment behind a target is its line in `make help`.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
FUZZTIME ?= 10s
REPEAT   ?= 300
# Arguments for the programs that the targets of these names run.
DEMOARGS  ?=
BENCHARGS ?=
SIMARGS   ?=
FUZZARGS  ?=
SOAKARGS  ?=
TORTUREARGS ?=

# A tag v1.2.3 gives 1.2.3, five commits later 1.2.3+5.gHASH: the commits are
# build metadata, because as a pre-release they would sort before the tag.
VERSION := $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed -e 's/^v//' -e 's/-\([0-9]*\)-g/+\1.g/')
ifeq ($(VERSION),)
VERSION := 0.1.0-dev$(shell git rev-parse --short HEAD 2>/dev/null | sed -n 's/^[0-9a-f]\{4,\}$$/+g&/p')
endif

# Each folder below plugins with a main.go is a plugin of that name. Those with a
# go.mod of their own bring heavy drivers, and are built by `make heavy` only.
HEAVY    := $(patsubst plugins/%/go.mod,%,$(wildcard plugins/*/go.mod))
PLUGINS  := $(addprefix plugins/dwmon-plugin-,$(filter-out $(HEAVY),$(patsubst plugins/%/main.go,%,$(wildcard plugins/*/main.go))))

# A module of somebody else's, as far as Go knows: it has our public SDK only.
EXAMPLES := $(patsubst %/go.mod,%,$(wildcard examples/*/go.mod))

# One way of compiling for programs, tests and linters: the translated C code of
# SQLite takes minutes, and would be compiled once for each.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath

# Our Go code: .tools and whatever else lies about is not ours to format.
GO_DIRS := $(wildcard checks cmd examples internal plugins pluginsdk proto)

TOOL := $(GO) tool -modfile=internal/tools/go.mod
BUF_VERSION := 1.75.0
BUF := .tools/npm/node_modules/.bin/buf

# Under the race detector the translated C code of modernc.org/sqlite is so slow
# that tests which need it take too long: it is compiled without. It is one
# goroutine's at a time by its own locks, and those of Go are seen in it all the same.
# Not so the driver above it: it has generic code of Go's in common with other packages
# (sync.Map), of which the linker keeps one copy. Where that was compiled without, the
# detector does not see what encoding/json, say, is guarded by.
RACEFLAGS := -race -gcflags=modernc.org/sqlite/lib=-race=false -gcflags=modernc.org/libc/...=-race=false \
	-gcflags=modernc.org/memory=-race=false -gcflags=modernc.org/mathutil=-race=false

.PHONY: help
help: ## show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: bin/dwmon $(PLUGINS) ## build bin/dwmon and plugins/dwmon-plugin-*

# The go tool knows what is up to date; make does not.
.PHONY: FORCE
FORCE:

bin/dwmon: FORCE
	$(GO) build -ldflags '-s -w -X github.com/dwmon/dwmon/internal/daemon.Version=$(VERSION)' -o $@ ./cmd/dwmon

plugins/dwmon-plugin-%: FORCE
	$(GO) build -ldflags '-s -w' -o $@ ./plugins/$*

.PHONY: test
test: ## run all tests; DWMON_TEST_ALL=1 fails where a database server is missing
	$(GO) test -timeout 15m ./...
	@for module in $(EXAMPLES); do (set -x; cd $$module && $(GO) test ./...); done

# DuckDB is a C++ library.
.PHONY: heavy
heavy: ## build and test the plugins with heavy drivers: duckdb, bigquery, snowflake
	@for name in $(HEAVY); do ( \
		set -x; cd plugins/$$name; \
		if [ $$name = duckdb ]; then export CGO_ENABLED=1; fi; \
		$(GO) mod tidy -diff; $(GO) vet ./...; $(GO) test -timeout 10m ./...; \
		$(GO) build -ldflags '-s -w' -o ../dwmon-plugin-$$name . \
	); done

.PHONY: race
race: ## run all tests under the race detector
	CGO_ENABLED=1 $(GO) test $(RACEFLAGS) -timeout 30m ./...

# The tests in which goroutines meet: where one of them fails once in a hundred runs,
# a single one shows nothing.
MEETINGS := config:TestSecretsComeToBeKnown \
	engine:TestSlotReports|TestEachMinuteHasItsPass|TestAHangingSource|TestPlacesGo|TestAReloadIsTriedAtOnce \
	deliver:TestTooManyBecomeADigest|TestDigestDoesNotGrow \
	heartbeat:TestRunLogs|TestAServiceThatHangs \
	store/sqlite:TestGroupShares|TestOneFailsAlone|TestWriterOutlives|TestForeignCommits|TestProgressKeepsUp|TestReadsAreOneState|TestBackupWhile \
	pluginhost:TestPlaces|TestConcurrency|TestCloseAtAnyTime|TestCloseLetsCallsEnd|TestQuarantine \
	../pluginsdk:TestCancelMidStream|TestLimitsBoundCalls|TestDrain|TestAPanicFailsOneCall \
	../plugins/internal/bridge:TestWorkers|TestCalls|TestAWorkerThatDiesIdle|TestClose \
	../plugins/http:TestParallelFetchesShareNothing

.PHONY: repeat
repeat: ## run the tests in which goroutines meet REPEAT (300) times, under the race detector
	@for meeting in $(foreach m,$(MEETINGS),'$(m)'); do \
		echo "$${meeting%%:*} $${meeting#*:}"; \
		CGO_ENABLED=1 $(GO) test $(RACEFLAGS) -timeout 2h -count $(REPEAT) -failfast -run "^($${meeting#*:})" "./internal/$${meeting%%:*}" || exit; \
	done

.PHONY: lint
lint: ## look for mistakes: go vet, staticcheck, gofumpt
	$(GO) vet ./...
	@for module in $(EXAMPLES); do (set -x; cd $$module && $(GO) vet ./...); done
	$(TOOL) staticcheck ./...
	@unformatted=$$($(TOOL) gofumpt -l $(GO_DIRS)); \
	if [ -n "$$unformatted" ]; then printf 'not formatted; run make fmt:\n%s\n' "$$unformatted"; exit 1; fi

.PHONY: fmt
fmt: ## format the Go code and the protocol
	$(TOOL) gofumpt -w $(GO_DIRS)
	$(MAKE) --no-print-directory $(BUF)
	$(BUF) format -w

# buf comes from npm because its module would bring a hundred others into ours.
# Not `npm ci`: a lock file holds the packages of one platform only.
$(BUF):
	npm install --no-save --no-package-lock --no-audit --no-fund --prefix .tools/npm @bufbuild/buf@$(BUF_VERSION)

.PHONY: proto
proto: $(BUF) ## check and format the protocol, write its Go code anew
	$(BUF) lint
	$(BUF) format -w
	$(BUF) generate

.PHONY: verify
verify: $(BUF) ## check that generated code, formats and go.mod are up to date
	$(BUF) lint
	$(BUF) format -d --exit-code
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(BUF) generate -o "$$fresh" && \
	diff -r -x '*.proto' proto "$$fresh/proto" || { echo 'the generated code is not up to date; run make proto'; exit 1; }
	@unformatted=$$(gofmt -l $(GO_DIRS)); \
	if [ -n "$$unformatted" ]; then printf 'not formatted; run make fmt:\n%s\n' "$$unformatted"; exit 1; fi
	$(GO) mod tidy -diff
	@for module in $(EXAMPLES); do (set -x; cd $$module && $(GO) mod tidy -diff); done
	$(GO) mod verify

# The libraries by which VS Code colours text, and its grammars of SQL, JSON and
# YAML: the tests of internal/editors use them.
EDITORS := .tools/editors/node_modules/vscode-textmate
$(EDITORS):
	npm install --no-save --no-package-lock --no-audit --no-fund --prefix .tools/editors vscode-textmate@9.3.2 vscode-oniguruma@2.0.1 tm-grammars@1.32.22

.PHONY: editors
editors: $(EDITORS) ## install what the tests of the editors' grammar need

.PHONY: licences
licences: ## list the modules in the programs with their licences: docs/licences.md
	$(GO) run ./internal/licences

# What govulncheck does not know, nobody has found: a run without its database says
# nothing, and must not look like one that has found nothing.
.PHONY: vuln
vuln: ## look for known vulnerabilities in what the programs call
	@$(TOOL) govulncheck ./cmd/... ./plugins/... || { code=$$?; \
	if [ $$code -eq 3 ]; then echo 'make vuln: there are vulnerabilities; see above'; \
	else echo 'make vuln: nothing is known: govulncheck could not look. It needs its database, https://vuln.go.dev or what GOVULNDB names (a folder as file:///…)'; fi; \
	exit 1; }

.PHONY: fuzz
fuzz: ## try each fuzz target for FUZZTIME (10s)
	$(GO) run ./internal/fuzz --for $(FUZZTIME) $(FUZZARGS)

.PHONY: bench
bench: ## measure, side by side, against the numbers to reach
	$(GO) run ./internal/bench $(BENCHARGS)

.PHONY: sim
sim: ## live simulated years of dwmon, in which everything fails that can, for a minute
	$(GO) run ./internal/sim/cmd $(SIMARGS)

# Programs with a faster clock are built from Go's runtime up: the first time takes
# minutes.
.PHONY: soak
soak: ## let a real daemon live a day in an hour, with churn, and see what grows
	$(GO) run ./internal/soak/cmd $(SOAKARGS)

.PHONY: torture
torture: ## do to real processes, files and clocks of dwmon what happens to them, for half an hour
	$(GO) run ./internal/torture/cmd $(TORTUREARGS)

# Only what the demo runs: a newcomer waits for it.
.PHONY: demo
demo: bin/dwmon $(addprefix plugins/dwmon-plugin-,sqlite log retention) ## see it work: fake records that keep arriving, sample checkers, the daemon
	bin/dwmon demo $(DEMOARGS)
