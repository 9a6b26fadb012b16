"""The history of the schema: one linear chain, applied by ``models.store.schema.upgrade``."""
