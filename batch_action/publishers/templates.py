"""The Jinja templates of the reports: `.j2` files next to the modules that use them."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def load_environment() -> Environment:
    """Build the Jinja environment once; an undefined name in a template is an error."""
    return Environment(
        loader=PackageLoader("batch_action", "publishers"),
        undefined=StrictUndefined,
        # The output is Markdown: HTML escaping does not make it safe. The callers use `escape`.
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_template(name: str, **values: object) -> str:
    """Render a template without newlines at its start and end."""
    return load_environment().get_template(name).render(values).strip("\n")
