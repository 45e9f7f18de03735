"""The course in one folder, for a USB stick or a server in the local network: `make kit`."""
