"""Runs the stages in order; the only caller of the clock."""
