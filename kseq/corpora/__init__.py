"""From files and downloads to pairs: reading, splitting and cleaning a corpus."""
