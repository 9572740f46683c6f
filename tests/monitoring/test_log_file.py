"""Log files: rotated by rename, shared by processes of several containers, kept while they may be unread."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from monitoring.logs.file import LogFile
from monitoring.logs.sink import Sink


def test_files_rotate_by_rename_and_only_a_few_are_kept(tmp_path):
    file = LogFile(tmp_path, "umbra.api", max_bytes=100)
    for number in range(20):
        piece = b"%02d" % number + b"x" * 57 + b"\n"
        os.write(file.descriptor(len(piece)), piece)
    file.close()
    kept = sorted(tmp_path.iterdir(), key=lambda path: path.read_bytes())
    assert [path.read_bytes()[:2] for path in kept] == [b"14", b"15", b"16", b"17", b"18", b"19"]
    stem = f"umbra.api-{socket.gethostname()}-{os.getpid()}"
    assert [path.name for path in kept] == [f"{stem}.{n}.jsonl" for n in (5, 4, 3, 2, 1)] + [f"{stem}.jsonl"]


def _left_behind(directory: Path, name: str, days: float = 0.0, size: int = 3) -> Path:
    """A file that nobody writes, last changed so long ago."""
    file = directory / name
    with file.open("wb") as opened:
        opened.truncate(size)
    moment = time.time() - days * 24 * 3600
    os.utime(file, (moment, moment))
    return file


def _open(directory: Path) -> LogFile:
    file = LogFile(directory, "umbra.api")
    os.write(file.descriptor(3), b"{}\n")
    return file


def test_files_that_nobody_has_written_for_days_are_emptied_whichever_container_wrote_them(tmp_path):
    old = [_left_behind(tmp_path, f"umbra.api-{host}-7.jsonl", 4) for host in ("here", "a-b", "3f2a.lan")]
    others = [
        _left_behind(tmp_path, "umbra.api-here-8.1.jsonl", 1),
        _left_behind(tmp_path, "umbra.worker-here-7.jsonl", 9),
    ]
    file = _open(tmp_path)
    assert [path.stat().st_size for path in [*old, *others]] == [0, 0, 0, 3, 3]
    file.close()


def test_a_file_is_removed_only_when_it_has_been_empty_for_days(tmp_path):
    """Logstash takes a new file with the inode of one that it has not seen empty for one that it has read."""
    old = _left_behind(tmp_path, "umbra.api-here-7.jsonl", 4)
    _open(tmp_path).close()
    _open(tmp_path).close()
    assert old.stat().st_size == 0
    _left_behind(tmp_path, old.name, 4, size=0)
    _open(tmp_path).close()
    assert not old.exists()


def test_only_the_newest_half_gigabyte_of_files_that_nobody_writes_is_kept(tmp_path):
    files = [_left_behind(tmp_path, f"umbra.api-gone-{n}.jsonl", n / 10, 200 << 20) for n in range(1, 5)]
    _open(tmp_path).close()
    assert [path.stat().st_size >> 20 for path in files] == [200, 200, 0, 0]


def test_a_file_that_a_process_of_another_container_writes_is_neither_swept_nor_taken_over(tmp_path):
    """The other one has the same host name and the same process id, as on the host's network."""
    theirs = _open(tmp_path)
    rotated = _left_behind(tmp_path, f"{theirs.path.stem}.1.jsonl", 9)
    os.utime(theirs.path, (0, 0))
    ours = _open(tmp_path)
    assert ours.path != theirs.path
    assert ours.path.match("*.jsonl")
    assert theirs.path.stat().st_size == rotated.stat().st_size == 3
    theirs.close()
    ours.close()


@pytest.fixture
def _an_ordinary_user():
    """Whom permissions are for: root is refused nothing."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.fixture
def open_to_all(_an_ordinary_user):
    """A directory that every user may write to, and reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def test_a_file_of_another_user_that_has_our_name_costs_no_line(open_to_all):
    theirs = LogFile(open_to_all, "umbra.api").path
    theirs.touch(0o000)
    ours = _open(open_to_all)
    ours.close()
    assert ours.path.name == f"{theirs.stem}_1.jsonl"
    assert ours.path.read_bytes() == b"{}\n"


def test_a_directory_of_another_user_is_an_error_at_once(open_to_all):
    open_to_all.chmod(0o555)
    with pytest.raises(PermissionError):
        _open(open_to_all)


def test_nobody_takes_a_file_over_while_it_is_rotated(tmp_path, run_script):
    """A second process of the same name opens its file whenever the first one renames one of its own."""
    script = """
        import os, sys
        from pathlib import Path
        from monitoring.logs.file import LogFile

        directory = Path(sys.argv[1])
        file = LogFile(directory, "umbra.api", max_bytes=10)
        others = []

        def meanwhile(event, _):
            if event == "os.rename":
                others.append(LogFile(directory, "umbra.api"))
                os.write(others[-1].descriptor(9), b"another.\\n")

        sys.addaudithook(meanwhile)
        for number in range(4):
            os.write(file.descriptor(9), b"the first\\n")
        for other in others:
            assert other.path.read_bytes() == b"another.\\n", other.path
        assert len({other.path for other in others}) == len(others) > 0
        """
    done = run_script(script, str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_a_process_that_gets_an_old_name_goes_on_in_its_file_on_a_line_of_its_own(tmp_path):
    first = LogFile(tmp_path, "umbra.api")
    os.write(first.descriptor(9), b'{"a": 1}\n{"torn')
    first.close()
    again = _open(tmp_path)
    again.close()
    assert again.path == first.path
    assert again.path.read_bytes() == b'{"a": 1}\n{"torn\n{}\n'


def test_a_log_file_may_be_read_by_a_shipper_of_the_same_group_and_by_nobody_else(tmp_path):
    before = os.umask(0o077)
    file = LogFile(tmp_path / "logs", "umbra.api")
    os.write(file.descriptor(3), b"{}\n")
    os.umask(before)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o750
    file.close()


def _delete(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()


def _move(directory: Path) -> None:
    directory.rename(directory.with_suffix(".old"))


def _move_files(directory: Path) -> None:
    for file in directory.iterdir():
        file.rename(file.with_suffix(".1"))


def _remove_directory(directory: Path) -> None:
    shutil.rmtree(directory)


@pytest.mark.parametrize("vanish", [_delete, _move, _move_files, _remove_directory])
def test_lines_after_a_log_file_was_deleted_or_moved_go_to_a_new_file_under_the_same_name(
    tmp_path: Path, vanish: Callable[[Path], None]
) -> None:
    directory = tmp_path / "logs"
    dropped = []
    sink = Sink("umbra.api", directory)
    sink.on_dropped = lambda: dropped.append(1)
    sink.put(b"before\n")
    assert sink.flush(10)
    (file,) = directory.iterdir()
    vanish(directory)
    sink.put(b"after\n")
    assert sink.flush(10)
    assert file.read_bytes() == b"after\n"
    assert len(open_log_files(directory)) == 1
    sink.close()
    assert dropped == []


def open_log_files(directory: Path) -> list[str]:
    """Files below a directory that this process has open, deleted ones too: their space is not free."""
    links = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            links.append(str(descriptor.readlink()))
    return [link for link in links if link.startswith(str(directory.parent))]


def test_a_log_directory_that_cannot_be_made_again_costs_counted_lines(tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    dropped = []
    sink = Sink("umbra.api", directory)
    sink.on_dropped = lambda: dropped.append(1)
    sink.put(b"before\n")
    assert sink.flush(10)
    shutil.rmtree(directory)
    directory.touch()
    sink.put(b"lost\n")
    assert sink.flush(10)
    directory.unlink()
    sink.put(b"after\n")
    assert sink.flush(10)
    sink.close()
    assert len(dropped) == 1
    assert [file.read_bytes() for file in directory.iterdir()] == [b"after\n"]


def test_a_log_file_tells_that_it_was_deleted(tmp_path: Path) -> None:
    file = LogFile(tmp_path, "umbra.api")
    file.descriptor(1)
    assert not file.is_deleted
    file.path.unlink()
    assert file.is_deleted
    file.close()
    assert not file.is_deleted
