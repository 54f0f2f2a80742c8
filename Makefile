# The commands of this checkout. Each one first sets up what it needs and says what that is;
# without root it prints the apt-get line that is missing instead.
#
#   make demo [KEEP=1]      three daemons on this machine, edits travelling between them
#   make test [ARGS=...]    gates, a minute of fuzzing, failover, random schedules, then the suite on the newest PyPI releases and on Debian's packages
#   make test-venv          the suite on the newest PyPI releases only
#   make test-debian        the suite on /usr/bin/python3 with Debian's packages only
#   make failover           four gateways in containers, broken in every way (docker-compose.yml)
#   make fuzz [SECONDS=60]  feed all parsers what they have never seen
#   make check              lint, format, types, import contracts, generated code
#   make proto              generate pmgsync/wire/v1 from proto/
#   make bench              propagation times, printed as a table
#   make clean              remove everything that these commands made
#
# ARGS is passed to pytest: make test-venv ARGS="-k envelope -x"

MAKEFLAGS += --no-print-directory
ARGS ?=
KEEP ?=
SECONDS ?= 60

.PHONY: help demo test test-venv test-debian failover fuzz check proto bench clean

help:
	@sed -n 's/^# \{0,1\}//; /make /p' Makefile | sed '/Makefile/d'

demo:
	@scripts/setup runtime
	@PYTHONPATH=. "$$(cat .build/python)" demo/demo.py $(if $(filter-out 0 no,$(KEEP)),--keep)

bench:
	@scripts/setup runtime
	@PYTHONPATH=. "$$(cat .build/python)" bench/propagation.py $(ARGS)

test:
	@scripts/setup venv fuzz debian docker
	@PROFILES=systemd scripts/test check fuzz failover schedules venv debian -- $(ARGS)

test-venv:
	@scripts/setup venv
	@scripts/test venv -- $(ARGS)

test-debian:
	@scripts/setup debian
	@scripts/test debian -- $(ARGS)

failover:
	@scripts/setup venv docker
	@scripts/failover $(ARGS)

fuzz:
	@scripts/setup venv fuzz
	@scripts/fuzz $(SECONDS)

check:
	@scripts/setup venv debian
	@scripts/check

proto:
	@scripts/setup debian
	@scripts/proto

clean:
	rm -rf .venv .build build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find pmgsync tests demo bench fuzz -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
