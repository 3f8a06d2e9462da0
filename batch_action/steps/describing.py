"""What a change is meant to do, in the words of whoever made it: data, like the change itself."""

from batch_action.models.files import Selection
from batch_action.steps.world import World

MOST_COMMITS = 30
MOST_CHARS = 8_000


def described(world: World, selection: Selection) -> list[str]:
    """The description in one text, or none: the input's, the pull request's, or the commits'."""
    given = (world.settings.refactor_description or "").strip()
    text = given or _of_pull(world) or _of_commits(world, selection)
    if len(text) > MOST_CHARS and not given:
        text = text[:MOST_CHARS] + " …"
    return [text] if text else []


def _of_pull(world: World) -> str:
    pull = world.context.pull
    if pull is None:
        return ""
    return "\n\n".join(part.strip() for part in (pull.title, pull.body) if part.strip())


def _of_commits(world: World, selection: Selection) -> str:
    if selection.base is None or world.settings.patch_file:
        return ""
    messages = world.git.messages(selection.base, selection.head, MOST_COMMITS)
    return "\n\n---\n\n".join(messages)
