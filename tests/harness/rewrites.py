"""Code that is rewritten night after night, with defects of which the truth is known.

A defect is a line `defect(17)` in a function, until a line `guard(17)` stands in it too. Its name
is the function's and its own, `work_3:17`: the same line may stand in two functions.
"""

import random
import re
from copy import deepcopy
from dataclasses import dataclass, field

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
    """The name of each defect in a text, with its line's index."""
    return {name: line for name, line, guarded in _marked(text) if not guarded}


def name_at(text: str, start: int, end: int) -> str:
    """The name of the one defect, guarded or not, on these lines (1-based)."""
    (name,) = (name for name, line, _ in _marked(text) if start <= line + 1 <= end)
    return name


def _marked(text: str) -> list[tuple[str, int, bool]]:
    found = []
    at = 0
    for body in text.split(GAP):
        lines = body.split("\n")
        guards = set(GUARD.findall(body))
        header = HEADER.match(lines[0])
        for number, line in enumerate(lines):
            if token := TOKEN.search(line):
                assert header
                found.append((f"{header[1]}:{token[1]}", at + number, token[1] in guards))
        at += len(lines) + len(GAP) - 1
    return found


def untouched(old: str, new: str, name: str) -> bool:
    """Whether nothing has happened to the function of a defect, whoever compares the two texts.

    Where functions changed places, or stand there twice, there is more than one way to say what
    happened: such texts are no evidence.
    """
    before, after = old.removesuffix("\n").split(GAP), new.removesuffix("\n").split(GAP)
    common = set(before) & set(after)
    if len(set(before)) < len(before) or len(set(after)) < len(after):
        return False
    if [b for b in before if b in common] != [b for b in after if b in common]:
        return False
    function = name.partition(":")[0]
    (here,) = (n for n, body in enumerate(before) if body.startswith(f"def {function}("))
    if before[here] not in common:
        return False
    there = after.index(before[here])
    behind, now = before[here + 1 : here + 2], after[there + 1 : there + 2]
    return not behind or behind == now


@dataclass
class Code:
    """The work tree: files of functions, each perhaps with a defect in it."""

    chance: random.Random
    files: dict[str, list[list[str]]] = field(default_factory=dict)
    numbers: int = 0
    past: list[dict[str, list[list[str]]]] = field(default_factory=list)
    """The files before each change."""

    def begin(self) -> None:
        self.files = {
            f"{name}.py": [self.function(defect=number % 2 == 0) for number in range(4)]
            for name in "abc"
        }

    def function(self, *, defect: bool) -> list[str]:
        self.numbers += 1
        n = self.numbers
        lines = [f"def work_{n}(x):", f"    y_{n} = x + {n}", f"    z_{n} = y_{n} * 2"]
        if defect:
            lines.append(f"    defect({n})")
        return [*lines, f"    w_{n} = z_{n} - {n}", f"    return w_{n}"]

    def text(self, path: str) -> str:
        return GAP.join("\n".join(body) for body in self.files[path]) + "\n"

    def texts(self) -> dict[str, str]:
        return {path: self.text(path) for path in self.files}

    def change(self) -> str:
        """One change of one kind; says which."""
        kind = self.chance.choice(KINDS)
        self.past.append(deepcopy(self.files))
        getattr(self, f"_{kind.replace(' ', '_')}")()
        for path in [p for p, functions in self.files.items() if not functions]:
            del self.files[path]
        return kind

    def touch(self) -> None:
        """A line of its own at the end of every file: all are to be reviewed again."""
        for functions in self.files.values():
            functions.append([f"# {self.chance.random()}"])

    def _anywhere(self) -> tuple[str, int]:
        path = self.chance.choice(sorted(self.files))
        return path, self.chance.randrange(len(self.files[path]))

    def _a_defect(self) -> tuple[list[list[str]], int, int, str] | None:
        """The functions of a file, and function, line and token of a defect in it."""
        found = [
            (functions, number, line, token[1])
            for _, functions in sorted(self.files.items())
            for number, body in enumerate(functions)
            for line, text in enumerate(body)
            if (token := TOKEN.search(text))
        ]
        return self.chance.choice(found) if found else None

    def _add(self) -> None:
        path, at = self._anywhere()
        self.files[path].insert(at, self.function(defect=self.chance.random() < 0.6))

    def _above(self) -> None:
        path, _ = self._anywhere()
        self.files[path].insert(0, [f"# note {self.chance.random()}"] * self.chance.randint(1, 9))

    def _edit(self) -> None:
        path, at = self._anywhere()
        body = self.files[path][at]
        body[-1] = f"{body[-1]}  # {self.chance.random()}"

    def _around(self) -> None:
        path, at = self._anywhere()
        body = self.files[path][at]
        if HEADER.match(body[0]):
            body.insert(self.chance.randint(1, 2), f"    n = {self.chance.random()}")

    def _comment(self) -> None:
        path, at = self._anywhere()
        self.files[path].insert(at, [f"# {self.chance.random()}"])

    def _fix(self) -> None:
        if found := self._a_defect():
            functions, number, line, token = found
            functions[number][line] = f"    mended_{token} = {self.chance.randrange(10**6)}"

    def _fix_by_addition(self) -> None:
        if found := self._a_defect():
            functions, number, line, token = found
            functions[number].insert(line, f"    guard({token})")

    def _bring_back(self) -> None:
        for _, functions in sorted(self.files.items()):
            for body in functions:
                for line, text in enumerate(body):
                    if GUARD.search(text):
                        del body[line]
                        return

    def _twin(self) -> None:
        """The same lines once more under another name, mostly with their defect."""
        if found := self._a_defect():
            functions, number, line, _ = found
            self.numbers += 1
            body = list(functions[number])
            if self.chance.random() < 0.4:
                del body[line]
            body[0] = f"def work_{self.numbers}(x):"
            functions.insert(number + self.chance.randint(0, 1), body)

    def _second(self) -> None:
        """Another defect in a function that has one."""
        if found := self._a_defect():
            functions, number, _, _ = found
            self.numbers += 1
            n = self.numbers
            more = [f"    u_{n} = {n}", f"    v_{n} = u_{n}", f"    defect({n})", f"    use(v_{n})"]
            functions[number][-1:-1] = more

    def _swap(self) -> None:
        path, at = self._anywhere()
        functions = self.files[path]
        functions[at], functions[0] = functions[0], functions[at]

    def _new_file(self) -> None:
        self.files[f"f{self.numbers}.py"] = [
            self.function(defect=self.chance.random() < 0.5) for _ in range(4)
        ]

    def _move(self) -> None:
        path, at = self._anywhere()
        body = self.files[path].pop(at)
        target, there = (path, 0) if not self.files[path] else self._anywhere()
        self.files[target].insert(there, body)

    def _rename(self) -> None:
        path, _ = self._anywhere()
        self.numbers += 1
        self.files[f"renamed{self.numbers}.py"] = self.files.pop(path)

    def _reformat(self) -> None:
        path, at = self._anywhere()
        self.files[path][at] = [line.replace("    ", "\t", 1) for line in self.files[path][at]]

    def _wrap(self) -> None:
        """The body goes into a condition: every line of it is indented."""
        path, at = self._anywhere()
        head, *body = self.files[path][at]
        if HEADER.match(head):
            self.files[path][at] = [head, "    if x:", *(f"    {line}" for line in body)]

    def _split(self) -> None:
        """A statement over two lines, as a formatter would do it."""
        path, at = self._anywhere()
        body = self.files[path][at]
        for line, text in enumerate(body):
            if text.endswith(" * 2"):
                body[line : line + 1] = [f"{text.removesuffix(' * 2')} * (", "        2", "    )"]
                return

    def _revert(self) -> None:
        """A file reads again as it did some changes ago."""
        path, _ = self._anywhere()
        there = [files[path] for files in self.past[-8:] if path in files]
        self._put(path, self.chance.choice(there))

    def _restore(self) -> None:
        """A file that was deleted is there again; one that was renamed would be another's copy."""
        gone = {p: f for files in self.past[-12:] for p, f in files.items() if p not in self.files}
        heads = {body[0] for functions in self.files.values() for body in functions}
        gone = {p: f for p, f in gone.items() if heads.isdisjoint(body[0] for body in f)}
        if gone:
            path = self.chance.choice(sorted(gone))
            self._put(path, gone[path])

    def _put(self, path: str, functions: list[list[str]]) -> None:
        """Functions that meanwhile stand elsewhere are copies from now on: they get a new name."""
        others = [body[0] for p, f in self.files.items() if p != path for body in f]
        self.files[path] = deepcopy(functions)
        for body in self.files[path]:
            if HEADER.match(body[0]) and body[0] in others:
                self.numbers += 1
                body[0] = f"def work_{self.numbers}(x):"

    def _delete_file(self) -> None:
        if len(self.files) > 2:
            del self.files[self._anywhere()[0]]
