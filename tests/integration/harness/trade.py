"""Trade: houses that are asked about and sold at once, judged by a policy to which a second is a day."""

from __future__ import annotations

import json
from typing import Any

from harness.stack import Stack
from harness.waiting import wait_until

from shadow.policy import demo_text
from umbra.demo.market import HousingMarket, houses

SEED = 1_807
ROWS = 25
SECONDS = 120.0
# What takes the demo a minute and a half has to come within seconds: fewer houses and days are enough.
SOONER = {
    "entities = 500": "entities = 200",
    "days = 28\nweekdays = 2": "days = 8\nweekdays = 1",
    "per_segment = 100": "per_segment = 5",
    "default_days = 15": "default_days = 1",
    "min_delays = 200": "min_delays = 20",
}


class Trade:
    """Asks for the prices of new houses, and reports at once what they are sold for."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._market = HousingMarket(houses(SEED))
        self.sold = 0

    def go_on(self) -> None:
        """One list of houses, answered, and all of them sold."""
        asked = [self._market.new() for _ in range(ROWS)]
        told = self._post("/v1/predictions", [dict(house.request_fields) for house in asked], 200)
        names = [one["id"] for one in told["predictions"]]
        sales = [
            {"prediction_id": name, "price_dollars": house.price_dollars, "sold_at": "2026-01-31"}
            for name, house in zip(names, asked, strict=True)
        ]
        self._post("/v1/outcomes", sales, 202)
        self.sold += len(sales)

    def _post(self, path: str, body: object, wanted: int) -> Any:
        kind = {"Content-Type": "application/json"}
        status, answer = self._stack.ask("POST", path, json.dumps(body).encode(), kind)
        assert status == wanted, answer
        return json.loads(answer)

    def until(self, condition: Any) -> Any:
        """Trade until that holds."""

        def traded() -> Any:
            self.go_on()
            return condition()

        return wait_until(traded, SECONDS, self._stack.explain)


def judge_by_seconds(stack: Stack) -> None:
    """gbm@1 is judged by the demo's policy, to which a second is a day, with less to be seen."""
    text = demo_text()
    for old, new in SOONER.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = stack.directory / "policy.toml"
    file.write_text(text, encoding="utf-8")
    stack.done("candidates", "remove", "gbm@1")
    stack.done("candidates", "add", "gbm@1", "--policy", str(file))
