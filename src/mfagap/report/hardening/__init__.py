"""What `mfagap harden` shows: one file a format, over one document."""
