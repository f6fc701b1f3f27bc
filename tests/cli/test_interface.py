"""What all commands have in common: help, --json, exit codes, errors on stderr, settings, secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
import pytest
import structlog.testing

from segments.cli import main
from segments.cli.command import Failure, run_async
from segments.roles import run_roles
from service.runtime.environment import read_settings
from service.runtime.settings_fields import settings_fields
from tests.support.command_line import run
from tests.support.roles import command_line

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from pathlib import Path

    from service.runtime.settings import Settings

CHANGING = {
    "segment create", "segment edit", "segment archive", "segment restore", "send", "import", "lane adopt", "lane skip",
    "rejected retry", "key create", "key revoke", "apply", "source allow", "source revoke", "source close",
    "analyst grant", "analyst revoke", "key link", "setup", "memberships republish", "seal reopen", "erase",
}  # fmt: skip
SECRET = "hunter2-and-a-half-of-which-nobody-knew"  # noqa: S105 - a secret of this test


def commands(group: click.Group = main, path: str = "") -> Iterator[tuple[str, click.Command]]:
    for name in group.commands:
        _, command, _ = group.resolve_command(click.Context(group), [name])
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def test_every_command_has_json_help_for_each_option_and_an_actor_where_it_changes_something() -> (
    None
):
    found = dict(commands())
    assert set(found) >= CHANGING | {
        "setup",
        "run",
        "ingest",
        "project",
        "status",
        "explain",
        "verify",
        "rebuild",
    }
    for name, command in found.items():
        assert command.help, name
        options = [param for param in command.params if isinstance(param, click.Option)]
        assert "--json" in {option for one in options for option in one.opts}, name
        assert [one.name for one in options if not one.help] == [], name
        assert ("--actor" in {o for one in options for o in one.opts}) == (name in CHANGING), name


async def test_help_goes_to_stdout_and_wrong_use_to_stderr_with_2() -> None:
    for name, _ in commands():
        helped = await run(None, *name.split(), "--help")
        assert (helped.code, helped.out[:6], helped.err) == (0, "Usage:", ""), name
        wrong = await run(None, *name.split(), "--no-such-option")
        assert (wrong.code, wrong.out) == (2, ""), name
        assert "no-such-option" in wrong.err


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["segment", "list"], {}),
        (["segment", "create", "--network", "a/b", "--name", "x"], {}),
        (["segment", "create", "--network", "n", "--name", " "], {}),
        (["segment", "create", "--network", "n", "--name", "x", "--id", "0"], {}),
        (["send", "--network", "n", "--user", "u", "--segment", "1", "--status", "expire"], {}),
        (["send", "--network", "n", "--user", "u", "--segment", "0", "--status", "add"], {}),
        (["send", "--network", "n", "--user", "u", "--segment", "1", "--status", "add", "--metadata", "{"], {}),
        (["send", "--network", "n", "--user", "u", "--segment", "1", "--status", "add", "--metadata", "[1]"], {}),
        (["send", "--network", "n", "--user", "u", "--segment", "1", "--status", "reset", "--expires", "2000000000"],
         {}),
        (["send", "--network", "n", "--user", "\udcff", "--segment", "1", "--status", "add"], {}),
        (["lane", "adopt", "--partition", "0", "--from", "soon", "--reason", "r"], {}),
        (["rejected", "show", "here"], {}),
        (["import", "/no/such/file"], {}),
        (["status", "--wait", "-1"], {}),
        (["config"], {"SEGMENTS_HEALTH_PORT": "many"}),
        (["config"], {"SEGMENTS_LOG_LEVEL": "loud"}),
        (["config"], {"SEGMENTS_DATABASE_URL_FILE": "/no/such/file"}),
    ],
)  # fmt: skip
async def test_wrong_use_ends_with_2_and_says_why_on_stderr(
    arguments: list[str], environ: dict[str, str]
) -> None:
    result = await run(None, *arguments, **environ)
    assert (result.code, result.out) == (2, "")
    assert result.err.strip()
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("arguments", "away"),
    [
        (["segment", "list"], {"DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/d"}),
        (["segment", "list"], {"DATABASE_URL": f"postgresql://u:{SECRET}/x@127.0.0.1:5432/d"}),
        (["segment", "list"], {"DATABASE_URL": f"postgresql://u:{SECRET}#x@127.0.0.1:5432/d"}),
        (["segment", "list"], {"DATABASE_URL": SECRET}),
        (["segment", "list"], {"DATABASE_URL": f"postgres://h/d?{SECRET}"}),
        (["segment", "list"], {"DATABASE_URL": f"mysql://u:{SECRET}@127.0.0.1/d"}),
        (["setup", "--check"], {"DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/d"}),
        (["send", "--network", "n", "--user", "u", "--segment", "1", "--status", "add"],
         {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}),
    ],
)  # fmt: skip
async def test_what_is_away_or_misnamed_ends_with_1_or_2_on_stderr_and_tells_no_secret(
    arguments: list[str], away: dict[str, str]
) -> None:
    result = await run(
        None, *arguments, **{f"SEGMENTS_{name}": value for name, value in away.items()}
    )
    assert result.code in (1, 2)
    assert result.out == ""
    assert result.err.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.err
    assert SECRET not in result.err


@pytest.mark.parametrize(
    ("arguments", "environ", "message"),
    [
        (["status"], {"SEGMENTS_DATABASE_URL": "postgresql://u:pw@127.0.0.1:1/d"},
         "Error: Postgres is unavailable. (127.0.0.1:1: "),
        (["send", "--network", "n", "--user", "u", "--segment", "1", "--status", "add"],
         {"SEGMENTS_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1,127.0.0.1:2"},
         "Error: Can't reach Kafka: 127.0.0.1:1: ConnectionRefusedError: "),
        (["setup", "--check"], {"SEGMENTS_DATABASE_URL": "postgresql://u:pw@127.0.0.1:1/d"},
         "Error: Postgres is unavailable. (127.0.0.1:1: "),
    ],
)  # fmt: skip
async def test_which_server_is_away_is_told_in_one_line_with_its_address(
    arguments: list[str], environ: dict[str, str], message: str
) -> None:
    result = await run(None, *arguments, **environ)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert result.err.startswith(message)
    for server in environ.get("SEGMENTS_KAFKA_BOOTSTRAP_SERVERS", "").split(","):
        assert server in result.err


async def test_an_empty_setting_is_unset_and_a_wrong_one_is_told_in_our_own_words(
    tmp_path: Path,
) -> None:
    empty = dict.fromkeys((f"SEGMENTS_{name.upper()}" for name in settings_fields()), "")
    path = tmp_path / "secret"
    path.write_text("\n", encoding="utf-8")
    listed = await run(None, "config", "--json", **empty, SEGMENTS_SIGNING_KEY_FILE=str(path))
    assert [
        (row["name"], row["value"]) for row in listed.json if row["value"] != row["default"]
    ] == []
    wrong = await run(None, "config", SEGMENTS_SETUP_DATABASE_URL="mysql://h/d")
    assert wrong.err.startswith("Error: SEGMENTS_SETUP_DATABASE_URL: must be postgresql://")


@pytest.mark.parametrize(
    "weak",
    [
        "change me",
        "x" * 40,
        "abcabcabc" * 5,
        "short but odd: 8Zq!",
        "change-me-change-me-1234567890abcdef",
    ],
)
async def test_a_signing_key_that_is_weak_or_a_placeholder_is_refused_by_every_command(
    weak: str,
) -> None:
    for arguments in (("config",), ("api",), ("ingest",), ("project",)):
        refused = await run(None, *arguments, SEGMENTS_SIGNING_KEY=weak)
        assert (refused.code, refused.out) == (2, "")
        assert "SEGMENTS_SIGNING_KEY: must be at least 32 random characters" in refused.err
        assert weak not in refused.err


async def test_config_lists_every_setting_with_meaning_default_and_value_but_no_secret() -> None:
    environ = {"SEGMENTS_DATABASE_URL": f"postgresql://u:{SECRET}@h/d", "SEGMENTS_SIGNING_KEY": SECRET,
               "SEGMENTS_KAFKA_SASL_PASSWORD": SECRET, "SEGMENTS_SETUP_DATABASE_URL": f"postgres://{SECRET}@h:1/d",
               "SEGMENTS_TOPIC_PREFIX": "mine"}  # fmt: skip
    listed = await run(None, "config", "--json", **environ)
    rows = {row["name"]: row for row in listed.json}
    assert list(rows) == [f"SEGMENTS_{name.upper()}" for name in settings_fields()]
    assert all(row["meaning"] for row in rows.values())
    assert rows["SEGMENTS_TOPIC_PREFIX"] | {"meaning": ""} == {
        "name": "SEGMENTS_TOPIC_PREFIX", "meaning": "", "default": "segments", "value": "mine",
    }  # fmt: skip
    assert rows["SEGMENTS_DATABASE_URL"]["value"] == "(secret)"
    plain = await run(None, "config", **environ)
    assert SECRET not in listed.out + plain.out + plain.err
    assert all(name in plain.out for name in rows)


UNKNOWN = {
    "SEGMENTS_TOPIC_PREFX": "mine",
    "SEGMENTS_HTTP_PORT_FILE": "x",
}  # only secrets come in files


async def test_config_warns_of_each_variable_that_is_no_setting_and_of_no_other(
    tmp_path: Path,
) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET, encoding="utf-8")
    known = {
        "SEGMENTS_ACTOR": "ann",
        "SEGMENTS_SIGNING_KEY_FILE": str(path),
        "segments_topic_prefix": "mine",
    }
    result = await run(None, "config", "--json", **known, **UNKNOWN)
    assert (result.code, len(result.json)) == (0, len(settings_fields()))
    assert result.err.splitlines() == [
        f"warning: {name} is not a setting and has no effect" for name in sorted(UNKNOWN)
    ]


async def test_a_role_warns_once_at_its_start_of_variables_that_are_no_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def role(_settings: Settings, _stop: asyncio.Event) -> None:
        pass

    for name in os.environ:
        if name.startswith("SEGMENTS_"):
            monkeypatch.delenv(name)
    for name, value in UNKNOWN.items():
        monkeypatch.setenv(name, value)
    with structlog.testing.capture_logs() as lines:
        await run_roles(read_settings(), (role, role))
    warned = [line["names"] for line in lines if line["log_level"] == "warning"]
    assert [set(names) >= set(UNKNOWN) for names in warned] == [True]


def test_an_error_without_a_text_is_told_by_its_name() -> None:
    async def late() -> None:
        raise TimeoutError

    with pytest.raises(Failure, match=r"^Can't reach Postgres or Kafka: TimeoutError$"):
        run_async(late())


async def test_each_secret_is_also_read_from_a_file_whose_last_newline_is_cut(
    tmp_path: Path,
) -> None:
    secrets = [n for n, f in settings_fields().items() if f.is_secret]
    assert set(secrets) >= {
        "database_url",
        "setup_database_url",
        "kafka_sasl_password",
        "signing_key",
    }
    path = tmp_path / "secret"
    text = f"postgresql://{SECRET}@h/d"
    path.write_text(f"{text}\n", encoding="utf-8")
    environ = {f"SEGMENTS_{name.upper()}_FILE": str(path) for name in secrets}
    with pytest.MonkeyPatch.context() as patch:
        for name in [*environ, *(f"SEGMENTS_{n.upper()}" for n in secrets)]:
            patch.delenv(name, raising=False)
        for name, value in environ.items():
            patch.setenv(name, value)
        found = read_settings()
        for name in secrets:
            assert getattr(found, name).get_secret_value() == text
        patch.setenv("SEGMENTS_SIGNING_KEY", given := "given by hand, and long enough for it")
        assert read_settings().signing_secret == given.encode()
    assert SECRET not in repr(found)


def test_a_process_of_its_own_ends_with_these_codes_too() -> None:
    """The one test that starts the program: the others call it in this process."""
    wrong = command_line(
        read_settings(database_url=None, kafka_bootstrap_servers=None), "segment", "list"
    )
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "SEGMENTS_DATABASE_URL" in wrong.stderr
