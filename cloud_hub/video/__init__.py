"""Live view and pictures: relayed between a station's camera and those who watch, kept nowhere."""
