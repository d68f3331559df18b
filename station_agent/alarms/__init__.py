"""Conditions with a life: raised once, cleared once, remembered over a restart."""
