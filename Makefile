# `make demo` and `make test` need only make and Python 3.11 or newer: they set up .venv themselves.
# Another Python: make test PYTHON=python3.13. Requirements are recompiled by `make lock`.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
INSTALL_SELF = $(PIP) install --no-deps --no-build-isolation -e .
REQUIREMENTS := requirements/build.txt requirements/runtime.txt requirements/dev.txt
PYTHONS := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
UV_VERSION := 0.13.9
LOCK_FLAGS ?=

DEMO := build/demo

.PHONY: help demo test bench lint checks format lock clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    write sample logs and policies, scan them, and tell what to change"
	@echo "make test    lint, then the tests with the coverage gate"
	@echo "make bench   measure the scan against other ways (20 minutes, 25 GB of disk)"
	@echo "make lint    every static check"
	@echo "make format  format the code and sort its imports"
	@echo "make lock    recompile requirements/ (see requirements/README.md)"
	@echo "make clean   remove .venv and everything built"

demo: $(VENV)/.runtime
	@rm -rf $(DEMO)
	@mkdir -p $(DEMO)
	$(BIN)/python examples/demo_org.py $(DEMO)/logs
	$(BIN)/mfagap scan $(DEMO)/logs -o $(DEMO)/sessions.jsonl --quiet
	$(BIN)/mfagap scan $(DEMO)/logs -o $(DEMO)/report.html --all --quiet
	$(BIN)/mfagap scan $(DEMO)/logs --all
	$(BIN)/mfagap investigate 102demoWithFactor --logs $(DEMO)/logs --quiet
	$(BIN)/python examples/demo_policies.py $(DEMO)/policies
	$(BIN)/mfagap harden report $(DEMO)/logs --from $(DEMO)/policies -o $(DEMO)/hardening.html --quiet
	$(BIN)/mfagap harden report $(DEMO)/logs --from $(DEMO)/policies --quiet
	@echo
	@echo "The report to look at and forward: $(DEMO)/report.html"
	@echo "What to change, and whom it costs: $(DEMO)/hardening.html"
	@echo "The sessions as JSON: $(DEMO)/sessions.jsonl"
	@echo "The logs they came from, and the policies: $(DEMO)/logs, $(DEMO)/policies"

# pytest comes last, so that its summary is the last line printed. What an extension module says on
# standard error when Python ends, after the summary, is kept aside and shown where a test failed.
# The types take longest to check, and one core: that runs beside the tests, and is shown where it
# failed. Some tests wait for a clock or a process, so there is one worker more than there are cores.
test: checks
	@mkdir -p build
	@$(BIN)/basedpyright >build/types.log 2>&1 & types=$$!; \
	workers=$$(($$(getconf _NPROCESSORS_ONLN) + 1)); \
	$(BIN)/python -m pytest --cov -n $$workers --dist worksteal 2>build/test.stderr \
		|| { failed=1; cat build/test.stderr >&2; }; \
	wait $$types || { failed=1; cat build/types.log >&2; }; \
	exit $${failed:-0}

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.run $(BENCH)

lint: checks
	$(BIN)/basedpyright

checks: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry src
	$(BIN)/mfagap detections lint

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# New requirements make a new environment, so nothing stays behind that is no longer listed.
$(VENV)/.created: $(REQUIREMENTS)
	@set -e; \
	for candidate in $(PYTHONS); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			python="$$candidate"; break; \
		fi; \
	done; \
	if [ -z "$${python:-}" ]; then \
		echo "mfagap needs Python 3.11 or newer, and found none under these names:" \
			"$(PYTHONS). Install one, or name yours: make PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$python cannot create virtual environments, since its ensurepip or venv module is" \
			"missing. On Debian or Ubuntu: apt-get install python3-venv" >&2; \
		exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created pyproject.toml
	@$(PIP) install --require-hashes -r requirements/runtime.txt -r requirements/build.txt
	@$(INSTALL_SELF)
	@touch $@

$(VENV)/.dev: $(VENV)/.created pyproject.toml
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(INSTALL_SELF)
	@touch $@ $(VENV)/.runtime

# The pins of runtime.txt hold in dev.txt too, so that the tests run what users run.
COMPILE = build/lock/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-header --no-config $(LOCK_FLAGS)

lock: build/lock/.uv-$(UV_VERSION)
	$(COMPILE) -o requirements/runtime.txt
	$(COMPILE) --group build --group dev -c requirements/runtime.txt -o requirements/dev.txt
	build/lock/bin/uv pip compile --group build -c requirements/dev.txt --quiet --universal \
		--python-version 3.11 --generate-hashes --no-header --no-config $(LOCK_FLAGS) \
		-o requirements/build.txt

build/lock/.uv-$(UV_VERSION): $(VENV)/.created
	@$(BIN)/python -m venv --clear build/lock
	@build/lock/bin/python -m pip --disable-pip-version-check -qq install uv==$(UV_VERSION)
	@touch $@

clean:
	rm -rf $(VENV) build dist .coverage .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
