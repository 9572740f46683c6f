"""Assets: style, scripts and the chart library, read once, named by what is in them and cached for good."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_PACKED = ".gz"
_HERE = Path(__file__).parent
_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages load; `packed` is the same, gzipped."""

    name: str
    content_type: str
    body: bytes
    packed: bytes

    @property
    def path(self) -> str:
        """Where it is served: another content has another path."""
        return f"/assets/{sha256(self.body).hexdigest()[:_DIGITS]}/{self.name}"

    @property
    def text(self) -> str:
        """Its content."""
        return self.body.decode()


class Assets:
    """Every asset there is, by name."""

    def __init__(self) -> None:
        files = [_HERE / "vendor" / "chart.umd.min.js.gz", *sorted((_HERE / "static").iterdir())]
        self._assets = {asset.name: asset for asset in map(_read, files)}
        self._by_path = {asset.path: asset for asset in self._assets.values()}

    def __getitem__(self, name: str) -> Asset:
        return self._assets[name]

    def at(self, path: str) -> Asset | None:
        """Find the asset served at a path."""
        return self._by_path.get(path)


def _read(file: Path) -> Asset:
    content, name = file.read_bytes(), file.name.removesuffix(_PACKED)
    if name != file.name:
        return Asset(name, _TYPES[Path(name).suffix], gzip.decompress(content), content)
    return Asset(name, _TYPES[file.suffix], content, gzip.compress(content, 9, mtime=0))
