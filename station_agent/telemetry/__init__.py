"""What the station has to tell: kept on disk until the hub has it."""
