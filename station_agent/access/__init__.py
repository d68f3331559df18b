"""Who may open the door, and what the door is doing."""
