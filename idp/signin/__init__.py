"""Door 2, for people signing in."""
