"""Inspecting a corpus before training: its figures, suspicious pairs, and settings that fit."""
