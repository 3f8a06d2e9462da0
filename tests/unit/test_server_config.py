"""The config file of `serve`: valid files, and the messages for mistakes."""

from typing import Any

import pytest

from batch_action.config.server import parse_server_config, secret_variables
from batch_action.errors import ConfigError

REPOSITORY = {"repository": "octo/shop"}


def read(*repositories: dict[str, Any], **fields: Any) -> Any:
    return parse_server_config({"repositories": list(repositories), **fields}, "serve.yml")


def test_only_the_name_is_required() -> None:
    (repository,) = read(REPOSITORY).repositories
    assert (repository.token_env, repository.workflow, repository.event) == (
        "GITHUB_TOKEN",
        "batch-action.yml",
        "workflow_dispatch",
    )
    assert [ledger.name for ledger in repository.ledgers] == ["octo/shop/code-review"]


def test_a_list_may_be_text() -> None:
    (repository,) = read(
        {**REPOSITORY, "tasks": "code-review, security-scan", "state-keys": "web"}
    ).repositories
    assert [ledger.name for ledger in repository.ledgers] == [
        "octo/shop/code-review/web",
        "octo/shop/security-scan/web",
    ]
    (repository,) = read({**REPOSITORY, "pull-requests": True}).repositories
    assert [(ledger.name, ledger.pull_requests) for ledger in repository.ledgers] == [
        ("octo/shop/code-review", False),
        ("octo/shop/code-review/pull-requests", True),
    ]
    config = read(REPOSITORY, **{"webhook-secret-env": ["NEW", "OLD"], "hex-secret-env": "HEX"})
    assert config.webhook_secret_env == ("NEW", "OLD")
    assert secret_variables(config) == {"NEW", "OLD", "HEX", "GITHUB_TOKEN", "ANTHROPIC_API_KEY"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "must contain `repositories:`"),
        ([], "must contain `repositories:`"),
        ({}, "`repositories` is missing."),
        ({"repositories": []}, "`repositories` must not be empty."),
        ({"repositories": [REPOSITORY], "hosts": 1}, "`hosts` is not a key of this file."),
        ({"repositories": [{}]}, "`repositories[1].repository` is missing."),
        ({"repositories": [{"repository": "shop"}]}, "`repositories[1].repository` does not have"),
        ({"repositories": [REPOSITORY | {"token": "x"}]}, "`repositories[1].token` is not a key"),
        (
            {"repositories": [REPOSITORY | {"workflow": "../x.yml"}]},
            "`repositories[1].workflow` does",
        ),
        ({"repositories": [REPOSITORY | {"ref": "-x"}]}, "`repositories[1].ref` does not have"),
        ({"repositories": [REPOSITORY | {"event": "push"}]}, "`repositories[1].event`"),
        (
            {"repositories": [REPOSITORY | {"tasks": []}]},
            "`repositories[1].tasks` must not be empty.",
        ),
        (
            {"repositories": [REPOSITORY | {"state-keys": "a/b"}]},
            "`repositories[1].state-keys[1]` does",
        ),
        ({"repositories": [REPOSITORY | {"api-url": "ftp://x"}]}, "`repositories[1].api-url` does"),
        (
            {"repositories": [REPOSITORY, {"repository": "Octo/Shop"}]},
            "octo/shop/code-review more than once",
        ),
        (
            {"repositories": [REPOSITORY | {"token-env": "a b"}]},
            "must be the name of an environment",
        ),
    ],
    ids=str,
)
def test_a_mistake_has_a_message(content: Any, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_server_config(content, "serve.yml")
    assert message in str(error.value)


@pytest.mark.parametrize(
    "secret", ["ghp_abcdefghijklmnop", "github_pat_abcdefg", "whsec_abcdefghij", "sk-ant-abcdefgh"]
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(secret: str) -> None:
    for key in ("token-env", "state-secret-env", "anthropic-api-key-env"):
        with pytest.raises(ConfigError) as error:
            read({**REPOSITORY, key: secret})
        assert "never the secret itself" in str(error.value)
        assert secret not in str(error.value)


def test_all_mistakes_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        read({"repository": "x", "a": 1}, {"repository": "y/z", "b": 2})
    assert str(error.value).count("\n- ") == 3
