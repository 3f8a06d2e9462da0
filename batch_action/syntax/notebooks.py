"""Jupyter notebooks as text: the sources of their cells, on the lines of the file."""

import json
from collections.abc import Iterator


def cells_of(text: str) -> str | None:
    r"""Return a notebook's cells without outputs, counts and metadata; None for any other text.

    Each source line is on the line that it has in the JSON text; all other lines are blank, but for
    `# %%` where a cell begins. None too if the sources are not written one line per line.

    See https://nbformat.readthedocs.io/en/latest/format_description.html.
    """
    if '"nbformat"' not in text or not text.lstrip().startswith("{"):
        return None
    try:
        cells = json.loads(text)["cells"]
        sources = ["".join(cell["source"]) for cell in cells]
        lines = list(_read(text.split("\n")))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    # Another notation could hide code from us that Jupyter runs.
    shown = "".join(source for source, _ in lines if source is not None)
    return "\n".join(line for _, line in lines) if shown == "".join(sources) else None


def _read(lines: list[str]) -> Iterator[tuple[str | None, str]]:
    """Yield for each line its part of a source, if any, and what is shown.

    Raises ValueError or TypeError: a line in a source is not a JSON string.
    """
    inside = False
    for line in lines:
        stripped = line.strip()
        if inside:
            inside = stripped not in ("]", "],")
            source = "" + json.loads(stripped.removesuffix(",")) if inside else None
            yield source, (source or "").removesuffix("\n").replace("\n", " ")
        elif stripped == '"source": [':
            inside = True
            yield None, ""
        elif stripped.startswith('"cell_type": "'):
            kind = stripped.removeprefix('"cell_type": ').rstrip(",").strip('"')
            yield None, f"# %% {kind}"
        else:
            yield None, ""
