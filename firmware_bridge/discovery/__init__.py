"""Finding devices: on serial lines by asking, on networks by their discovery protocols."""
