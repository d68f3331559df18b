"""The hardware side of a station: lines, codecs, drivers and their simulators. Imports nothing of ours."""
