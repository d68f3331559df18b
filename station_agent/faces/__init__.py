"""Faces at the door: who stands there, decided on the station, for members who asked for it (access.md, Face)."""
