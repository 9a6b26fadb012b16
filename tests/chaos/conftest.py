"""The kill tests use the receivers and channels of the tests of telling."""

from tests.alerts.conftest import home, key, sink

__all__ = ["home", "key", "sink"]
