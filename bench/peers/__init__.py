"""What parrotlet is measured against: scripts that a peer's own Python runs, and the versions in its environment."""
