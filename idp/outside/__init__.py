"""The world: what we ask of others, each with a Null twin that asks nobody."""
