"""Ten faults, each where such faults happen, and the level that has to be the first to fail."""

from __future__ import annotations

from dataclasses import dataclass

from builds import Patch

from differential_tests.findings import Level


@dataclass(frozen=True, slots=True)
class Fault:
    """`level` is the first that can see it: those below compare two that both have it, or both have not.

    `trained`: the build trains what it serves with its own code. `served`: its API is asked, too; else D2 is
    left out, for it compares a package with an API that share the patched file.
    """

    name: str
    planted: str
    level: Level
    why: str
    patch: Patch
    trained: bool = False
    served: bool = False


IN_PACKAGE = (
    Fault(
        "float16 cast",
        "schema.matrix, to save memory, of batches only",
        Level.D0,
        "a house is answered otherwise alone than in a batch: noise, to whoever does not look at D0 first",
        Patch(
            "model_package/schema/matrix.py",
            "dtype=np.float64).reshape",
            "dtype=np.float64 if len(rows) < 2 else np.float16).reshape",
        ),
    ),
    Fault(
        "NaN to 0",
        "the package's encoder, which the pipeline has not",
        Level.D1,
        "package and API share it; the fitted pipeline fills with the median",
        Patch(
            "model_package/recipes/linear_features.py",
            "np.where(np.isnan(matrix), self.fill, matrix)",
            "np.nan_to_num(matrix)",
        ),
    ),
    Fault(
        "dropped log transform",
        "features.LOGGED, which pipeline and package share",
        Level.D3,
        "trained and served alike, it is seen by nobody but the release before",
        Patch(
            "model_package/recipes/linear_features.py",
            'if field.unit in ("feet", "square feet")',
            'if field.unit == "feet"',
        ),
        trained=True,
    ),
    Fault(
        "swapped columns",
        "the reader of CSV bodies, which package and API share",
        Level.D5,
        "every CSV so far had the columns in the schema's order; the relation turns them round",
        Patch(
            "model_package/schema/csv_body.py",
            "for name, text in zip(header, line, strict=True)}",
            "for name, text in zip([n for n in [*BY_NAME, ENTITY] if n in header], line, strict=True)}",
        ),
        served=True,
    ),
)

IN_API = (
    Fault(
        "off-by-one year",
        "the API's reading of a request",
        Level.D2,
        "the package is not behind it when asked in process",
        Patch(
            "api/predictions.py",
            "dollars = serving.price(houses.rows)",
            'dollars = serving.price([row | {"year_built": row["year_built"] - 1} for row in houses.rows])',
        ),
    ),
    Fault(
        "rounding to thousands",
        "the API's answer",
        Level.D2,
        "always the same, so that it is no noise; the package does not round",
        Patch("api/predictions.py", '"price_dollars": price}', '"price_dollars": round(price, -3)}'),
    ),
    Fault(
        "1 % currency factor",
        "the API's live model",
        Level.D2,
        "small against what two models differ by (D4), large against 1e-9",
        Patch("api/live.py", "dollars.tolist()", "(dollars * 1.01).tolist()"),
    ),
    Fault(
        "dropped rows",
        "the API's answer, once per entity",
        Level.D5,
        "no questions of the levels below are about one entity; the relation asks for one all at once",
        Patch(
            "api/predictions.py",
            "ids = self._ids.captures(len(dollars))",
            "if houses.entities:\n"
            "            dollars = list(dict(zip(houses.entities, dollars)).values())\n"
            "        ids = self._ids.captures(len(dollars))",
        ),
    ),
)
