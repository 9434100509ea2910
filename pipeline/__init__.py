"""One thin script per stage of dvc.yaml: arguments and params in, one call, files out."""
