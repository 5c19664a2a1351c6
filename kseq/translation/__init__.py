"""From trained models to results: batches, graphs, unknown words, the SavedModel."""
