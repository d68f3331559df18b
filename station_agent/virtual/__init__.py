"""A virtual station: simulated hardware on ptys, the real agent as a child process, a door page."""
