"""Loads detection folders and evaluates their queries over slots."""
