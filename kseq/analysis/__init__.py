"""Results as metrics and pictures: alignments, heatmaps, reports, evaluation."""
