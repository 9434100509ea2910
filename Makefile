# Everything happens in .venv, which is made when it is first needed.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: repro test lint ui readme clean

# A DVC that was killed may have left its own files half written.
repro: .venv/installed
	srlab mend
	dvc repro

test: .venv/installed-dev
	pytest

lint: .venv/installed-dev
	ruff check . && ruff format --check . && mypy

# MLflow's first page is for language models; the address is that of the runs.
ui: .venv/installed
	@echo 'The runs: http://127.0.0.1:5000/#/experiments/1?workflowType=machine_learning'
	mlflow ui --backend-store-uri sqlite:///mlflow.db

# README.md's tables, of the released models and of the last run, and pictures; what the studies say.
readme: .venv/installed
	python -m srlab.report.released metrics/released data/published.yaml
	python -m srlab.report.readme README.md headline=metrics/released/headline.md \
	  released=metrics/released/table.md results=metrics/report.md
	python -m srlab.report.study_table metrics/studies metrics/studies/table.md
	python -m srlab.report.readme docs/reproduction.md studies=metrics/studies/table.md
	srlab compare data/raw/test/sample_test/coffee.png --truth --overwrite -o docs/strip.png \
	  -m bicubic -m memnet -m srresnet_distilled -m srgan
	srlab compare data/raw/test/sample_test/coffee.png --truth --protocol y_rgb8_jpeg40 --overwrite \
	  -o docs/jpeg.png -m bicubic -m srresnet_distilled -m srresnet_jpeg -m srgan_jpeg

clean:
	rm -rf .venv .srlab

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	pip install --editable .
	touch $@

# All at once: two installations take longer.
.venv/installed-dev: pyproject.toml
	$(PYTHON) -m venv .venv
	pip install --editable ".[dev]"
	touch .venv/installed $@
