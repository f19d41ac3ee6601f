"""Sources: where deliveries come from; one file each, found by module name."""
