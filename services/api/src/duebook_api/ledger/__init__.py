"""The ledger of a job, and backfills of it."""
