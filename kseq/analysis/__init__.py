"""What a model did, in figures and pictures: alignment, heatmaps, reports, scores."""
