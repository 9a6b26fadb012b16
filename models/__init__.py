"""What we know. Importing this package loads neither SQLAlchemy nor psycopg."""
