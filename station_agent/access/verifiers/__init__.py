"""Codes that are not ours: who knows what a text means, and says which member it proves."""
