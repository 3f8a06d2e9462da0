"""The answer model of tasks that generate files."""

from batch_action.models.responses import FileDraft, TaskResponse
from batch_action.tasks.responses import ResponseModel


class WrittenFile(ResponseModel):
    """One whole file."""

    path: str
    text: str
    summary: str


class WrittenFiles(ResponseModel):
    """The files that were asked for; an empty list is a good answer."""

    files: list[WrittenFile]


def to_response(answer: WrittenFiles) -> TaskResponse:
    """Return the files as drafts, unchecked."""
    return TaskResponse(
        drafts=tuple(
            FileDraft(path=file.path, text=file.text, summary=file.summary) for file in answer.files
        )
    )
