"""docs/SERVE.md compared with the code: costs, keys, commands, numbers, log fields."""

import ast
import configparser
import re
import shlex
from collections import defaultdict
from itertools import pairwise

import click
import pytest
import yaml

from batch_action.cli import commands
from batch_action.cli.serve import SIGNING_KEY
from batch_action.config.server import RepositoryConfig, ServerConfig, parse_server_config
from batch_action.server import dispatcher, ledgers
from batch_action.server.app import BODY_SECONDS, DELIVERIES, MAX_BYTES
from batch_action.server.loop import MAX_POLL_SECONDS, MAX_RETRY_SECONDS, MIN_SECONDS
from tests.documents.texts import fences, project_files, read, rows, section

TEXT = read("docs/SERVE.md")
WORDS = " ".join(TEXT.split())
SERVE = commands.serve
RUNS = 30
PER_MINUTE = 0.006
WAYS = {
    "A second cron line": (RUNS, 1),
    "A cron line every hour": (RUNS * 24, 1),
    "`wait-minutes: 60`": (RUNS, 60),
    "`serve`": (RUNS, 1),
}
"""Jobs a month and the minutes that each is billed."""


@pytest.mark.parametrize("row", rows(section(TEXT, "Which way to use")), ids=lambda r: r[0])
def test_the_costs_are_computed(row: list[str]) -> None:
    jobs, each = next(counts for way, counts in WAYS.items() if row[0].startswith(way))
    # Waiting adds no job, only minutes to the one that submits.
    more = 0 if "wait" in row[0] else jobs
    assert row[1:4] == [f"{more:,}", f"{jobs * each:,}", f"${jobs * each * PER_MINUTE:.2f}"]


def test_the_price_and_the_period_are_named() -> None:
    assert f"for {RUNS} days" in WORDS
    assert f"${PER_MINUTE} a minute" in WORDS


def test_the_file_to_copy_is_valid() -> None:
    (file,) = fences(TEXT, "yaml")
    shop, site = parse_server_config(yaml.safe_load(file), "SERVE.md").repositories
    assert (shop.workflow, site.token_env) == ("batch-action.yml", "SITE_TOKEN")
    assert [ledger.name for ledger in site.ledgers] == [
        "octo/site/code-review/web",
        "octo/site/security-scan/web",
    ]


def test_every_key_is_explained_with_its_default() -> None:
    text = section(TEXT, "Start")
    documented = {row[0].strip("`"): row[1] for row in rows(text)}
    declared = {
        str(field.alias): field
        for model in (RepositoryConfig, ServerConfig)
        for field in model.model_fields.values()
        if str(field.alias) != "repositories"
    }
    assert list(documented) == list(declared)
    for name, field in declared.items():
        match field.default:
            case str(default):
                assert documented[name] == f"`{default}`"
            case tuple((default,)):
                assert documented[name] == f"`{default}`"
            case bool(default):
                assert documented[name] == f"`{str(default).lower()}`"
            case _:
                assert (
                    documented[name] == "none"
                    or "default" in documented[name]
                    or "GITHUB_API_URL" in documented[name]
                    or SIGNING_KEY in documented[name]
                )


def arguments(line: str) -> list[str] | None:
    """Return what follows `batch-action serve` in a command line; None for other commands."""
    words = shlex.split(line)
    for at, (first, second) in enumerate(pairwise(words)):
        if first.endswith("batch-action") and second == "serve":
            return words[at + 2 :]
    return None


def test_the_commands_are_valid() -> None:
    lines = [line for block in fences(TEXT, "console") for line in block.splitlines()]
    lines += re.findall(r"^ExecStart=(.*)$", TEXT, re.MULTILINE)
    argument_lists = [
        argument_list for line in lines if (argument_list := arguments(line)) is not None
    ]
    assert len(argument_lists) == 3
    for argument_list in argument_lists:
        assert SERVE.make_context("serve", argument_list).params["watch"] is True


def test_named_flags_and_defaults_exist() -> None:
    options = {flag: p for p in SERVE.params if isinstance(p, click.Option) for flag in p.opts}
    named = set(re.findall(r"`(--[a-z-]+)", TEXT))
    assert named <= set(options)
    assert f"127.0.0.1:{options['--port'].default}/healthz" in WORDS
    assert options["--host"].default == "127.0.0.1"


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"over {BODY_SECONDS:g} seconds, or has over {MAX_BYTES // 1024} KiB" in WORDS
    assert f"given up after {dispatcher.MAX_REFUSALS} tries" in WORDS
    assert f"for {dispatcher.RETENTION.days} days" in WORDS
    assert f"every {ledgers.READ_EVERY.seconds // 60} minutes" in WORDS
    assert f"during {dispatcher.UNKNOWN_AFTER.seconds // 60} minutes" in WORDS
    assert f"after {MIN_SECONDS:g} seconds, 10, 20, up to {MAX_RETRY_SECONDS / 60:g} min" in WORDS
    assert (MAX_POLL_SECONDS, dispatcher.GIVE_UP_AFTER.days) == (60, 1)
    assert f"`POST {DELIVERIES}`" in WORDS


def logged_fields() -> dict[str, set[str]]:
    """Return the fields of each event that the code logs by name."""
    fields: dict[str, set[str]] = defaultdict(set)
    names = [n for n in project_files() if n.startswith("batch_action/server/")]
    for name in [*names, "batch_action/commands/serve.py"]:
        tree = ast.parse(read(name)) if name.endswith(".py") else ast.Module([], [])
        for call in ast.walk(tree):
            match call:
                case ast.Call(
                    func=ast.Attribute(attr="info" | "warning" | "error" | "bug" as level),
                    args=[ast.Constant(value=str(event)), *_],
                ):
                    fields[event] |= {word.arg for word in call.keywords if word.arg}
                    fields[event] |= {"problem", "trace"} if level == "bug" else set()
    return fields


def test_the_log_s_events_and_fields_are_documented() -> None:
    documented = {
        event: set(re.findall(r"`(\w+)`", row[1]))
        for row in rows(section(TEXT, "Health and log"))
        for event in re.findall(r"`(\w+)`", row[0])
    }
    logged = logged_fields()
    # Logged by the name of the worker, and by the formatter.
    assert set(documented) - set(logged) == {"dispatcher", "watcher", "library"}
    missing = {event: fields - documented[event] for event, fields in logged.items()}
    assert not any(missing.values()), missing


def test_the_unit_is_valid() -> None:
    (unit,) = fences(TEXT, "ini")
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit)
    assert parser.sections() == ["Unit", "Service", "Install"]
    service = parser["Service"]
    assert f"/var/lib/{service['StateDirectory']}/" in service["ExecStart"]
    assert service["Restart"] == "always"
