"""The file of `serve`: what it may say, and how mistakes are told."""

from typing import Any

import pytest

from batch_action.config.server import parse_server_config, secret_variables
from batch_action.errors import ConfigError

PLACE = {"repository": "octo/shop"}


def read(*places: dict[str, Any], **more: Any) -> Any:
    return parse_server_config({"repositories": list(places), **more}, "serve.yml")


def test_a_name_is_enough() -> None:
    (place,) = read(PLACE).repositories
    assert (place.token_env, place.workflow, place.event) == (
        "GITHUB_TOKEN",
        "batch-action.yml",
        "workflow_dispatch",
    )
    assert [place.ledger_name(book) for book in place.ledgers] == ["octo/shop/code-review"]


def test_lists_may_be_words() -> None:
    (place,) = read(
        {**PLACE, "tasks": "code-review, security-scan", "state-keys": "web"}
    ).repositories
    assert [place.ledger_name(book) for book in place.ledgers] == [
        "octo/shop/code-review/web",
        "octo/shop/security-scan/web",
    ]
    (place,) = read({**PLACE, "pull-requests": True}).repositories
    assert [(place.ledger_name(book), book.pull_requests) for book in place.ledgers] == [
        ("octo/shop/code-review", False),
        ("octo/shop/code-review/pull-requests", True),
    ]
    serving = read(PLACE, **{"webhook-secret-env": ["NEW", "OLD"], "hex-secret-env": "HEX"})
    assert serving.webhook_secret_env == ("NEW", "OLD")
    assert secret_variables(serving) == {"NEW", "OLD", "HEX", "GITHUB_TOKEN", "ANTHROPIC_API_KEY"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "must contain `repositories:`"),
        ([], "must contain `repositories:`"),
        ({}, "`repositories` is missing."),
        ({"repositories": []}, "`repositories` must not be empty."),
        ({"repositories": [PLACE], "hosts": 1}, "`hosts` is not a key of this file."),
        ({"repositories": [{}]}, "`repositories[1].repository` is missing."),
        ({"repositories": [{"repository": "shop"}]}, "`repositories[1].repository` does not have"),
        ({"repositories": [PLACE | {"token": "x"}]}, "`repositories[1].token` is not a key"),
        ({"repositories": [PLACE | {"workflow": "../x.yml"}]}, "`repositories[1].workflow` does"),
        ({"repositories": [PLACE | {"ref": "-x"}]}, "`repositories[1].ref` does not have"),
        ({"repositories": [PLACE | {"event": "push"}]}, "`repositories[1].event`"),
        ({"repositories": [PLACE | {"tasks": []}]}, "`repositories[1].tasks` must not be empty."),
        ({"repositories": [PLACE | {"state-keys": "a/b"}]}, "`repositories[1].state-keys[1]` does"),
        ({"repositories": [PLACE | {"api-url": "ftp://x"}]}, "`repositories[1].api-url` does"),
        ({"repositories": [PLACE, {"repository": "Octo/Shop"}]}, "octo/shop/code-review more than once"),
        ({"repositories": [PLACE | {"token-env": "a b"}]}, "must be the name of an environment"),
    ],
    ids=str,
)
def test_mistakes_are_told_in_words(content: Any, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_server_config(content, "serve.yml")
    assert said in str(error.value)


@pytest.mark.parametrize(
    "secret", ["ghp_abcdefghijklmnop", "github_pat_abcdefg", "whsec_abcdefghij", "sk-ant-abcdefgh"]
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(secret: str) -> None:
    for key in ("token-env", "state-secret-env", "anthropic-api-key-env"):
        with pytest.raises(ConfigError) as error:
            read({**PLACE, key: secret})
        assert "never the secret itself" in str(error.value)
        assert secret not in str(error.value)


def test_all_mistakes_come_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        read({"repository": "x", "a": 1}, {"repository": "y/z", "b": 2})
    assert str(error.value).count("\n- ") == 3
