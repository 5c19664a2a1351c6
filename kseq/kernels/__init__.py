"""Loops with their own backward passes, losses, Adam, precision, memory, and cores."""
