"""Rule book 1, pure: what OAuth 2.1 and OpenID Connect demand. Imports nothing else of this package."""
