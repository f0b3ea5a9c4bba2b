"""Door 1, for apps: authorize, token, userinfo, JWKS and discovery."""
