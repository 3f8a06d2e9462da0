"""The offline stand-in for a model: it reads the same prompt, and says plainly what it is."""

from . import licensing, ruffing, textual, verdicts
from .prompts import Prompt, SourceFile
from .remarks import Remark


def review(prompt: Prompt) -> list[Remark]:
    """Find what plain rules can find in the files of a prompt, in the order of the lines."""
    if prompt.before is not None and prompt.files:
        found = verdicts.compare(prompt.before, prompt.files[0])[1]
    else:
        found = [remark for file in prompt.files for remark in _review_file(file)]
        if prompt.legal:
            found += [one for file in prompt.files for one in licensing.review(file, prompt)]
    return sorted(found, key=lambda remark: (remark.path, remark.start, remark.rule))


def _review_file(file: SourceFile) -> list[Remark]:
    remarks = textual.review(file)
    if file.language.lower() == "python" or file.path.endswith((".py", ".pyi")):
        remarks += ruffing.review(file)
    # Several rules see the same problem: the first one speaks.
    heard: dict[tuple[int, tuple[str, ...]], Remark] = {}
    for remark in remarks:
        heard.setdefault((remark.start, remark.words), remark)
    return list(heard.values())
