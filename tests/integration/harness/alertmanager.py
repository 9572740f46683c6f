"""A real Alertmanager with the repository's routes and inhibitions, which tells an inbox of ours at once."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from harness.server import Server

CONFIGURATION = Path(__file__).parents[3] / "alertmanager" / "alertmanager.yml"
_AT_ONCE = {"group_wait": "0s", "group_interval": "1s"}


@dataclass(frozen=True, slots=True)
class Message:
    """What a receiver was told: a group of alerts, each with status, labels and annotations."""

    receiver: str
    alerts: list[dict[str, Any]]


class Inbox:
    """A webhook receiver: everybody's, while the context lasts."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                inbox.messages.append(Message(content["receiver"], content["alerts"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """A message is no event."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, _fault: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def alerts(self, name: str, status: str = "firing") -> list[tuple[str, dict[str, Any]]]:
        """What was told of one alert: receiver and alert."""
        return [
            (message.receiver, alert)
            for message in list(self.messages)
            for alert in message.alerts
            if alert["labels"]["alertname"] == name and alert["status"] == status
        ]


class Alertmanager(Server):
    """Runs while the context lasts; every receiver of the repository's file is the inbox at `url`."""

    def __init__(self, directory: Path, url: str) -> None:
        arguments = ["--config.file=alertmanager.yml", "--storage.path=data", "--cluster.listen-address="]
        names = ["prometheus-alertmanager", "alertmanager"]
        super().__init__(directory / "alertmanager", names, [*arguments, "--log.level=warn"])
        content = yaml.safe_load(CONFIGURATION.read_text())
        for route in (content["route"], *content["route"]["routes"]):
            route.update(_AT_ONCE)
        for receiver in content["receivers"]:
            receiver["webhook_configs"] = [{"url": url, "send_resolved": True}]
        (self.directory / "alertmanager.yml").write_text(yaml.safe_dump(content))
