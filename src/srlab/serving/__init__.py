"""Trained networks as MLflow models: registered when they are scored, served over HTTP."""
