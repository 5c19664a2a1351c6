"""Loops with their own backward passes, losses, Adam, precision, process memory, and cores."""
