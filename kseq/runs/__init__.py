"""Run directories: what a run holds, its record, its weights."""
