"""Run directories: their files, records and weights."""
