"""Writing what we learn: sessions, the schema, bundles, legs and events. The only place that changes the database."""
