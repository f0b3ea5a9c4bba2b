"""Rule book 2, pure: how a person proves who they are. Imports nothing else of this package."""
