"""Handover: how one API of `umbra up` follows a killed one without a request being refused or left waiting.

`umbra up` binds the address and hands the socket to every API that it starts: who connects while none runs is
not refused. The processes that answered for a killed API answer on, as children of `umbra up`, until one of
the next API has said through a pipe that it answers.
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
"""By which `umbra up` knows the answer of its own API from one that has its port."""
_PID = struct.Struct("i")
_READ_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Received:
    """What an API has from `umbra up`: its pid, the socket to listen on, and where to say who answers."""

    keeper: int
    listener: int
    answering: int

    def tell_answering(self, api: int) -> None:
        """Say that a process of the API with this pid answers from now on."""
        with suppress(OSError):  # `umbra up` is gone, and with it what would be told to end
            os.write(self.answering, _PID.pack(api))


class Handover:
    """What `umbra up` keeps for its APIs, one after the other."""

    def __init__(self, settings: Settings) -> None:
        """Bind the API's address, for the first API to listen on; raises CannotRun if it is taken."""
        self._listener = bound_socket(settings.api_host, settings.api_port)
        self._told, self._answering = os.pipe()
        os.set_blocking(self._told, False)
        os.set_blocking(self._answering, False)
        self._last_answering = 0

    @property
    def descriptors(self) -> tuple[int, int]:
        """The open files that an API inherits."""
        return self._listener.fileno(), self._answering

    @property
    def environment(self) -> dict[str, str]:
        """What tells an API of them."""
        return {VARIABLE: ",".join(str(number) for number in (os.getpid(), *self.descriptors))}

    def answering(self) -> int:
        """The pid of the API of which a process answered last; 0: none did."""
        with suppress(OSError):
            while told := os.read(self._told, _READ_BYTES):
                (self._last_answering,) = _PID.unpack(told[-_PID.size :])
        return self._last_answering

    def close(self) -> None:
        """Hold the socket no longer: once no API has it either, who connects is refused. May be repeated."""
        self._listener.close()


def received(environment: Mapping[str, str] = os.environ) -> Received | None:
    """What this process was handed over; None: it was not started by `umbra up`."""
    text = environment.get(VARIABLE)
    return Received(*(int(number) for number in text.split(","))) if text else None
