"""The `kseq` command."""
