"""What the LED sign shows: drawn here, dot by dot."""
