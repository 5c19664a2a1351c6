"""From a step function to outputs, without a model: beam search, sampling, free runs."""
