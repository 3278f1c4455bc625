# One entry for people and CI. Everything builds as Release, so that tests, packages and benchmarks share one build.
.PHONY: build test check bench pack approve

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

pack:
	dotnet pack -c Release -o artifacts/package/release

# Rewrites the approved public surfaces; the diff of tests/**/__snapshots__ is then what to look at.
approve: build
	PROXYKIT_APPROVE=1 dotnet test -c Release --no-build --project tests/ProxyKit.Architecture.Tests
