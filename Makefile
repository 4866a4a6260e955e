# The commands of this repository. `make demo` and `make test` set up what they need.
#
#   make env     the environment, from pinned requirements (Python 3.11 or newer and make are all it takes)
#   make demo    imports real images, builds a pyramid, reads it back and leaves a picture in demo-output/
#   make test    the tests, without those marked long, peer, system or faults; TESTS=all runs all of them
#   make faults  only those that kill processes, fill disks and damage files
#   make check   lint, types, and the tests of what differs from main (BASE=... for another branch)
#   make format  sorts imports and lays out code as `make lint` wants it
#   make lint types docs bench lock   what their names say

PYTHON ?= python3
TESTS ?= quick
PYTEST_ARGS ?=
BASE ?= main
BIN := .venv/bin
PEER := .cache/peer
PEER_VOLUMES := .cache/peer-volumes
PEER_NOTEBOOK := .cache/peer-notebook
AZURITE := .cache/azurite
PROJECTS := pyproject.toml $(wildcard plugins/*/pyproject.toml)
MYPY_PATHS := wkplug $(wildcard plugins/*/src examples/*/src)

ifeq ($(TESTS),all)
MARKS :=
TEST_NEEDS := env peer peer-volumes peer-notebook azurite
else
MARKS := -m "not long and not peer and not system and not faults"
TEST_NEEDS := env
endif

.PHONY: env peer peer-volumes peer-notebook azurite demo test faults check format lint types docs bench lock clean

env: .venv/.installed
.venv/.installed: requirements.txt $(PROJECTS)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	touch $@

# The webknossos package, which this project is compared with, lives in an environment of its own.
peer: $(PEER)/.installed
$(PEER)/.installed:
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet --disable-pip-version-check 'webknossos[numba,tifffile]==4.3.3' 's3fs==2026.9.0'
	touch $@

# Those who read and write the containers that are exported and imported here: heavy, and with pins of their own.
peer-volumes: $(PEER_VOLUMES)/.installed
$(PEER_VOLUMES)/.installed:
	$(PYTHON) -m venv $(PEER_VOLUMES)
	$(PEER_VOLUMES)/bin/python -m pip install --quiet --disable-pip-version-check \
		'cloud-volume==12.15.2' 'neuroglancer==2.41.2' 'zarr==2.18.7' 'numcodecs<0.16'
	touch $@

# The kernel of a notebook, in which progress is shown.
peer-notebook: $(PEER_NOTEBOOK)/.installed
$(PEER_NOTEBOOK)/.installed:
	$(PYTHON) -m venv $(PEER_NOTEBOOK)
	$(PEER_NOTEBOOK)/bin/python -m pip install --quiet --disable-pip-version-check \
		'ipykernel==7.4.0' 'nbclient==0.11.0' 'nbformat==5.11.1'
	touch $@

# Azure's blob storage in one process, for tests that skip without; npm is no need of anything else.
azurite: $(AZURITE)/.installed
$(AZURITE)/.installed:
	mkdir -p $(AZURITE)
	if command -v npm >/dev/null; then \
		timeout 300 npm install --silent --no-audit --no-fund --prefix $(AZURITE) azurite@3.35.0 \
			|| echo "azurite can't be installed: tests of az:// are skipped."; \
	else echo "There is no npm: tests of az:// are skipped."; fi
	touch $@

demo: env
	$(BIN)/python tools/demo.py

test: $(TEST_NEEDS)
	$(BIN)/python -m pytest -n 2 --dist loadfile $(MARKS) $(PYTEST_ARGS)

faults: env
	WKPLUG_TEST_KILLS=all $(BIN)/python -m pytest -m faults $(PYTEST_ARGS)

check: lint types
	$(BIN)/python tools/check.py $(BASE) $(MARKS) $(PYTEST_ARGS)

format: env
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: env
	$(BIN)/python tools/mypy_path.py
	$(BIN)/mypy $(MYPY_PATHS)

docs: env
	$(BIN)/mkdocs build --strict --quiet --site-dir build/docs

bench: env peer
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python benchmarks/run.py

# An environment that is there may be older than what is to be locked: it only has to have the resolver.
lock:
	test -x $(BIN)/uv || $(MAKE) env
	$(BIN)/python tools/mypy_path.py
	$(BIN)/python tools/lock.py

clean:
	rm -rf .venv .cache demo-output build .mypy_cache .ruff_cache .pytest_cache
