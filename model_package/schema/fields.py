"""The only list of the fields of a house: type, unit, range, categories, nullability, meaning.

Category codes are those of the Ames table, so that it reads as it is. `NA` is a code like any other
and says "there is none" (no basement, no garage, no fireplace); what is not known is null.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal

Value = float | int | str | None
Row = dict[str, Value]
Kind = Literal["number", "whole", "category"]


@dataclass(frozen=True, slots=True)
class Field:
    """One column. `minimum` and `maximum` are inclusive and None for categories, which list their codes."""

    name: str
    source: str
    kind: Kind
    unit: str
    minimum: float | None
    maximum: float | None
    categories: tuple[str, ...]
    nullable: bool
    description: str

    @property
    def expected(self) -> str:
        """What a value must be, in words for an error message."""
        null = ", or null" if self.nullable else ""
        if self.kind == "category":
            return f"one of {', '.join(self.categories)}{null}"
        noun = "a whole number" if self.kind == "whole" else "a number"
        return f"{noun} from {self.minimum:.15g} to {self.maximum:.15g} ({self.unit}){null}"


def _number(
    name: str, source: str, unit: str, bounds: tuple[float, float], text: str, *, nullable: bool = False
) -> Field:
    return Field(name, source, "number", unit, *bounds, (), nullable, text)


def _whole(
    name: str, source: str, unit: str, bounds: tuple[int, int], text: str, *, nullable: bool = False
) -> Field:
    return Field(name, source, "whole", unit, *bounds, (), nullable, text)


def _category(name: str, source: str, codes: str, text: str, *, nullable: bool = False) -> Field:
    return Field(name, source, "category", "code", None, None, tuple(codes.split("|")), nullable, text)


_GRADES = "Po|Fa|TA|Gd|Ex"
_NEIGHBORHOODS = (
    "Blmngtn|Blueste|BrDale|BrkSide|ClearCr|CollgCr|Crawfor|Edwards|Gilbert|Greens|GrnHill|IDOTRR|Landmrk"
    "|MeadowV|Mitchel|NAmes|NPkVill|NWAmes|NoRidge|NridgHt|OldTown|SWISU|Sawyer|SawyerW|Somerst|StoneBr"
    "|Timber|Veenker"
)
_FEET = "square feet"

FIELDS: tuple[Field, ...] = (
    _category("zoning", "MS Zoning", "A (agr)|C (all)|FV|I (all)|RH|RL|RP|RM", "zoning class of the sale"),
    _number("lot_frontage", "Lot Frontage", "feet", (1, 2000), "street along the lot", nullable=True),
    _number("lot_area", "Lot Area", _FEET, (100, 2_000_000), "size of the lot"),
    _category("neighborhood", "Neighborhood", _NEIGHBORHOODS, "part of the town"),
    _category(
        "condition_1",
        "Condition 1",
        "Artery|Feedr|Norm|RRNn|RRAn|PosN|PosA|RRNe|RRAe",
        "nearness to main roads, railways or parks",
    ),
    _category("building_type", "Bldg Type", "1Fam|2fmCon|Duplex|TwnhsE|Twnhs", "kind of dwelling"),
    _category(
        "house_style",
        "House Style",
        "1Story|1.5Fin|1.5Unf|2Story|2.5Fin|2.5Unf|SFoyer|SLvl",
        "storeys, and how far they are finished",
    ),
    _whole("overall_quality", "Overall Qual", "grade", (1, 10), "material and finish of the whole house"),
    _whole("overall_condition", "Overall Cond", "grade", (1, 10), "state of repair of the whole house"),
    _whole("year_built", "Year Built", "year", (1700, 2100), "year of construction"),
    _whole("year_remodeled", "Year Remod/Add", "year", (1700, 2100), "year of the last remodelling"),
    _category("exterior_quality", "Exter Qual", _GRADES, "material outside"),
    _category("foundation", "Foundation", "BrkTil|CBlock|PConc|Slab|Stone|Wood", "kind of foundation"),
    _category("basement_quality", "Bsmt Qual", f"NA|{_GRADES}", "height of the basement", nullable=True),
    _category(
        "basement_exposure",
        "Bsmt Exposure",
        "NA|No|Mn|Av|Gd",
        "walkout or garden-level walls",
        nullable=True,
    ),
    _number(
        "basement_finished_area",
        "BsmtFin SF 1",
        _FEET,
        (0, 20_000),
        "finished basement",
        nullable=True,
    ),
    _number("basement_area", "Total Bsmt SF", _FEET, (0, 20_000), "whole basement", nullable=True),
    _category("heating_quality", "Heating QC", _GRADES, "heating"),
    _category("central_air", "Central Air", "N|Y", "air conditioning"),
    _number("living_area", "Gr Liv Area", _FEET, (100, 20_000), "living area above ground"),
    _whole(
        "basement_full_baths",
        "Bsmt Full Bath",
        "rooms",
        (0, 10),
        "full bathrooms in the basement",
        nullable=True,
    ),
    _whole("full_baths", "Full Bath", "rooms", (0, 20), "full bathrooms above ground"),
    _whole("half_baths", "Half Bath", "rooms", (0, 20), "half bathrooms above ground"),
    _whole("bedrooms", "Bedroom AbvGr", "rooms", (0, 30), "bedrooms above ground"),
    _category("kitchen_quality", "Kitchen Qual", _GRADES, "kitchen"),
    _whole("rooms", "TotRms AbvGrd", "rooms", (1, 60), "rooms above ground, without bathrooms"),
    _category("functional", "Functional", "Sal|Sev|Maj2|Maj1|Mod|Min2|Min1|Typ", "defects that limit use"),
    _whole("fireplaces", "Fireplaces", "pieces", (0, 10), "fireplaces"),
    _category("fireplace_quality", "Fireplace Qu", f"NA|{_GRADES}", "fireplaces"),
    _category(
        "garage_type",
        "Garage Type",
        "NA|CarPort|Detchd|Basment|BuiltIn|Attchd|2Types",
        "where the garage stands",
    ),
    _whole(
        "garage_year_built",
        "Garage Yr Blt",
        "year",
        (1700, 2100),
        "year of the garage; null: none",
        nullable=True,
    ),
    _category("garage_finish", "Garage Finish", "NA|Unf|RFn|Fin", "inside of the garage", nullable=True),
    _whole("garage_cars", "Garage Cars", "cars", (0, 20), "cars the garage holds", nullable=True),
    _number("garage_area", "Garage Area", _FEET, (0, 10_000), "garage", nullable=True),
    _number("wood_deck_area", "Wood Deck SF", _FEET, (0, 10_000), "wooden deck"),
    _number("open_porch_area", "Open Porch SF", _FEET, (0, 10_000), "open porch"),
    _whole("month_sold", "Mo Sold", "month", (1, 12), "month of the sale"),
    _whole("year_sold", "Yr Sold", "year", (1990, 2100), "year of the sale"),
    _category("sale_type", "Sale Type", "WD|CWD|VWD|New|COD|Con|ConLw|ConLI|ConLD|Oth", "kind of contract"),
    _category(
        "sale_condition",
        "Sale Condition",
        "Normal|Abnorml|AdjLand|Alloca|Family|Partial",
        "circumstances of the sale",
    ),
)
NAMES: tuple[str, ...] = tuple(field.name for field in FIELDS)
BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
ENTITY = "entity_id"
"""The id of the house or listing, when the client states it: never an input of a model."""
ENTITY_PATTERN = "^[A-Za-z0-9._-]{1,64}$"
ENTITY_EXPECTED = "1 to 64 of A-Z a-z 0-9 . _ -, or null"
TARGET = "sale_price"
TARGET_SOURCE = "SalePrice"
MIN_DOLLARS, MAX_DOLLARS = 1.0, 1e9
"""What a house can have sold for, to be learned from or reported. No home has brought a quarter of a billion
dollars: a price beyond is in cents, in another currency or a slip, and a single one bends a fit."""

EXAMPLE: Row = {
    "zoning": "RL",
    "lot_frontage": 70.0,
    "lot_area": 9500.0,
    "neighborhood": "NAmes",
    "condition_1": "Norm",
    "building_type": "1Fam",
    "house_style": "1Story",
    "overall_quality": 6,
    "overall_condition": 6,
    "year_built": 1968,
    "year_remodeled": 1998,
    "exterior_quality": "TA",
    "foundation": "CBlock",
    "basement_quality": "TA",
    "basement_exposure": "No",
    "basement_finished_area": 520.0,
    "basement_area": 1150.0,
    "heating_quality": "Gd",
    "central_air": "Y",
    "living_area": 1350.0,
    "basement_full_baths": 1,
    "full_baths": 1,
    "half_baths": 1,
    "bedrooms": 3,
    "kitchen_quality": "TA",
    "rooms": 6,
    "functional": "Typ",
    "fireplaces": 1,
    "fireplace_quality": "Gd",
    "garage_type": "Attchd",
    "garage_year_built": 1968,
    "garage_finish": "RFn",
    "garage_cars": 2,
    "garage_area": 480.0,
    "wood_deck_area": 120.0,
    "open_porch_area": 30.0,
    "month_sold": 6,
    "year_sold": 2010,
    "sale_type": "WD",
    "sale_condition": "Normal",
}


def spelling(name: str) -> str:
    """Normalise a name: `Gr Liv Area`, `GrLivArea` and `gr_liv_area` are one."""
    return "".join(character for character in name.lower() if character.isalnum())


def digest() -> str:
    """Hash the list of fields (SHA-256): a model trained on another list cannot be served with this one."""
    return sha256(json.dumps([asdict(field) for field in FIELDS], sort_keys=True).encode()).hexdigest()


def _property(field: Field) -> dict[str, object]:
    description: dict[str, object] = {"description": f"{field.description} [{field.unit}]"}
    if field.kind == "category":
        codes: list[str | None] = [*field.categories, *([None] if field.nullable else [])]
        return description | {"enum": codes}
    name = "integer" if field.kind == "whole" else "number"
    kind: object = [name, "null"] if field.nullable else name
    return description | {"type": kind, "minimum": field.minimum, "maximum": field.maximum}


def json_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a house; a nullable field may be left out."""
    return {
        "title": "House",
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in FIELDS if not field.nullable],
        "properties": {field.name: _property(field) for field in FIELDS},
        "examples": [EXAMPLE],
    }


def request_json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a house in a request, which may have an entity id."""
    described = "the same for every question about one house; kept with the answer, unknown to the models"
    entity = {"type": ["string", "null"], "pattern": ENTITY_PATTERN, "description": described}
    house: dict[str, Any] = json_schema()
    return house | {"title": "AskedHouse", "properties": house["properties"] | {ENTITY: entity}}
