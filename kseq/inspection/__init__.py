"""Inspecting a corpus before training: statistics, suspicious pairs, and settings that fit."""
