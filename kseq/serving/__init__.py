"""Serving trained models over HTTP."""
