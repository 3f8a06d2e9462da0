"""Restore what a request does not show of a file: masked secrets and its kind of line ends."""

MASK = "•"


def normalize_line_ends(text: str) -> str:
    """Return the text with LF line ends."""
    return text.replace("\r\n", "\n")


def match_final_line_end(text: str, original: str) -> str:
    """Return the text with exactly one final line end, or none if the original has none."""
    text = text.rstrip("\n")
    return f"{text}\n" if not original or original.endswith("\n") else text


def restore_secrets(text: str, masked: str, original: str) -> str | None:
    """Replace each line of *text* that has a mask by the original line.

    All texts have LF line ends; *masked* is *original* with its secrets masked.

    Returns:
        None when the masked lines are not all in the text, unchanged and in their order.
    """
    if masked == original:
        return text
    hidden = iter(
        pair
        for pair in zip(masked.split("\n"), original.split("\n"), strict=True)
        if MASK in pair[0]
    )
    lines = []
    for line in text.split("\n"):
        if MASK not in line:
            lines.append(line)
            continue
        masked_line, original_line = next(hidden, (None, ""))
        if masked_line != line:
            return None
        lines.append(original_line)
    return None if next(hidden, None) is not None else "\n".join(lines)


def match_line_ends(text: str, original: str) -> str:
    """Return the text, which has LF line ends, with those of most lines of the original."""
    crlf = original.count("\r\n")
    return text.replace("\n", "\r\n") if 2 * crlf > original.count("\n") else text
