"""A standalone OAuth 2.1 and OpenID Connect identity provider."""

VERSION = "0.1.0"
