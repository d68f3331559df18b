"""Bringing a new firmware to a board: the image, the way it travels, and the steps of an update."""
