"""Somebody's own picture, enlarged by several models and shown side by side."""
