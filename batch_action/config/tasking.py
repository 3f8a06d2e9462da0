"""The inputs of single tasks: what they are told besides the files, and what they must heed."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from batch_action.config.inputs import Input, Inputs, Lines, Words
from batch_action.models.licenses import spdx_id


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if spdx_id(name) is None]
    if unknown:
        raise PydanticCustomError(
            "spdx", "the SPDX list does not have {names}", {"names": ", ".join(map(repr, unknown))}
        )
    return tuple(spdx_id(name) or name for name in names)


LicenseIds = Annotated[Words, AfterValidator(_known)]


class Tasking(Inputs):
    """What single tasks are told."""

    prompt_file: Annotated[
        str | None,
        Input(
            help="A Markdown file of the repository whose text is asked of each file, instead of "
            "`task`.",
            action=True,
        ),
    ] = None
    refactor_description: Annotated[
        str | None,
        Field(max_length=20_000),
        Input(
            help="What a refactoring is meant to do, for `refactor-validation`; without it the "
            "pull request's text or the commit messages tell.",
            action=True,
            file=False,
        ),
    ] = None
    patch_file: Annotated[
        str | None,
        Input(
            help="A patch that is not applied yet: `refactor-validation` looks at what it would "
            "change; the work tree stays as it is. Collect with the same file.",
            action=True,
            file=False,
        ),
    ] = None
    test_framework: Annotated[
        Literal["auto", "pytest", "jest", "vitest", "go"],
        Input(
            help="What tests are written for: `pytest`, `jest`, `vitest` or `go`; `auto` reads it "
            "from `pyproject.toml`, `package.json` and `go.mod`."
        ),
    ] = "auto"
    test_paths: Annotated[
        Lines,
        Input(
            help="Folders of tests, one a line: existing tests are looked for there too, and new "
            "ones go to the first."
        ),
    ] = ()
    license_headers: Annotated[
        Literal["auto", "required", "off"],
        Input(
            help="Whether `license-check` wants a license header in every file; `auto`: where most "
            "files of the same language have one."
        ),
    ] = "auto"
    license_header: Annotated[
        Lines,
        Input(
            help="The lines a license header must have, in order; `{name}` stands for anything, "
            "`{year}` for a year or a range of years."
        ),
    ] = ()
    allowed_licenses: Annotated[
        LicenseIds, Input(help="SPDX identifiers of licenses that code here may be under.")
    ] = ()
    denied_licenses: Annotated[
        LicenseIds, Input(help="SPDX identifiers of licenses that no code here may be under.")
    ] = ()
