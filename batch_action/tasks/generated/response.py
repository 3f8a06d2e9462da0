"""What tasks that write files have in common: the answer, and how drafts are taken from it."""

from batch_action.models.files import SelectedFile
from batch_action.models.responses import FileDraft, TaskResponse
from batch_action.syntax import comparison
from batch_action.tasks.generated import paths
from batch_action.tasks.responses import ResponseModel


class WrittenFile(ResponseModel):
    """One whole file."""

    path: str
    text: str
    summary: str


class Writing(ResponseModel):
    """The files that were asked for; an empty list is a good answer."""

    files: list[WrittenFile]


def reading(answer: Writing) -> TaskResponse:
    """The files as they were written."""
    return TaskResponse(
        drafts=tuple(
            FileDraft(path=one.path, text=one.text, summary=one.summary) for one in answer.files
        )
    )


def rewritable(file: SelectedFile) -> str | None:
    """Why a file cannot be given back with other documentation; None when it can."""
    if file.language not in comparison.COMPARABLE:
        return f"code in {file.language or 'this language'} cannot be told from its documentation"
    if not file.faithful:
        return "its text is not all UTF-8"
    if problem := paths.unsafe(file.path) or paths.unfit(file.text):
        return f"it {problem}"
    if not comparison.parses(file.language, file.text):
        return f"it does not parse as {file.language}"
    return None
