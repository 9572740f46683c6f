"""Load as people make it: mostly one house, some lists and tables, and some mistakes, to be refused.

    locust -f load_tests/locustfile.py --headless --host http://127.0.0.1:8000 --users 10 --run-time 1m

Every answer is looked at: one price for each house asked for, or the refusal that the mistake deserves. With
any other answer locust exits with 1.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping
from functools import cache

from locust import FastHttpUser, constant_throughput, task

from model_package import schema, synthetic

HOUSES, SEED = 2000, 20261121
REQUESTS_PER_USER_SECOND = 5
ROUTE = "/v1/predictions"
JSON, CSV = "application/json", "text/csv"
chance = random.Random(SEED)  # noqa: S311 - not a secret


@cache
def houses() -> tuple[schema.Row, ...]:
    """Made up, like real sales in distribution; the same for every run."""
    return synthetic.synthetic(HOUSES, SEED).rows


def some(most: int) -> list[schema.Row]:
    """Two to `most` houses."""
    return chance.choices(houses(), k=chance.randint(2, most))


class Buyer(FastHttpUser):
    """Somebody who asks for prices, the next time whether or not the last answer was quick."""

    wait_time = constant_throughput(REQUESTS_PER_USER_SECOND)

    @task(86)
    def one_house(self) -> None:
        """A single house as JSON."""
        self.priced("one house", json.dumps(chance.choice(houses())), rows=1)

    @task(6)
    def a_list(self) -> None:
        """Two to twenty houses as a JSON list."""
        asked = some(20)
        self.priced("list", json.dumps(asked), rows=len(asked))

    @task(3)
    def a_table(self) -> None:
        """Two to a hundred houses as CSV."""
        asked = some(100)
        text = io.StringIO()
        writer = csv.DictWriter(text, schema.NAMES)
        writer.writeheader()
        writer.writerows(asked)
        self.priced("CSV", text.getvalue(), rows=len(asked), kind=CSV)

    @task(3)
    def a_wrong_house(self) -> None:
        """One that cannot be: 422."""
        wrong: Mapping[str, object] = chance.choice(
            [{"living_area": "a lot"}, {"overall_quality": 11}, {"swimming_lanes": 8}, {"zoning": None}]
        )
        self.refused("wrong house", json.dumps(chance.choice(houses()) | wrong), status=422)

    @task(1)
    def a_torn_body(self) -> None:
        """JSON that ends too early: 400."""
        self.refused("torn body", json.dumps(chance.choice(houses()))[:-7], status=400)

    def priced(self, name: str, body: str, *, rows: int, kind: str = JSON) -> None:
        """Ask; right is one price per house."""
        headers = {"Content-Type": kind, "Accept": JSON}
        with self.client.post(ROUTE, data=body, headers=headers, name=name, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"expected 200, got {answer.status_code}: {answer.text}")
            elif (given := len(answer.json()["predictions"])) != rows:
                answer.failure(f"asked for {rows} houses, got {given} prices")

    def refused(self, name: str, body: str, *, status: int) -> None:
        """Ask for what cannot be answered; right is the refusal with this status."""
        headers = {"Content-Type": JSON}
        with self.client.post(ROUTE, data=body, headers=headers, name=name, catch_response=True) as answer:
            if answer.status_code == status:
                answer.success()
            else:
                answer.failure(f"expected {status}, got {answer.status_code}: {answer.text}")
