"""A detection's cases, run end to end: whole events in, exact findings and alerts out."""
