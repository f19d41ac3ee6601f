"""Engines run a detection's portable SQL over ``events``; one file each, found by module name."""
