"""In surroundings that are broken every command says so in one sentence, with the right exit code."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from commands import NOBODY, UNSET, Commands, Ended
from needed import missing
from ports import free_port
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from shadow.settings import sqlite_url
from shadow.store import open_store
from shadow.store.schema import migrate
from umbra import command

READING: Mapping[str, Sequence[str]] = {
    "status": ["status"],
    "candidates": ["candidates"],
    "verdict": ["verdict", "gbm@1"],
    "report": ["report", "gbm@1", "-o", "report.html"],
    "outcomes": ["outcomes"],
    "deployments": ["deployments"],
    "prune": ["prune", "--older-than", "90d", "--dry-run"],
}
WRITING: Mapping[str, Sequence[str]] = {
    "promote": ["promote", "gbm@1", "--override", "--reason", "why"],
    "rollback": ["rollback", "--reason", "why"],
    "pause": ["candidates", "pause", "gbm@1"],
    "resume": ["candidates", "resume", "gbm@1"],
    "remove": ["candidates", "remove", "gbm@1"],
}
STARTING: Mapping[str, Sequence[str]] = {"prepare": ["prepare"], "up": ["up"], "demo": ["demo"]}
BECOMING: Mapping[str, Sequence[str]] = {"serve": ["serve"], "work": ["work"]}
WITHOUT_STORE: Mapping[str, Sequence[str]] = {
    "models": ["models"],
    "journal": ["journal"],
    "train": ["train", "linear", "--data", "none.csv"],
    "settings": ["settings"],
    "import": ["outcomes", "import", "none.csv"],
    "show": ["models", "show", "gbm@1"],
    "policy": ["policy", "check", "default"],
}
EVERY = {**READING, **WRITING, **STARTING, **BECOMING, **WITHOUT_STORE}
OF_STORE = {**READING, **WRITING, **STARTING}
ROOT_ONLY = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    directory = Path(tempfile.mkdtemp(prefix="umbra-surroundings-"))
    with Commands(directory) as running:
        yield running
    shutil.rmtree(directory)


@pytest.fixture
def room() -> Iterator[Path]:
    """A directory into which every user may look."""
    directory = Path(tempfile.mkdtemp(prefix="umbra-room-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def prepared_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("prepared") / "umbra.db"
    store = open_store(sqlite_url(path))
    migrate(store)
    store.close()
    return path


def own_ports() -> dict[str, str]:
    names = ("API_PORT", "API_METRICS_PORT", "WORKER_METRICS_PORT")
    return {f"UMBRA_{name}": str(free_port()) for name in names}


def faults_of(
    name: str, ended: Ended, status: int, words: Sequence[str], unsaid: Sequence[str] = ("canary",)
) -> list[str]:
    """What is wrong with how a command ended."""
    lines = [line for line in ended.errors.splitlines() if line]
    faults = []
    if ended.status != status:
        faults.append(f"exit status {ended.status}, expected {status}")
    if "Traceback" in ended.said or 'File "' in ended.said:
        faults.append("a traceback")
    if status and name != "status" and len(lines) != 1:
        faults.append(f"{len(lines)} lines on standard error, expected one sentence")
    faults += [f"{word!r} is missing" for word in words if word not in ended.said]
    faults += [f"{word!r} is shown" for word in unsaid if word in ended.said]
    return [f"{name}: {fault}: {ended.said[-700:]!r}" for fault in faults]


def check(
    commands: Commands,
    which: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    status: int,
    *words: str,
    **how: Any,
) -> None:
    """Run commands; each has to end with `status` and to say `words` in one sentence."""
    faults = []
    for name, arguments in which.items():
        ended = commands.run(*arguments, environment={**own_ports(), **environment}, **how)
        faults += faults_of(name, ended, status, words)
    assert faults == []


def test_every_command_is_tried() -> None:
    tried = {arguments[0] for arguments in EVERY.values()}
    assert tried == set(command._COMMANDS)


# Directories


def test_a_directory_that_is_missing_is_named_with_the_remedy_and_not_made(
    commands: Commands, room: Path
) -> None:
    missing = {"UMBRA_DATA_DIR": str(room / "nothing")}
    words = (str(room / "nothing"), "UMBRA_DATA_DIR", "umbra prepare")
    check(commands, {**READING, **WRITING}, missing, 1, *words)
    check(commands, {"models": ["models"]}, missing, 0, str(room / "nothing"))
    check(commands, {"import": ["outcomes", "import", __file__]}, missing, 1, "UMBRA_DATA_DIR")
    assert list(room.iterdir()) == []


@pytest.mark.parametrize("inner", ["", "data"])
def test_a_directory_that_is_a_file_is_named(commands: Commands, room: Path, inner: str) -> None:
    (room / "file").write_text("in the way")
    broken = {"UMBRA_DATA_DIR": str(room / "file" / inner)}
    check(commands, OF_STORE, broken, 1, str(room / "file"))
    assert (room / "file").read_text() == "in the way"


@ROOT_ONLY
def test_a_directory_that_may_not_be_written_to_is_named(
    commands: Commands, room: Path, prepared_sqlite: Path
) -> None:
    empty, full = room / "empty", room / "full"
    empty.mkdir()
    full.mkdir()
    shutil.copy(prepared_sqlite, full / "umbra.db")
    check(commands, OF_STORE, {"UMBRA_DATA_DIR": str(empty)}, 1, str(empty), user=NOBODY)
    check(commands, WRITING, {"UMBRA_DATA_DIR": str(full)}, 1, user=NOBODY)
    full.chmod(0o700)
    check(commands, OF_STORE, {"UMBRA_DATA_DIR": str(full)}, 1, str(full), user=NOBODY)


@pytest.mark.parametrize(
    "name",
    ["what?x=1", "feature%2Ffoo", "50%", "a#b", "[red]x [y]", 'it\'s "quoted"', "two\nlines", "Zürich €"],
)
def test_a_directory_of_any_name_works(
    commands: Commands, room: Path, prepared_sqlite: Path, name: str
) -> None:
    (room / name).mkdir()
    shutil.copy(prepared_sqlite, room / name / "umbra.db")
    working = {"UMBRA_DATA_DIR": str(room / name)}
    check(
        commands, {each: READING[each] for each in READING if each not in ("verdict", "report")}, working, 0
    )
    check(commands, {each: READING[each] for each in ("verdict", "report")}, working, 1, "gbm@1")
    check(commands, WRITING, working, 1)
    assert [path.name for path in room.iterdir()] == [name]


# SQLite files


def garbage(path: Path, _prepared: Path) -> None:
    path.write_bytes(b"no database at all " * 500)


def empty(path: Path, _prepared: Path) -> None:
    path.touch()


def directory(path: Path, _prepared: Path) -> None:
    path.mkdir()


def fifo(path: Path, _prepared: Path) -> None:
    os.mkfifo(path)


def half(path: Path, prepared: Path) -> None:
    path.write_bytes(prepared.read_bytes()[:6000])


def altered(path: Path, prepared: Path, *statements: str) -> None:
    shutil.copy(prepared, path)
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def newer(path: Path, prepared: Path) -> None:
    altered(path, prepared, "UPDATE alembic_version SET version_num = '9999'")


def of_somebody_else(path: Path, _prepared: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE captures (x)")
        connection.commit()


@pytest.mark.parametrize("make", [garbage, directory, fifo, half, newer])
def test_an_sqlite_store_that_cannot_be_used_is_said(
    commands: Commands, room: Path, prepared_sqlite: Path, make: Callable[[Path, Path], None]
) -> None:
    path = room / "umbra.db"
    make(path, prepared_sqlite)
    check(commands, OF_STORE, {"UMBRA_DATA_DIR": str(room)}, 1)


@pytest.mark.parametrize("make", [empty, of_somebody_else])
def test_an_sqlite_file_without_our_tables_names_the_remedy(
    commands: Commands, room: Path, prepared_sqlite: Path, make: Callable[[Path, Path], None]
) -> None:
    path = room / "umbra.db"
    make(path, prepared_sqlite)
    before = path.read_bytes()
    check(commands, {**READING, **WRITING}, {"UMBRA_DATA_DIR": str(room)}, 1, "umbra prepare")
    assert path.read_bytes() == before


def test_tables_of_an_older_umbra_name_the_remedy(
    commands: Commands, room: Path, prepared_sqlite: Path
) -> None:
    altered(room / "umbra.db", prepared_sqlite, "UPDATE alembic_version SET version_num = '0001'")
    check(commands, {**READING, **WRITING}, {"UMBRA_DATA_DIR": str(room)}, 1, "0001", "umbra prepare")


def test_tables_of_somebody_else_are_not_taken_over(
    commands: Commands, room: Path, prepared_sqlite: Path
) -> None:
    of_somebody_else(room / "umbra.db", prepared_sqlite)
    check(commands, STARTING, {"UMBRA_DATA_DIR": str(room)}, 1, "captures")


# Addresses of stores


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://umbra:canary@db/umbra", "expected postgresql://"),
        ("postgresql://umbra:se@canary@127.0.0.1/umbra", "percent-encode"),
        ("postgresql://umbra:12/canary@127.0.0.1/umbra", "percent-encode"),
        ("postgresql://umbra:canary@127.0.0.1:port/umbra", "expected postgresql://"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:////tmp/x.db?ssl=canary", "'ssl'"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_and_not_shown(
    commands: Commands, room: Path, url: str, words: str
) -> None:
    wrong = {"UMBRA_DATA_DIR": str(room), "UMBRA_STORE_URL": url}
    affected = {name: arguments for name, arguments in EVERY.items() if name not in ("policy", "import")}
    check(commands, affected, wrong, 2, "UMBRA_STORE_URL", words)
    assert list(room.iterdir()) == []


def test_a_wrong_setting_is_named_by_every_command(commands: Commands, room: Path) -> None:
    wrong = {"UMBRA_DATA_DIR": str(room), "UMBRA_POLL_SECONDS": "soon"}
    affected = {name: arguments for name, arguments in EVERY.items() if name not in ("policy", "import")}
    check(commands, affected, wrong, 2, "UMBRA_POLL_SECONDS='soon'")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://umbra:canary@127.0.0.1:1/umbra", "refused"),
        ("postgresql://umbra:canary@no-such-host.invalid/umbra", "no-such-host.invalid"),
        ("postgresql://umbra:canary@/umbra?host=/no/such/socket", "/no/such/socket"),
        ("postgresql://umbra:canary@127.0.0.1:1/umbra?ssl=true", '"ssl"'),
    ],
)
def test_a_server_that_cannot_be_reached_is_said_without_its_password(
    commands: Commands, room: Path, url: str, words: str
) -> None:
    away = {"UMBRA_DATA_DIR": str(room), "UMBRA_STORE_URL": url}
    check(commands, OF_STORE, away, 1, words)


# Servers


@dataclass
class Server:
    """A PostgreSQL server on which databases are made and spoiled."""

    url: str
    made: list[str] = field(default_factory=list)

    def execute(self, database: str, *statements: str) -> None:
        url = make_url(self.url).set(drivername="postgresql+psycopg2", database=database)
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def database(self, *statements: str, how: str = "", is_prepared: bool = True) -> str:
        """The name of a new database, prepared unless told otherwise, on which statements were run."""
        name = f"umbra_broken_{uuid4().hex[:12]}"
        self.execute("postgres", f'CREATE DATABASE "{name}" {how}')
        if is_prepared:
            store = open_store(self.url_of(name))
            migrate(store)
            store.close()
        self.execute(name, *(statement.format(name=name) for statement in statements))
        return name

    def url_of(self, database: str, **parts: str) -> str:
        return make_url(self.url).set(database=database, **parts).render_as_string(hide_password=False)


@pytest.fixture
def server(postgres_url: str) -> Server:
    return Server(postgres_url)


def test_a_database_that_does_not_exist_is_named_and_nobody_is_sent_in_circles(
    commands: Commands, room: Path, server: Server
) -> None:
    absent = {"UMBRA_DATA_DIR": str(room), "UMBRA_STORE_URL": server.url_of("no_such_database")}
    check(commands, {**READING, **WRITING}, absent, 1, "no_such_database")
    ended = commands.run("prepare", environment=absent)
    assert faults_of("prepare", ended, 1, ["no_such_database"], ["umbra prepare"]) == []


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_in_another_encoding_is_refused_by_every_start(
    commands: Commands, room: Path, server: Server, encoding: str
) -> None:
    name = server.database(how=f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0", is_prepared=False)
    wrong = {"UMBRA_DATA_DIR": str(room), "UMBRA_STORE_URL": server.url_of(name), "UMBRA_LOG_DIR": str(room)}
    check(commands, OF_STORE, wrong, 1, encoding, "UTF8", "createdb")
    check(commands, BECOMING, wrong | {"UMBRA_LOG_STDOUT": "false"}, 1, encoding, "createdb")


def test_a_database_that_became_read_only_can_be_read_and_says_so_to_who_writes(
    commands: Commands, room: Path, server: Server
) -> None:
    name = server.database('ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    frozen = {"UMBRA_DATA_DIR": str(room), "UMBRA_STORE_URL": server.url_of(name)}
    check(commands, {each: READING[each] for each in ("candidates", "deployments", "outcomes")}, frozen, 0)
    check(commands, WRITING, frozen, 1)
    check(commands, STARTING, frozen, 1, "read-only")


def test_a_role_without_rights_is_told_what_to_grant(commands: Commands, room: Path, server: Server) -> None:
    role = f"umbra_stranger_{uuid4().hex[:8]}"
    server.execute("postgres", f"CREATE ROLE {role} LOGIN")
    prepared = server.database("REVOKE CREATE ON SCHEMA public FROM public")
    unprepared = server.database("REVOKE CREATE ON SCHEMA public FROM public", is_prepared=False)
    stranger = {"UMBRA_DATA_DIR": str(room), "UMBRA_STORE_URL": server.url_of(prepared, username=role)}
    check(commands, {**READING, **WRITING}, stranger, 1, "permission denied", "grant that right")
    stranger["UMBRA_STORE_URL"] = server.url_of(unprepared, username=role)
    check(commands, STARTING, stranger, 1, "permission denied", "grant that right")


@pytest.mark.parametrize(("revision", "words"), [("9999", "newer Umbra"), ("0001", "umbra prepare")])
def test_tables_of_another_umbra_are_told(
    commands: Commands, room: Path, server: Server, revision: str, words: str
) -> None:
    name = server.database(f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608
    other = {"UMBRA_DATA_DIR": str(room), "UMBRA_STORE_URL": server.url_of(name)}
    check(commands, {**READING, **WRITING}, other, 1, revision, words)


def test_a_localized_server_is_understood(commands: Commands, room: Path, server: Server) -> None:
    name = server.database(
        'ALTER TABLE candidates RENAME COLUMN policy TO "Urteilsgrundlage"',
    )
    other = {"UMBRA_DATA_DIR": str(room), "UMBRA_STORE_URL": server.url_of(name)}
    check(commands, {"candidates": READING["candidates"], "status": READING["status"]}, other, 1, "policy")


def test_a_server_that_hangs_is_waited_for_only_so_long(
    commands: Commands, room: Path, postgres_cluster: Any
) -> None:
    pid = int((postgres_cluster.directory / "data" / "postmaster.pid").read_text().split()[0])
    hanging = {"UMBRA_DATA_DIR": str(room), "UMBRA_STORE_URL": postgres_cluster.url}
    os.kill(pid, signal.SIGSTOP)
    try:
        check(commands, {"status": READING["status"]}, hanging, 1, "The store does not answer")
    finally:
        os.kill(pid, signal.SIGCONT)


# Users, terminals, files


@ROOT_ONLY
def test_a_user_without_a_name_or_a_home_decides_under_a_number(
    commands: Commands, room: Path, prepared_sqlite: Path
) -> None:
    if not all(parent.stat().st_mode & 0o001 for parent in Path(command.__file__).parents):
        missing("an installation that other users can reach", "install outside of a private directory")
    data = room / "data"
    data.mkdir()
    shutil.copy(prepared_sqlite, data / "umbra.db")
    for path in (data, data / "umbra.db"):
        os.chown(path, 54_321, 54_321)
    nameless = dict.fromkeys(("HOME", "USER", "LOGNAME", "LNAME", "USERNAME"), UNSET)
    nameless |= {"UMBRA_DATA_DIR": str(data)}
    check(commands, WRITING, nameless, 1, user=54_321)
    check(commands, {"status": READING["status"]}, nameless, 0, user=54_321)
    wrong = nameless | {"UMBRA_DATA_DIR": "~/umbra"}
    check(commands, READING, wrong, 2, "UMBRA_DATA_DIR", "~", user=54_321)


def test_a_home_of_nobody_is_refused(commands: Commands) -> None:
    check(
        commands, {**OF_STORE, "models": ["models"]}, {"UMBRA_DATA_DIR": "~nosuchuser/x"}, 2, "~nosuchuser/x"
    )


def test_a_current_directory_that_is_gone_is_said(commands: Commands, room: Path) -> None:
    for name, arguments in {**READING, **STARTING}.items():
        (room / "gone").mkdir()
        ended = commands.run(*arguments, environment={}, cwd=room / "gone", cwd_goes=True)
        assert faults_of(name, ended, 2, ["UMBRA_DATA_DIR", "current directory is gone"]) == []


@pytest.mark.parametrize(
    "surroundings",
    [
        {"LC_ALL": "C", "LANG": "C"},
        {"COLUMNS": "20"},
        {"TERM": "dumb"},
        {"TMPDIR": "/no/such/directory"},
        {"HOME": UNSET},
        {"TZ": "Pacific/Kiritimati"},
    ],
)
def test_commands_work_in_poor_surroundings(
    commands: Commands, room: Path, prepared_sqlite: Path, surroundings: Mapping[str, str]
) -> None:
    shutil.copy(prepared_sqlite, room / "umbra.db")
    working = {"UMBRA_DATA_DIR": str(room), **surroundings}
    for each in ("status", "candidates", "deployments", "outcomes"):
        check(commands, {each: READING[each]}, working, 0)
    check(commands, {each: READING[each] for each in ("verdict", "report")}, working, 1)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["statsu"], 2, "Did you mean 'status'?"),
        (["candidates", "remov", "gbm@1"], 2, "remove"),
        (["train", "gbm", "--seed", "-1"], 2, "seed"),
        (["outcomes", "--limit", "99999999999999999999"], 2, "limit"),
        (["outcomes", "--limit", "-1"], 2, "limit"),
        (["verdict", "gbm@1", "--as-of", "yesterday"], 2, "no moment"),
        (["report", "gbm@1", "-o", "/nonexistent/x.html"], 1, "gbm@1"),
        (["policy", "check", "/nonexistent.toml"], 1, "/nonexistent.toml: No such file"),
        (["policy", "check", "/"], 1, "/: Is a directory"),
        (
            ["train", "linear", "--data", "/nonexistent.csv"],
            1,
            "umbra: /nonexistent.csv: No such file or directory\n",
        ),
        (["train", "linear", "--data", "/"], 1, "/"),
        (["promote", "gbm@1", "--override", "--reason", "half \udcff a byte"], 1, "reason"),
        (["rollback", "--reason", "two\nlines"], 1, "reason"),
        (["candidates", "pause", "gbm"], 2, "NAME@VERSION"),
    ],
)
def test_arguments_that_cannot_be_right_are_said(
    commands: Commands, room: Path, prepared_sqlite: Path, arguments: Sequence[str], status: int, words: str
) -> None:
    shutil.copy(prepared_sqlite, room / "umbra.db")
    ended = commands.run(*arguments, environment={"UMBRA_DATA_DIR": str(room)})
    assert (ended.status, "Traceback" in ended.said) == (status, False), ended
    assert words in ended.errors


@pytest.mark.parametrize(
    "moment",
    [
        "2026-12-01T00:17:13.476725+00:00",
        "2026-12-01 00:17:13 UTC",
        "2026-12-01 00:17 UTC",
        "2026-12-01T00:17:13Z",
        "2026-12-01T00:17:13",
        "2026-12-01",
        "2026-12-01T02:17:13+02:00",
    ],
)
def test_every_time_that_is_printed_can_be_given_back(
    commands: Commands, room: Path, prepared_sqlite: Path, moment: str
) -> None:
    shutil.copy(prepared_sqlite, room / "umbra.db")
    ended = commands.run("verdict", "gbm@1", "--as-of", moment, environment={"UMBRA_DATA_DIR": str(room)})
    assert faults_of("verdict", ended, 1, ["gbm@1"]) == []


@contextmanager
def output_to(kind: str) -> Iterator[Any]:
    if kind == "full":
        with Path("/dev/full").open("w") as full:
            yield full
        return
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        yield pipe


@pytest.mark.parametrize("kind", ["full", "pipe"])
def test_an_output_that_cannot_be_written_is_one_sentence_or_none(
    room: Path, prepared_sqlite: Path, kind: str
) -> None:
    shutil.copy(prepared_sqlite, room / "umbra.db")
    environment = {**os.environ, "UMBRA_DATA_DIR": str(room)}
    with output_to(kind) as output:
        ended = subprocess.run(
            [sys.executable, "-m", "umbra", "status"],
            env=environment,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == (["umbra: No space left on device"] if kind == "full" else [])


def test_a_closed_output_is_no_file_of_the_store(room: Path, prepared_sqlite: Path) -> None:
    shutil.copy(prepared_sqlite, room / "umbra.db")
    before = (room / "umbra.db").read_bytes()
    ended = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -m umbra status >&- 2>&-', sys.executable],
        env={**os.environ, "UMBRA_DATA_DIR": str(room)},
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    assert (room / "umbra.db").read_bytes() == before
