"""Settings: the only reader of the environment. `UMBRA_*` variables become one frozen object.

A value that cannot be right, or an unknown name, stops the start with a message.
"""

from shadow.settings.declared import SECRETS, Settings
from shadow.settings.environment import PREFIX, TEST_PREFIX
from shadow.settings.values import InvalidSetting, sqlite_url

__all__ = ["PREFIX", "SECRETS", "TEST_PREFIX", "InvalidSetting", "Settings", "sqlite_url"]
