"""A minimal GraphQL parser: selections, arguments, variables and inline fragments."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r'"""(?:.|\n)*?"""|"(?:\\.|[^"\\])*"|-?\d+(?:\.\d+)?|\$?[_A-Za-z]\w*|\.\.\.|[{}()\[\]:!=@]'
)


class UnsupportedQueryError(Exception):
    """The query uses syntax that this parser does not support."""


@dataclass(frozen=True, slots=True)
class Field:
    """A selected field."""

    name: str
    alias: str
    arguments: Mapping[str, Any]
    inner: tuple["Field", ...]


def parse_operation(text: str, variables: Mapping[str, Any]) -> tuple[str, tuple[Field, ...]]:
    """Return the kind of an operation (`query` or `mutation`) and its fields."""
    reader = _Parser(text, variables)
    kind = "query"
    if reader.peek() in {"query", "mutation"}:
        kind = reader.take()
        while reader.peek() != "{" and reader.peek() != "(":
            reader.take()
        if reader.peek() == "(":
            reader.skip_parentheses()
    return kind, reader.selection()


class _Parser:
    def __init__(self, text: str, variables: Mapping[str, Any]) -> None:
        self._tokens = _TOKEN.findall(re.sub(r"#[^\n]*", "", text))
        self._at = 0
        self._variables = variables

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise UnsupportedQueryError(
                f"Expected {expected or 'more'}, actual: {token or 'end of query'}"
            )
        self._at += 1
        return token

    def skip_parentheses(self) -> None:
        """Skip the variable declarations; their types are not checked."""
        while self.take() != ")":
            pass

    def selection(self) -> tuple[Field, ...]:
        self.take("{")
        fields: list[Field] = []
        while self.peek() != "}":
            fields += self._one()
        self.take("}")
        return tuple(fields)

    def _one(self) -> tuple[Field, ...]:
        if self.peek() == "...":
            self.take()
            if self.take() != "on":
                raise UnsupportedQueryError("Named fragments are not emulated.")
            self.take()
            return self.selection()
        alias = name = self.take()
        if self.peek() == ":":
            self.take()
            name = self.take()
        arguments = self._arguments() if self.peek() == "(" else {}
        inner = self.selection() if self.peek() == "{" else ()
        return (Field(name, alias, arguments, inner),)

    def _arguments(self) -> dict[str, Any]:
        self.take("(")
        arguments = {}
        while self.peek() != ")":
            name = self.take()
            self.take(":")
            arguments[name] = self._value()
        self.take(")")
        return arguments

    def _value(self) -> Any:
        token = self.take()
        if token == "{":  # noqa: S105
            value = {}
            while self.peek() != "}":
                name = self.take()
                self.take(":")
                value[name] = self._value()
            self.take("}")
            return value
        if token == "[":  # noqa: S105
            items = []
            while self.peek() != "]":
                items.append(self._value())
            self.take("]")
            return items
        if token.startswith("$"):
            return self._variables.get(token[1:])
        plain = re.fullmatch(r'".*"|-?\d+(\.\d+)?|true|false|null', token, flags=re.DOTALL)
        return json.loads(token) if plain else token
