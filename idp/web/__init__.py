"""Furniture that every page and endpoint shares."""
