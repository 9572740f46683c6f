"""What each kind of user asks, made of synthetic houses and of what they sell for.

`python -m load_tests.visits` writes it into workload.json.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import click

from load_tests.workload import (
    FILE,
    TODAY,
    Budgets,
    Visit,
    VisitKind,
    Workload,
    WorkloadRequest,
    marker,
    write,
)
from model_package import synthetic
from model_package.schema import NAMES, Row

SEED, HOUSES = 20261121, 800
SINGLES, LISTS, TABLES, SALES = 128, 12, 8, 3
MOST_IN_LIST, MOST_IN_TABLE, MOST_SOLD = 20, 100, 4
PREDICTIONS, OUTCOMES = "/v1/predictions", "/v1/outcomes"
OUTCOME_NAMES = ("prediction_id", "price_dollars", "sold_at", "source")
PROBLEM = "urn:umbra:problem:"
JSON, CSV = "application/json", "text/csv"
AGENT, SOURCE = "umbra-load-test", "load test"
# Of the ids that nobody was ever given: a day before Umbra was.
EARLY_MILLISECONDS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Sale:
    """A house, and what it sells for."""

    house: Row
    price_dollars: float


@dataclass(slots=True)
class HouseSupply:
    """Houses in the order in which they are asked about, and chance."""

    sales: Iterator[Sale]
    chance: random.Random

    @classmethod
    def open(cls) -> HouseSupply:
        """Open the same reproducible supply every time."""
        known = synthetic.synthetic(HOUSES, SEED)
        sales = map(Sale, known.rows, known.prices.tolist())
        return cls(sales, random.Random(SEED))  # noqa: S311 - not a secret

    def some(self, most: int, least: int = 2) -> list[Sale]:
        """Return the next `least` to `most` houses."""
        return [next(self.sales) for _ in range(self.chance.randint(least, most))]

    def house(self) -> Row:
        """Return the next house."""
        return next(self.sales).house


def workload() -> Workload:
    """Build the workload: of twenty users one each sends lists, tables, invalid bodies or outcomes."""
    market = HouseSupply.open()
    kinds = (
        VisitKind("single", 16, tuple((_one(market.house()),) for _ in range(SINGLES))),
        VisitKind("batch", 1, tuple((_list(market.some(MOST_IN_LIST)),) for _ in range(LISTS))),
        VisitKind("csv", 1, tuple((_table(market.some(MOST_IN_TABLE)),) for _ in range(TABLES))),
        VisitKind("invalid", 1, tuple((request,) for request in _mistakes(market))),
        VisitKind("outcomes", 1, tuple(visit for _ in range(SALES) for visit in _sales(market))),
    )
    return Workload(20, 2.5, 60, 10, Budgets(error_ratio=0.0, p99_milliseconds=500.0), kinds)


def request(
    name: str,
    body: str,
    *,
    status: int,
    checked: str,
    expected: int | str,
    path: str = PREDICTIONS,
    sent: str = JSON,
    wanted: str = JSON,
) -> WorkloadRequest:
    """Build a POST with explicit headers, so that no program chooses its own."""
    headers = {"Content-Type": sent, "Accept": wanted, "Accept-Encoding": "identity", "User-Agent": AGENT}
    return WorkloadRequest(name, "POST", path, headers, body, status, checked, expected)


def _one(house: Row) -> WorkloadRequest:
    return request("one house", json.dumps(house), status=200, checked="prices", expected=1)


def _list(sales: Sequence[Sale], name: str = "list") -> WorkloadRequest:
    body = json.dumps([sale.house for sale in sales])
    return request(name, body, status=200, checked="prices", expected=len(sales))


def _table(sales: Sequence[Sale]) -> WorkloadRequest:
    body = _csv(NAMES, [sale.house for sale in sales])
    return request("table", body, status=200, checked="lines", expected=len(sales), sent=CSV, wanted=CSV)


def _csv(names: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _mistakes(market: HouseSupply) -> Iterator[WorkloadRequest]:
    """Yield invalid requests, each with its refusal."""
    for wrong in ({"living_area": "a lot"}, {"overall_quality": 11}, {"swimming_lanes": 8}, {"zoning": None}):
        yield _refused("wrong house", json.dumps(market.house() | wrong))
    house = market.house()
    yield _refused("wrong house", json.dumps({name: house[name] for name in NAMES[1:]}))
    yield _refused("wrong list", json.dumps([market.house(), market.house() | {"year_built": 1066}]))
    yield _refused("wrong table", _csv(NAMES[1:], [dict(list(market.house().items())[1:])]), sent=CSV)
    yield _refused("torn body", json.dumps(market.house())[:-7], status=400, problem="malformed-body")
    yield _refused(
        "form",
        "lot_area=9500",
        status=415,
        problem="unsupported-content",
        sent="application/x-www-form-urlencoded",
    )
    yield _refused("wrong sale", json.dumps(_outcome(_unknown(market), -1)), path=OUTCOMES)


def _refused(
    name: str,
    body: str,
    *,
    status: int = 422,
    problem: str = "invalid-rows",
    path: str = PREDICTIONS,
    sent: str = JSON,
) -> WorkloadRequest:
    return request(
        name, body, status=status, checked="type", expected=PROBLEM + problem, path=path, sent=sent
    )


def _sales(market: HouseSupply) -> Iterator[Visit]:
    """Yield visits that ask, then report outcomes: sold, corrected, withdrawn, or of an unknown id."""
    sold = market.some(MOST_SOLD)
    yield _asked(sold), _reported("sale", _outcomes(sold))
    sold = market.some(MOST_SOLD)
    corrected = replace(sold[0], price_dollars=round(0.97 * sold[0].price_dollars))
    yield _asked(sold), _reported("sale", _outcomes(sold)), _reported("correction", _outcomes([corrected]))
    withdrawn = {"prediction_id": marker(0), "state": "withdrawn", "source": SOURCE}
    yield _asked(market.some(1, 1)), _reported("withdrawal", [withdrawn])
    yield (_reported("sale of no house", [_outcome(_unknown(market), 180_000.0)]),)
    sold = market.some(MOST_SOLD)
    yield _asked(sold), _taken("table of sales", _csv(OUTCOME_NAMES, _outcomes(sold)), len(sold), sent=CSV)


def _asked(sold: Sequence[Sale]) -> WorkloadRequest:
    return _list(sold, "houses for sale")


def _reported(name: str, outcomes: Sequence[Mapping[str, object]]) -> WorkloadRequest:
    return _taken(name, json.dumps(outcomes), len(outcomes))


def _taken(name: str, body: str, count: int, sent: str = JSON) -> WorkloadRequest:
    return request(name, body, status=202, checked="accepted", expected=count, path=OUTCOMES, sent=sent)


def _outcomes(sold: Sequence[Sale]) -> list[dict[str, object]]:
    """Return the outcomes of the houses of the request before, in order."""
    return [_outcome(marker(position), sale.price_dollars) for position, sale in enumerate(sold)]


def _outcome(prediction: str, price_dollars: float) -> dict[str, object]:
    return dict(zip(OUTCOME_NAMES, (prediction, price_dollars, TODAY, SOURCE), strict=True))


def _unknown(market: HouseSupply) -> str:
    """Make an id that no prediction has: a UUIDv7 (RFC 9562) from before Umbra."""
    early = EARLY_MILLISECONDS << 80 | 7 << 76 | market.chance.getrandbits(12) << 64
    return str(UUID(int=early | 2 << 62 | market.chance.getrandbits(62)))


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=FILE)
def main(path: Path) -> None:
    """Write the workload to PATH, workload.json beside this file unless told otherwise."""
    write(workload(), path)


if __name__ == "__main__":
    main()
