"""Rules of stations: what managers set, the codes and cards they give out, and the signed document of it."""
