"""The door for people who manage their own account."""
