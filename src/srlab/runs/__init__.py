"""The commands `srlab runs`: what MLflow lacks is sent to it, and two runs are compared."""
