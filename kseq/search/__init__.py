"""From a trained model to outputs: beam search, sampling, free runs."""
