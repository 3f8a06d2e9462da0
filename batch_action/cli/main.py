"""The entry point: run one command line, report every error once, return its exit code."""

import gc
import os
import platform
import re
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from errno import (
    EACCES,
    EDQUOT,
    EEXIST,
    EIO,
    EISDIR,
    ELOOP,
    EMFILE,
    ENAMETOOLONG,
    ENOSPC,
    ENOTDIR,
    EPERM,
    EROFS,
)  # fmt: skip
from typing import NoReturn, Unpack

import click

from batch_action import escape
from batch_action.cli.group import SENTENCES, cli
from batch_action.cli.invocation import Invocation, TestHooks
from batch_action.errors import Advice, BatchActionError, ConfigError, Interrupted

# What Python, its libraries and child processes need of the environment.
_KEPT_VARIABLES = re.compile(
    r"path|home|user|logname|shell|tmp|temp|tmpdir|tz|lang|language|lc_\w+|term\w*|columns|lines"
    r"|(?:no|force)_color|colorterm|python\w*|virtual_env|ld_library_path|xdg_\w+|cov\w*"
    r"|ssl_cert_(?:file|dir)|(?:requests|curl)_ca_bundle|(?:https?|all|no)_proxy|git_python_\w+"
    r"|_batch_action_complete|comp_\w+",
    re.IGNORECASE,
)


_NO_READER = 128 + signal.SIGPIPE
"""The exit code when whoever read standard output has seen enough, as of `| head`."""
_FILE_ERRORS = frozenset(
    {
        EACCES,
        EPERM,
        EROFS,
        ENOSPC,
        EDQUOT,
        EEXIST,
        ENOTDIR,
        EISDIR,
        ENAMETOOLONG,
        ELOOP,
        EMFILE,
        EIO,
    }
)
"""What is wrong with the machine or a path that was given, not with us."""


def main() -> NoReturn:
    """Run the console script `batch-action`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    # Almost all that a run makes it keeps: the usual search for cycles, each 700 objects, would
    # take a tenth of a small run.
    gc.set_threshold(50_000)
    environ = dict(os.environ)
    for name in [name for name in os.environ if not _KEPT_VARIABLES.fullmatch(name)]:
        # Settings pass them on: no library may read a setting by itself, no child a secret.
        del os.environ[name]
    # Pydantic would read the metadata of all installed packages to look for plugins.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    code = _enter_with_output(environ)
    gc.freeze()  # Nor is there anything to find when Python ends.
    sys.exit(code)


def _enter_with_output(environ: Mapping[str, str]) -> int:
    """Run the process's command line; standard output may be closed or on a full disk."""
    try:
        code = enter(sys.argv[1:], environ)
        sys.stdout.flush()
    except OSError as error:
        # What is still in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return _NO_READER
        unwritable = ConfigError(f"Standard output cannot be written: {error.strerror}.")
        Invocation(environ=environ).report_error(unwritable)
        return unwritable.exit_code
    return code


def enter(argv: Sequence[str], environ: Mapping[str, str], **hooks: Unpack[TestHooks]) -> int:
    """Run one command line, report its error, and return the exit code."""
    invocation = Invocation(environ=environ, **hooks)
    output = invocation.output
    # A mistake in the flags must be reported as JSON, too.
    output.as_json = "--json" in argv
    output.command = next((word for word in argv if word in SENTENCES), "")
    place, Advice.in_workflow = Advice.in_workflow, environ.get("GITHUB_ACTIONS") == "true"
    try:
        code = _run(argv, invocation)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code  # The help or the version was printed.
    finally:
        Advice.in_workflow = place
    if output.as_json:
        click.echo(output.render(code, invocation.runner(invocation.workspace(None)).hide))
    return code


def _run(argv: Sequence[str], invocation: Invocation) -> int:
    """Run one command line; return the exit code, after its error was reported."""
    try:
        result = cli.main(
            args=list(argv), prog_name="batch-action", obj=invocation, standalone_mode=False
        )
    except click.ClickException as error:
        if Advice.in_workflow:
            invocation.report_error(ConfigError(error.format_message()))
        else:
            error.show()
            invocation.output.messages.append(("error", error.format_message()))
        return ConfigError.exit_code
    except BatchActionError as error:
        invocation.report_error(error)
        return error.exit_code
    except Interrupted:
        invocation.report_error(
            BatchActionError("Interrupted. The state is saved; the next run continues from it.")
        )
        return Interrupted.exit_code
    except (click.exceptions.Exit, BrokenPipeError):
        raise
    except SystemExit:  # how click ends when there is no reader
        return _NO_READER
    except Exception as error:  # noqa: BLE001 - a bug is reported with its traceback
        unusable = _file_error(error)
        if unusable is None:
            _report_bug(argv, invocation)
        else:
            invocation.report_error(unusable)
        return (unusable or BatchActionError).exit_code
    return result if isinstance(result, int) else 0


def _file_error(error: Exception) -> ConfigError | None:
    """Return the error for a file that the machine does not let us read or write, else None."""
    if not isinstance(error, OSError) or error.errno not in _FILE_ERRORS:
        return None
    name = "A file" if error.filename is None else os.fsdecode(error.filename)
    return ConfigError(
        f"{name} cannot be read or written: {error.strerror}.",
        fix="Check its permissions, the free disk space and the mounts.",
    )


def _interrupt(*_: object) -> None:
    # A second signal must not interrupt the saving of the state after the first one.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise Interrupted


def _report_bug(argv: Sequence[str], invocation: Invocation) -> None:
    from batch_action import __version__

    trace = "\n".join(escape.log(line) for line in traceback.format_exc().splitlines())
    command = argv[0] if argv else ""
    sys.stderr.write(
        f"{trace}\n\nThis is a bug in batch-action. Please report the lines above together with:\n"
        f"batch-action {__version__}, command {escape.log(command)}, "
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}\n"
    )
    invocation.report_error(
        BatchActionError("A bug in batch-action ended this run; see the log above.")
    )
