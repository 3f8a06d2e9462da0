"""The report's templates: `.j2` files beside the modules; all escaping is explicit."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment() -> Environment:
    """One environment; an undefined name in a template is an error, not an empty text."""
    return Environment(
        loader=PackageLoader("batch_action", "publishers"),
        undefined=StrictUndefined,
        # The output is Markdown; HTML escaping would not make it safe: `escape` does.
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
    )


def fill(name: str, **values: object) -> str:
    """A template's text without blank lines at its end."""
    return environment().get_template(name).render(values).strip("\n")
