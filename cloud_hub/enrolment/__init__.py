"""Who is a station of this hub: claims, certificates, their end; and how the hub proves itself to stations."""
