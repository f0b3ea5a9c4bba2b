from tests.store.world import database, world

__all__ = ["database", "world"]
