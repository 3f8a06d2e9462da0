"""One value for an output that several tasks of a run have set: a sum, a list, or the first one."""

from collections.abc import Mapping, Sequence

TELLING = (
    "submitted",
    "collected",
    "dry-run",
    "planned",
    "accumulated",
    "pending",
    "nothing-to-do",
)
"""The words of `status`, the most telling one first."""

Told = Mapping[str, str]


def joined(name: str, parts: Sequence[Told]) -> str:
    """The output's value for the whole run; *parts*: what each task has told, in their order."""
    values = [told[name] for told in parts if name in told]
    if len(values) <= 1:
        return "".join(values)
    if name == "status":
        return min(values, key=lambda word: TELLING.index(word) if word in TELLING else -1)
    if name.endswith("-count"):
        return str(sum(int(value or 0) for value in values))
    if name.endswith("-usd"):
        return f"{sum(float(value or 0) for value in values):.6f}"
    if name.endswith(("-ids", "-file", "-folder")):
        between = "," if name.endswith("-ids") else "\n"
        listed = (one for value in values for one in value.split(between) if one)
        return between.join(dict.fromkeys(listed))
    return _first(name, parts)


def _first(name: str, parts: Sequence[Told]) -> str:
    """Of the first task that has such a thing: its number, address and action belong together."""
    number = f"{name.partition('-')[0]}-number"
    having = [told for told in parts if told.get(number)]
    return next((told[name] for told in (*having, *parts) if name in told), "")
