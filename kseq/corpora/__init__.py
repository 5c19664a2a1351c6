"""From files and downloads to pairs: where a corpus comes from, and how it is split and cleaned."""
