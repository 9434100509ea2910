# Everything happens in .venv, which is made when it is first needed.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: repro test lint ui clean

repro: .venv/installed
	dvc repro

test: .venv/installed-dev
	pytest

lint: .venv/installed-dev
	ruff check . && ruff format --check . && mypy

ui: .venv/installed
	mlflow ui --backend-store-uri sqlite:///mlflow.db

clean:
	rm -rf .venv .srlab

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	pip install --editable .
	touch $@

.venv/installed-dev: .venv/installed
	pip install --editable ".[dev]"
	touch $@
