"""The destination `annotations`: new findings at their lines, on the page of this very run."""

from batch_action.models.report import Delivered, Published
from batch_action.report.annotations import annotations
from batch_action.steps.world import World

DESTINATION = "annotations"


def tell(world: World, published: Published) -> Delivered:
    """Annotate the worst new findings; says in one line how many found no room."""
    told, rest = annotations(published, world.runner.annotated)
    for one in told:
        world.runner.annotate(
            one.level,
            one.message,
            file=one.path,
            line=one.line,
            end_line=one.end_line,
            title=one.title,
        )
    if rest:
        world.runner.annotate("notice", rest)
    return Delivered(
        destination=DESTINATION,
        action="written" if told else "skipped",
        new=len(told),
        note=rest or ("" if told else "nothing new"),
    )
