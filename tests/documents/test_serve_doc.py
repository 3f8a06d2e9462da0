"""docs/SERVE.md against the code: its table is computed, its file is read, its commands exist."""

import configparser
import re
import shlex
from itertools import pairwise

import click
import pytest
import yaml

from batch_action.cli.commands import cli
from batch_action.config.server import RepositoryConfig, serving_from
from batch_action.server import dispatcher, ledgers
from batch_action.server.app import BODY_SECONDS, DELIVERIES, MOST_BYTES
from batch_action.server.backoff import FIRST, LONGEST, LONGEST_RETRY
from tests.documents.texts import fences, read, rows, section

TEXT = read("docs/SERVE.md")
WORDS = " ".join(TEXT.split())
SERVE = cli.commands["serve"]
NIGHTS = 30
PER_MINUTE = 0.006
WAYS = {
    "A second cron line": (NIGHTS, 1),
    "A cron line every hour": (NIGHTS * 24, 1),
    "`wait-minutes: 60`": (NIGHTS, 60),
    "`serve`": (NIGHTS, 1),
}
"""Jobs a month and the minutes that each is billed."""


@pytest.mark.parametrize("row", rows(section(TEXT, "Which way suits whom")), ids=lambda r: r[0])
def test_the_costs_are_computed(row: list[str]) -> None:
    jobs, each = next(found for way, found in WAYS.items() if row[0].startswith(way))
    # Who waits adds no job, only minutes to the one that submits.
    more = 0 if "wait" in row[0] else jobs
    assert row[1:4] == [f"{more:,}", f"{jobs * each:,}", f"${jobs * each * PER_MINUTE:.2f}"]


def test_the_price_and_the_months_are_told() -> None:
    assert f"for {NIGHTS} nights" in WORDS
    assert f"${PER_MINUTE} a minute" in WORDS


def test_the_file_to_copy_is_one() -> None:
    (file,) = fences(TEXT, "yaml")
    shop, site = serving_from(yaml.safe_load(file), "SERVE.md").repositories
    assert (shop.workflow, site.token_env) == ("batch-action.yml", "SITE_TOKEN")
    assert [site.ledger_name(book) for book in site.ledgers] == [
        "octo/site/code-review/web",
        "octo/site/security-scan/web",
    ]


def test_every_key_is_explained_with_its_default() -> None:
    told = {row[0].strip("`"): row[1] for row in rows(section(TEXT, "Start"))}
    declared = {str(field.alias): field for field in RepositoryConfig.model_fields.values()}
    assert list(told) == list(declared)
    for name, field in declared.items():
        match field.default:
            case str(default):
                assert told[name] == f"`{default}`"
            case tuple((one,)):
                assert told[name] == f"`{one}`"
            case bool(default):
                assert told[name] == f"`{str(default).lower()}`"
            case _:
                assert told[name] == "none" or "default" in told[name] or "GitHub" in told[name]


def arguments(line: str) -> list[str] | None:
    """What follows `batch-action serve` in a command line."""
    words = shlex.split(line)
    for at, (first, second) in enumerate(pairwise(words)):
        if first.endswith("batch-action") and second == "serve":
            return words[at + 2 :]
    return None


def test_the_commands_are_understood() -> None:
    lines = [line for block in fences(TEXT, "console") for line in block.splitlines()]
    lines += re.findall(r"^ExecStart=(.*)$", TEXT, re.MULTILINE)
    found = [given for line in lines if (given := arguments(line)) is not None]
    assert len(found) == 3
    for given in found:
        assert SERVE.make_context("serve", given).params["watch"] is True


def test_flags_and_defaults_that_are_told_exist() -> None:
    options = {flag: p for p in SERVE.params if isinstance(p, click.Option) for flag in p.opts}
    named = set(re.findall(r"`(--[a-z-]+)", TEXT))
    assert named <= set(options)
    assert f"`--settle-seconds` ({options['--settle-seconds'].default:g})" in WORDS
    assert f"127.0.0.1:{options['--port'].default}/healthz" in WORDS
    assert options["--host"].default == "127.0.0.1"


def test_the_numbers_are_those_of_the_code() -> None:
    assert f"over {BODY_SECONDS:g} seconds, or has over {MOST_BYTES // 1024} KiB" in WORDS
    assert f"given up after {dispatcher.MOST_REFUSALS} tries" in WORDS
    assert f"for {dispatcher.KEEP.days} days" in WORDS
    assert f"every {ledgers.EVERY.seconds // 60} minutes" in WORDS
    assert (FIRST, LONGEST, LONGEST_RETRY, dispatcher.GIVE_UP.days) == (5, 60, 900, 1)
    assert f"`POST {DELIVERIES}`" in WORDS


def test_the_unit_is_one() -> None:
    (unit,) = fences(TEXT, "ini")
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit)
    assert parser.sections() == ["Unit", "Service", "Install"]
    service = parser["Service"]
    assert f"/var/lib/{service['StateDirectory']}/" in service["ExecStart"]
    assert service["Restart"] == "always"
