"""The contract between station and hub. The station publishes its language here and the hub speaks it.

Standard library, pydantic, cryptography and base45 only; imports nothing of ours; no I/O, no clock.
"""
