"""`yizhan-bridge`: find, try, watch, tell apart, update and simulate the devices of a station.

Nothing here opens a door. Exit status: 0 it went well, 1 the device did not answer or refused, 2 the command line,
a profile or a file is wrong.
"""
