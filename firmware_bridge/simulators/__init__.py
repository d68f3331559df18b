"""Devices made of software, on ptys that keep the time of a real wire. For tests, demo, soak and fleet load."""
