"""A draft gets back what its request did not show: masked secrets, and how lines end."""

MASK = "•"


def plain(text: str) -> str:
    """The text with plain line ends."""
    return text.replace("\r\n", "\n")


def ended_like(text: str, original: str) -> str:
    """The text, its last line ended as the original's last line is."""
    text = text.rstrip("\n")
    return f"{text}\n" if not original or original.endswith("\n") else text


def unmasked(text: str, masked: str, original: str) -> str | None:
    """The text with the secrets of *original* where *masked* has a mask; None when it cannot be.

    Each line with a mask must be there again, unchanged, in its order. All with plain line ends.
    """
    if masked == original:
        return text
    shown = masked.split("\n")
    hidden = iter(
        (line, real) for line, real in zip(shown, original.split("\n"), strict=True) if MASK in line
    )
    lines = []
    for line in text.split("\n"):
        if MASK not in line:
            lines.append(line)
            continue
        known, real = next(hidden, (None, ""))
        if known != line:
            return None
        lines.append(real)
    return None if next(hidden, None) is not None else "\n".join(lines)


def written_like(text: str, original: str) -> str:
    """The text with the line ends that most lines of *original* have."""
    returns = original.count("\r\n")
    return text.replace("\n", "\r\n") if 2 * returns > original.count("\n") else text
