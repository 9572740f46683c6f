"""Handover: replace a killed API of `umbra up` without refusing a request or leaving one unanswered.

`umbra up` binds the address and passes the socket to every API that it starts: connections made while none
runs are not refused. The workers of a killed API go on answering, as children of `umbra up`, until a worker
of the next API reports through a pipe that it answers.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from shadow.processes.ports import bound_socket
from shadow.settings import Settings

VARIABLE = "_UMBRA_HANDOVER"
INSTANCE_VARIABLE = "_UMBRA_INSTANCE"
INSTANCE_HEADER = "Umbra-Instance"
"""The header by which `umbra up` tells its own API from another one on the same port."""
_PID = struct.Struct("i")
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True)
class InheritedHandover:
    """The handover as an API inherits it: pid of `umbra up`, socket to listen on, pipe to report to."""

    launcher_pid: int
    listener_descriptor: int
    pipe_descriptor: int

    def report_answering(self, api_pid: int) -> None:
        """Report that a worker of the API with this pid answers from now on."""
        with suppress(OSError):  # `umbra up` is gone, and with it the workers it would stop
            os.write(self.pipe_descriptor, _PID.pack(api_pid))


class Handover:
    """The socket and the pipe that `umbra up` holds for its APIs, one after the other."""

    def __init__(self, settings: Settings) -> None:
        """Bind the API's address, for the first API to listen on; raises CannotRun if it is taken."""
        self._listener = bound_socket(settings.api_host, settings.api_port)
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._last_answering = 0

    @property
    def descriptors(self) -> tuple[int, int]:
        """The open files that an API inherits."""
        return self._listener.fileno(), self._write_end

    @property
    def environment(self) -> dict[str, str]:
        """The variable that tells an API of them."""
        return {VARIABLE: ",".join(str(number) for number in (os.getpid(), *self.descriptors))}

    def answering_api(self) -> int:
        """Return the pid of the API that reported last that it answers; 0: none did."""
        with suppress(OSError):
            while reports := os.read(self._read_end, _READ_BYTES):
                (self._last_answering,) = _PID.unpack(reports[-_PID.size :])
        return self._last_answering

    def close(self) -> None:
        """Close the socket: connections are refused once no API holds it either. May be repeated."""
        self._listener.close()


def inherited(environment: Mapping[str, str] = os.environ) -> InheritedHandover | None:
    """Read the handover of this process; None: it was not started by `umbra up`."""
    text = environment.get(VARIABLE)
    return InheritedHandover(*(int(number) for number in text.split(","))) if text else None
