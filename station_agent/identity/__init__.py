"""The station's identity: how it is claimed, where it is kept, how it is renewed."""
