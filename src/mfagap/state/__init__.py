"""What outlives a process: one SQLite file of ledger, findings, alerts and notices."""
