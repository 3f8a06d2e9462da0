"""A selection as its task takes it: what is not for it is skipped, what goes along is added."""

from collections.abc import Iterable
from dataclasses import replace

from batch_action.edges.secrets import mask
from batch_action.models.files import (
    Companion,
    Reason,
    Role,
    SelectedFile,
    Selection,
    Skipped,
    Status,
)
from batch_action.selection.content import decode
from batch_action.selection.parts import MAX_CHARS
from batch_action.steps import describing
from batch_action.steps.attending import Attendant
from batch_action.steps.world import World
from batch_action.tasks.task import Company, Task

MOST_CHARS = 2 * MAX_CHARS
"""An older version is not longer than this: it is shown in one piece."""
MOST_NAMED = 200
"""Other changed files that a request names."""


def suit(world: World, selection: Selection) -> Selection:
    """The selection with companions and hints, without what is not for this task."""
    files: list[SelectedFile] = []
    skipped = list(selection.skipped)
    for file in selection.files:
        reason = _unsuited(world.task, file)
        if reason is None:
            files.append(replace(file, hints=(*file.hints, *world.task.hints(file))))
        else:
            skipped.append(reason)
    suited = replace(selection, files=tuple(files), skipped=tuple(skipped))
    match world.task.company:
        case Company.BEFORE:
            return _with_versions(world, suited)
        case Company.TESTS:
            return _with_tests(world, suited)
        case Company.NONE:
            return suited


def _unsuited(task: Task, file: SelectedFile) -> Skipped | None:
    if task.whole and len(file.parts) > 1:
        detail = f"{task.name} looks at whole files of at most {MAX_CHARS:,} characters"
        return Skipped(path=file.path, reason=Reason.TOO_LARGE, detail=detail)
    unsuited = task.suits(file)
    if not unsuited:
        return None
    return Skipped(path=file.path, reason=Reason.NOT_FOR_TASK, detail=unsuited)


def _with_versions(world: World, selection: Selection) -> Selection:
    """Each file with the version it is compared with, and what the change is meant to do."""
    wanted = {file.old_blob for file in selection.files if file.old_blob}
    texts = {blob: mask(decode(data))[0] for blob, data in world.git.blobs(sorted(wanted))}
    files: list[SelectedFile] = []
    skipped = list(selection.skipped)
    told = _described(world, selection)
    for file in selection.files:
        text = texts.get(file.old_blob or "")
        reason = _incomparable(world, file, text)
        if reason is not None or text is None or file.old_blob is None:
            skipped.extend([reason] if reason else [])
            continue
        before = Companion(
            role=Role.BEFORE, path=file.old_path or file.path, blob=file.old_blob, text=text
        )
        files.append(replace(file, companions=(before,), hints=(*told, *file.hints)))
    return replace(selection, files=tuple(files), skipped=tuple(skipped))


def _with_tests(world: World, selection: Selection) -> Selection:
    """Each file with the tests it has, and where new ones belong."""
    if not selection.files:
        return selection
    attendant = Attendant(world, selection.head)
    found = [attendant.attend(file) for file in selection.files]
    return replace(
        selection,
        files=tuple(one for one in found if isinstance(one, SelectedFile)),
        skipped=(*selection.skipped, *(one for one in found if isinstance(one, Skipped))),
    )


def _incomparable(world: World, file: SelectedFile, text: str | None) -> Skipped | None:
    if text is None and file.status is Status.MODIFIED and world.git.is_shallow():
        detail = "its older version is not in this clone: set `fetch-depth: 0`"
        return Skipped(path=file.path, blob=file.blob, reason=Reason.NOT_HERE, detail=detail)
    if text is None:
        detail = "there is no older version to compare it with"
        return Skipped(path=file.path, reason=Reason.NOT_FOR_TASK, detail=detail)
    if len(text) > MOST_CHARS:
        detail = f"its older version has more than {MOST_CHARS:,} characters"
        return Skipped(path=file.path, reason=Reason.TOO_LARGE, detail=detail)
    return None


def _described(world: World, selection: Selection) -> tuple[tuple[str, str], ...]:
    """What the change is meant to do, and which files it touches besides."""
    found = [("description", mask(text)[0]) for text in describing.described(world, selection)]
    names = sorted(_named(selection))
    if len(names) > 1:
        more = [f"… and {len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else []
        found.append(("changed-files", "\n".join([*names[:MOST_NAMED], *more])))
    return tuple(found)


def _named(selection: Selection) -> Iterable[str]:
    for file in selection.files:
        moved = file.old_path and file.old_path != file.path
        yield f"{file.path} ({file.status}{f' from {file.old_path}' if moved else ''})"
    for skipped in selection.skipped:
        if skipped.reason is Reason.DELETED:
            yield f"{skipped.path} (deleted)"
