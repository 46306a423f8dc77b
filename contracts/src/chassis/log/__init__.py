"""The log: the only way in which services tell each other what happened."""

from chassis.log.cause import handling
from chassis.log.publisher import LogUnavailableError, Publisher
from chassis.log.reader import Entry, LogSilentError, Reader

__all__ = ["Entry", "LogSilentError", "LogUnavailableError", "Publisher", "Reader", "handling"]
