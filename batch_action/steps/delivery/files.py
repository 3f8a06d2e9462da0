"""The destination `files`: the night's results in the workspace, for a later step or an artifact.

What the guard of public repositories keeps back stays out of these files too: they are made to be
uploaded, and anybody can download the artifacts of a public repository.
"""

from batch_action.errors import ConfigError
from batch_action.models.report import Delivered, Published
from batch_action.report.document import document
from batch_action.report.machine import results_of
from batch_action.report.results import encoded
from batch_action.steps import handing
from batch_action.steps.world import World

DESTINATION = "files"
RESULTS = "results"
REPORT = "report"


def tell(world: World, published: Published) -> Delivered:
    """Write `results.json`, `report.md` and what was generated; sets the output `results-file`.

    Raises ConfigError when the workspace cannot be written to.
    """
    try:
        data = encoded(results_of(published, world.now()))
        path = world.runner.write_result(f"{world.named(RESULTS)}.json", data)
        words = f"{document(published)}\n".encode()
        text = world.runner.write_result(f"{world.named(REPORT)}.md", words)
        written = [path, text]
        if published.night.generated:
            written.append(handing.give(world, published.night.generated))
    except OSError as error:
        raise ConfigError(
            f"The results cannot be written to the workspace: {error.strerror}.",
            fix="Check the disk and whose the workspace is.",
        ) from None
    world.runner.set_output("results-file", path)
    return Delivered(destination=DESTINATION, action="written", ids=tuple(written))
