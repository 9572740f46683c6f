"""Set up logging from the settings, in every process of the API and the worker."""

from __future__ import annotations

from monitoring import logs
from shadow.settings import InvalidSetting, Settings
from shadow.version import umbra_version


def configure_logs(service: str, settings: Settings) -> None:
    """Configure the log of `service` in this process and its later forks; raises InvalidSetting."""
    if not settings.log_stdout and settings.log_dir is None:
        raise InvalidSetting("UMBRA_LOG_STDOUT=false: every line would be lost; set UMBRA_LOG_DIR")
    logs.configure(
        service,
        settings.log_level,
        settings.log_dir,
        also_descriptor=settings.log_stdout,
        withhold=settings.withholds_texts,
        version=umbra_version(),
    )
    logs.log_uncaught_errors()
