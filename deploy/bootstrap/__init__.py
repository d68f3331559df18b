"""What `run.py` is made of: sets the machine up, runs the demo, the tests and the benches.

Standard library only, since it runs before anything is installed. Nothing outside this folder and
`run.py` imports it, and it imports nothing of the three rooms.
"""
