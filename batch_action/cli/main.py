"""One command line from start to end: every failure is told once and has its exit code."""

import os
import platform
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import NoReturn, Unpack

import click

from batch_action import __version__, escape
from batch_action.cli.bootstrap import Invocation, TestHooks
from batch_action.cli.commands import cli
from batch_action.errors import BatchActionError, ConfigError, Interrupted


def main() -> NoReturn:
    """The console script."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    environ = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("ANTHROPIC_")]:
        # Read here and passed on by name: the SDK must not find any by itself.
        del os.environ[name]
    sys.exit(enter(sys.argv[1:], environ))


def enter(argv: Sequence[str], environ: Mapping[str, str], **hands: Unpack[TestHooks]) -> int:
    """Run one command line. Returns the exit code; every failure has been told."""
    invocation = Invocation(environ=environ, **hands)
    try:
        result = cli.main(
            args=list(argv), prog_name="batch-action", obj=invocation, standalone_mode=False
        )
    except click.exceptions.Exit as bye:
        return bye.exit_code
    except click.ClickException as error:
        error.show()
        return ConfigError.exit_code
    except BatchActionError as error:
        invocation.tell(error)
        return error.exit_code
    except Interrupted:
        invocation.tell(
            BatchActionError("Interrupted: what was known is saved, the next run goes on.")
        )
        return Interrupted.exit_code
    except Exception:  # noqa: BLE001 - the last net: a bug of ours says what to report
        _report_bug(argv, invocation)
        return BatchActionError.exit_code
    return result if isinstance(result, int) else 0


def _interrupt(*_: object) -> None:
    # A second signal must not interrupt the saving that the first one started.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise Interrupted


def _report_bug(argv: Sequence[str], invocation: Invocation) -> None:
    trace = "\n".join(escape.log(line) for line in traceback.format_exc().splitlines())
    verb = argv[0] if argv else ""
    sys.stderr.write(
        f"{trace}\n\nThis is a bug in batch-action. Please report the lines above together with:\n"
        f"batch-action {__version__}, verb {escape.log(verb)}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}\n"
    )
    invocation.tell(BatchActionError("A bug in batch-action ended this run; see the log above."))
