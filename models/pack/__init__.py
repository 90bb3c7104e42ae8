"""Brings the default model pack: see ../fetch.py."""
