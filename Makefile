# One entry for people and CI. Everything builds as Release, so that tests, packages and benchmarks share one build.
.PHONY: build test check bench failover matrix pack approve

build:
	dotnet build -c Release

test:
	dotnet test -c Release

check: build
	dotnet format --verify-no-changes --no-restore
	dotnet test -c Release --no-build

# Side by side with nginx, HAProxy and YARP: make bench BENCH="--loads 128,4k --rounds 8"; --help says more.
bench: build
	bench/sidebyside/run.py $(BENCH)

# The story of failover beside nginx and YARP: make failover FAILOVER="--seconds 6 --only proxykit"; --help says more.
failover: build
	dotnet run --no-build -c Release --project samples/Failover -- --markdown bench/results/failover.md $(FAILOVER)

# The failure matrix in full, MATRIX seconds of load for each row; its table ends up in artifacts/matrix.md.
matrix: MATRIX ?= 30
matrix: build
	@printf '| row | fault | run | sent | failed: GET not begun | POST | cut | spoiled | POST twice | attempts − sent | p50 ms | p95 | p99 | p99.9 |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n' > artifacts/matrix.md
	PROXYKIT_MATRIX=$(MATRIX) PROXYKIT_MATRIX_RESULTS=$(CURDIR)/artifacts/matrix.md dotnet test -c Release --no-build --project tests/ProxyKit.FailureMatrix.Tests; code=$$?; cat artifacts/matrix.md; exit $$code

pack:
	dotnet pack -c Release -o artifacts/package/release

# Rewrites the approved public surfaces; the diff of tests/**/__snapshots__ is then what to look at.
approve: build
	PROXYKIT_APPROVE=1 dotnet test -c Release --no-build --project tests/ProxyKit.Architecture.Tests
