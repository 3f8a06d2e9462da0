"""YAML files that users write: read strictly, and checked with all problems at once."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from batch_action.config.loading import requirement_of
from batch_action.errors import ConfigError

M = TypeVar("M", bound=BaseModel)
MAX_BYTES = 1_000_000


class _Loader(yaml.SafeLoader):
    """Refuses a key that occurs twice: YAML silently uses the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping. Raises MarkedYAMLError for a duplicate key."""
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        counts = Counter(keys)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and counts[key.tag, key.value] > 1:
                problem = f"the key `{key.value}` occurs more than once"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
        return super().construct_mapping(node, deep=deep)


def read_yaml(data: bytes, name: str) -> Any:
    """Parse a YAML file called *name*. Raises ConfigError when it is too large or invalid."""
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{name} is larger than {MAX_BYTES:,} bytes.")
    try:
        return yaml.load(data, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{name} is not valid YAML{place}: {error.problem}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split()).partition(' in "<')[0]
        raise ConfigError(f"{name} is not valid YAML: {reason}.") from None


def parse_model(model: type[M], content: Any, name: str, document: str) -> M:
    """Validate the content of a file called *name*, which *document* explains.

    Raises ConfigError with all problems.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = "\n".join(f"- {_problem(dict(each))}" for each in error.errors())
        raise ConfigError(
            f"{name} is not valid:\n{problems}\n{document} explains every key."
        ) from None


def _problem(error: Mapping[str, Any]) -> str:
    path = ""
    for step in error["loc"]:
        path += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if path else str(step)
    is_unknown = error["type"] == "extra_forbidden"
    requirement = "is not a key of this file." if is_unknown else requirement_of(error)
    return f"`{path}` {requirement}"
