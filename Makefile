# `make sweep` and `make test` prepare everything they need; nothing but Python 3.11+ has to be there.
PYTHON ?= python3
BIN := .venv/bin
STUDY := mnist5k-cnn

.PHONY: install sweep test test-all check format clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	then echo "installing with uv"; $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt -e . --group dev; \
	else echo "installing with pip"; $(BIN)/python -m pip install --quiet -c constraints.txt -e . --group dev; fi
	@touch $@

sweep: install
	@if $(BIN)/paretune show $(STUDY) --json >/dev/null 2>&1; \
	then $(BIN)/paretune resume $(STUDY); else $(BIN)/paretune launch; fi
	@$(BIN)/paretune report $(STUDY) -o report.html

test: install
	$(BIN)/python -m pytest -m "not slow"

test-all: install
	$(BIN)/python -m pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build *.egg-info report.html
