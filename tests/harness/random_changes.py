"""A work tree that changes at random from run to run, with known defects.

A defect is a line `defect(17)` in a function that has no line `guard(17)`. Its name consists of
the function's name and its number, `work_3:17`: the same line may be in two functions.
"""

import re
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random

TOKEN = re.compile(r"defect\((\d+)\)")
GUARD = re.compile(r"guard\((\d+)\)")
HEADER = re.compile(r"def (work_\d+)")
GAP = "\n\n\n"

KINDS = (
    *("add", "above", "edit", "around", "fix", "fix by addition", "new file", "comment"),
    *("move", "rename", "reformat", "delete file", "bring back", "twin", "second", "swap"),
    *("wrap", "split", "revert", "restore"),
)


def defects(text: str) -> dict[str, int]:
    """Return the name of each defect in a text, with the index of its line."""
    return {name: line for name, line, guarded in _all_defects(text) if not guarded}


def defect_at(text: str, start: int, end: int) -> str:
    """Return the name of the only defect, guarded or not, on these lines (1-based)."""
    (name,) = (name for name, line, _ in _all_defects(text) if start <= line + 1 <= end)
    return name


def _all_defects(text: str) -> list[tuple[str, int, bool]]:
    marked = []
    at = 0
    for body in text.split(GAP):
        lines = body.split("\n")
        guards = set(GUARD.findall(body))
        header = HEADER.match(lines[0])
        for number, line in enumerate(lines):
            if token := TOKEN.search(line):
                assert header
                marked.append((f"{header[1]}:{token[1]}", at + number, token[1] in guards))
        at += len(lines) + len(GAP) - 1
    return marked


def is_untouched(old: str, new: str, name: str) -> bool:
    """Return whether the function of a defect is unchanged in every possible diff of the texts.

    False if functions changed places or exist twice: such texts have more than one possible diff.
    """
    before, after = old.removesuffix("\n").split(GAP), new.removesuffix("\n").split(GAP)
    common = set(before) & set(after)
    if len(set(before)) < len(before) or len(set(after)) < len(after):
        return False
    if [b for b in before if b in common] != [b for b in after if b in common]:
        return False
    function = name.partition(":")[0]
    (old_index,) = (n for n, body in enumerate(before) if body.startswith(f"def {function}("))
    if before[old_index] not in common:
        return False
    new_index = after.index(before[old_index])
    next_before = before[old_index + 1 : old_index + 2]
    next_after = after[new_index + 1 : new_index + 2]
    return not next_before or next_before == next_after


@dataclass
class ChangingCode:
    """A work tree with files of functions, some of which have a defect."""

    random: Random
    files: dict[str, list[list[str]]] = field(default_factory=dict)
    last_number: int = 0
    history: list[dict[str, list[list[str]]]] = field(default_factory=list)
    """The files before each change."""

    def begin(self) -> None:
        self.files = {
            f"{name}.py": [self.function(defect=number % 2 == 0) for number in range(4)]
            for name in "abc"
        }

    def function(self, *, defect: bool) -> list[str]:
        self.last_number += 1
        n = self.last_number
        lines = [f"def work_{n}(x):", f"    y_{n} = x + {n}", f"    z_{n} = y_{n} * 2"]
        if defect:
            lines.append(f"    defect({n})")
        return [*lines, f"    w_{n} = z_{n} - {n}", f"    return w_{n}"]

    def text(self, path: str) -> str:
        return GAP.join("\n".join(body) for body in self.files[path]) + "\n"

    def texts(self) -> dict[str, str]:
        return {path: self.text(path) for path in self.files}

    def change(self) -> str:
        """Make one change; return its kind."""
        kind = self.random.choice(KINDS)
        self.history.append(deepcopy(self.files))
        getattr(self, f"_{kind.replace(' ', '_')}")()
        for path in [p for p, functions in self.files.items() if not functions]:
            del self.files[path]
        return kind

    def touch(self) -> None:
        """Append a unique line to every file, so that all are reviewed again."""
        for functions in self.files.values():
            functions.append([f"# {self.random.random()}"])

    def _random_function(self) -> tuple[str, int]:
        path = self.random.choice(sorted(self.files))
        return path, self.random.randrange(len(self.files[path]))

    def _random_defect(self) -> tuple[list[list[str]], int, int, str] | None:
        """Return the functions of a file, and function, line and number of a defect in it."""
        defects = [
            (functions, number, line, token[1])
            for _, functions in sorted(self.files.items())
            for number, body in enumerate(functions)
            for line, text in enumerate(body)
            if (token := TOKEN.search(text))
        ]
        return self.random.choice(defects) if defects else None

    def _add(self) -> None:
        path, at = self._random_function()
        self.files[path].insert(at, self.function(defect=self.random.random() < 0.6))

    def _above(self) -> None:
        path, _ = self._random_function()
        self.files[path].insert(0, [f"# note {self.random.random()}"] * self.random.randint(1, 9))

    def _edit(self) -> None:
        path, at = self._random_function()
        body = self.files[path][at]
        body[-1] = f"{body[-1]}  # {self.random.random()}"

    def _around(self) -> None:
        path, at = self._random_function()
        body = self.files[path][at]
        if HEADER.match(body[0]):
            body.insert(self.random.randint(1, 2), f"    n = {self.random.random()}")

    def _comment(self) -> None:
        path, at = self._random_function()
        self.files[path].insert(at, [f"# {self.random.random()}"])

    def _fix(self) -> None:
        if defect := self._random_defect():
            functions, number, line, token = defect
            functions[number][line] = f"    fixed_{token} = {self.random.randrange(10**6)}"

    def _fix_by_addition(self) -> None:
        if defect := self._random_defect():
            functions, number, line, token = defect
            functions[number].insert(line, f"    guard({token})")

    def _bring_back(self) -> None:
        for _, functions in sorted(self.files.items()):
            for body in functions:
                for line, text in enumerate(body):
                    if GUARD.search(text):
                        del body[line]
                        return

    def _twin(self) -> None:
        """Copy a function under another name, mostly with its defect."""
        if defect := self._random_defect():
            functions, number, line, _ = defect
            self.last_number += 1
            body = list(functions[number])
            if self.random.random() < 0.4:
                del body[line]
            body[0] = f"def work_{self.last_number}(x):"
            functions.insert(number + self.random.randint(0, 1), body)

    def _second(self) -> None:
        """Add another defect to a function that has one."""
        if defect := self._random_defect():
            functions, number, _, _ = defect
            self.last_number += 1
            n = self.last_number
            more = [f"    u_{n} = {n}", f"    v_{n} = u_{n}", f"    defect({n})", f"    use(v_{n})"]
            functions[number][-1:-1] = more

    def _swap(self) -> None:
        path, at = self._random_function()
        functions = self.files[path]
        functions[at], functions[0] = functions[0], functions[at]

    def _new_file(self) -> None:
        self.files[f"f{self.last_number}.py"] = [
            self.function(defect=self.random.random() < 0.5) for _ in range(4)
        ]

    def _move(self) -> None:
        path, at = self._random_function()
        body = self.files[path].pop(at)
        target, index = (path, 0) if not self.files[path] else self._random_function()
        self.files[target].insert(index, body)

    def _rename(self) -> None:
        path, _ = self._random_function()
        self.last_number += 1
        self.files[f"renamed{self.last_number}.py"] = self.files.pop(path)

    def _reformat(self) -> None:
        path, at = self._random_function()
        self.files[path][at] = [line.replace("    ", "\t", 1) for line in self.files[path][at]]

    def _wrap(self) -> None:
        """Indent the body of a function below a condition."""
        path, at = self._random_function()
        head, *body = self.files[path][at]
        if HEADER.match(head):
            self.files[path][at] = [head, "    if x:", *(f"    {line}" for line in body)]

    def _split(self) -> None:
        """Split a statement over several lines, as a formatter would."""
        path, at = self._random_function()
        body = self.files[path][at]
        for line, text in enumerate(body):
            if text.endswith(" * 2"):
                body[line : line + 1] = [f"{text.removesuffix(' * 2')} * (", "        2", "    )"]
                return

    def _revert(self) -> None:
        """Restore an earlier version of a file."""
        path, _ = self._random_function()
        versions = [files[path] for files in self.history[-8:] if path in files]
        self._put(path, self.random.choice(versions))

    def _restore(self) -> None:
        """Restore a deleted file, but not a renamed one, which would be a copy."""
        deleted = {
            p: f for files in self.history[-12:] for p, f in files.items() if p not in self.files
        }
        headers = {body[0] for functions in self.files.values() for body in functions}
        deleted = {p: f for p, f in deleted.items() if headers.isdisjoint(body[0] for body in f)}
        if deleted:
            path = self.random.choice(sorted(deleted))
            self._put(path, deleted[path])

    def _put(self, path: str, functions: list[list[str]]) -> None:
        """Write functions to a file; those that exist in another file get a new name."""
        others = [body[0] for p, f in self.files.items() if p != path for body in f]
        self.files[path] = deepcopy(functions)
        for body in self.files[path]:
            if HEADER.match(body[0]) and body[0] in others:
                self.last_number += 1
                body[0] = f"def work_{self.last_number}(x):"

    def _delete_file(self) -> None:
        if len(self.files) > 2:
            del self.files[self._random_function()[0]]
