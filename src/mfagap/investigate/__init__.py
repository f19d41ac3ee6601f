"""Runbook to evidence to verdict."""
