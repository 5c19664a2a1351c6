"""Results in figures and pictures: alignments, heatmaps, reports, evaluation."""
