"""Renders what a scan found; one file a format, over one document."""
