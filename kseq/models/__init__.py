"""The layers, the two architectures, and the factory functions that build models from them."""
