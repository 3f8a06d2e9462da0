"""Excerpts: which lines of a changed file a request shows."""

import ast
import re
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from batch_action.models.files import ChangeType, Hunk, SourceFile
from batch_action.models.ledger import RequestKey
from batch_action.requests.excerpt import FileText, changed_lines, choose_lines
from batch_action.requests.prompt import user_text
from batch_action.selection.content import lines_of, parts_of, render_hunks
from batch_action.syntax.grammars import outline_of
from batch_action.syntax.neighborhoods import touched_lines
from batch_action.syntax.outline import DefinitionKind
from batch_action.text import covers, format_ranges
from tests.harness.cpu import assert_at_most

STDLIB = Path(sysconfig.get_path("stdlib"))
KEYS = TypeAdapter(RequestKey)
REAL_FILES = [STDLIB / name for name in ("argparse.py", "json/decoder.py", "tarfile.py", "ast.py")]
NUMBERED = re.compile(r" *(\d+)\| (.*)")


def source(text, hunks, language="python", path="src/a.py"):
    return SourceFile(
        path=path,
        status=ChangeType.MODIFIED,
        blob="a" * 40,
        old_path=None,
        old_blob="b" * 40,
        language=language,
        parts=parts_of(text),
        risk=1.0,
        masked_secrets=0,
        text=text,
        lines=lines_of(text),
        diff=render_hunks("", text, hunks),
        hunks=hunks,
    )


def changed_at(number, lines=1):
    return Hunk(old_start=number, old_lines=1, new_start=number, new_lines=lines)


def shown_lines(request):
    """Return the numbered lines of the file in a request."""
    body = request[request.rindex("<file ") :].split("\n")[1:-1]
    assert all(line == "…" or NUMBERED.fullmatch(line) for line in body)
    return {int(m[1]): m[2] for line in body if (m := NUMBERED.fullmatch(line))}


FILLER = {
    "python": "def other{0}(a, b):\n    c = a + b\n    d = c * 2\n    e = d - 1\n    return e\n",
    "javascript": "function other{0}(a) {{\n  let c = a;\n  c += 1;\n  c += 2;\n  return c;\n}}\n",
    "go": "func other{0}(a int) int {{\n\tc := a\n\tc += 1\n\tc += 2\n\treturn c\n}}\n",
    "java": "class Other{0} {{\n    int f(int a) {{\n        a += 1;\n        a += 2;\n"
    "        return a;\n    }}\n}}\n",
    "rust": "fn other{0}(a: i32) -> i32 {{\n    let c = a;\n    let d = c;\n    let e = d;\n"
    "    e\n}}\n",
    "ruby": "def other{0}(a)\n  a += 1\n  a += 2\n  a += 3\n  a\nend\n",
    "php": "function other{0}($a)\n{{\n    $a += 1;\n    $a += 2;\n    return $a;\n}}\n",
    "c": "int other{0}(int a)\n{{\n    a += 1;\n    a += 2;\n    a += 3;\n    return a;\n}}\n",
    "bash": "other{0}() {{\n  echo one\n  echo two\n  echo three\n  echo four\n}}\n",
    "sql": "CREATE TABLE other{0} (\n  a int,\n  b int,\n  c int,\n  d int\n);\n",
    "yaml": "other{0}:\n  a: 1\n  b: 2\n  c: 3\n  d: 4\n",
    "kotlin": "fun other{0}(a: Int): Int {{\n    val b = a\n    val c = b\n    val d = c\n"
    "    return d\n}}\n",
    "swift": "func other{0}(a: Int) -> Int {{\n    let b = a\n    let c = b\n    let d = c\n"
    "    return d\n}}\n",
}
FILLER |= {"typescript": FILLER["javascript"], "tsx": FILLER["javascript"]}
FILLER |= {"cpp": FILLER["c"], "csharp": FILLER["java"]}

# The lines with @ must be shown, the one with BUG is what changed.
PLANTED = {
    "python": """
class Account(Base):  @
    limit = 100  @

    def __init__(self, owner):  @
        self.owner = owner  @
        self.total = 0  @

    def unrelated(self):  @
        a = 1
        b = 2
        c = 3
        return a + b + c

    def pay(self, amount):  @
        first = amount  @
        rest = convert(first) - self.total  BUG
        return rest  @

FILLER
def convert(value):  @
    return value * RATE  @

FILLER
def checkout(account):  @
    return account.pay(3)  @
""",
    "javascript": """
class Account {  @
  limit = 100;  @
  constructor(owner) {  @
    this.owner = owner;  @
  }  @
  unrelated() {  @
    let a = 1;
    a += 2;
    a += 3;
    a += 4;
    return a;
  }
  pay(amount) {  @
    const first = amount;  @
    return convert(first) - this.total;  BUG
  }  @
}  @
FILLER
const convert = (value) => {  @
  return value * RATE;  @
};  @
FILLER
export function checkout(account) {  @
  return account.pay(3);  @
}  @
""",
    "go": """
type Account struct {  @
\tOwner string  @
\tTotal int  @
}  @
FILLER
func (a *Account) Pay(amount int) int {  @
\tfirst := amount  @
\treturn convert(first) - a.Total  BUG
}  @
FILLER
func convert(value int) int {  @
\treturn value * 2  @
}  @
FILLER
func Checkout(account *Account) int {  @
\treturn account.Pay(3)  @
}  @
""",
    "java": """
public class Account {  @
    private int total;  @

    public Account(int total) {  @
        this.total = total;  @
    }  @

    int unrelated() {  @
        int a = 1;
        a += 2;
        a += 3;
        a += 4;
        return a;
    }

    int pay(int amount) {  @
        return convert(amount) - total;  BUG
    }  @

    int unrelatedToo() {  @
        int a = 1;
        a += 2;
        a += 3;
        a += 4;
        return a;
    }

    int convert(int value) {  @
        return value * 2;  @
    }  @
}
FILLER
class Shop {  @
    int checkout(Account account) {  @
        return account.pay(3);  @
    }  @
}
""",
    "rust": """
impl Account {  @
    fn pay(&self, amount: i32) -> i32 {  @
        convert(amount) - self.total  BUG
    }  @
}
FILLER
struct Account {  @
    total: i32,  @
}  @
FILLER
fn convert(value: i32) -> i32 {  @
    value * 2  @
}  @
FILLER
fn checkout(account: &Account) -> i32 {  @
    account.pay(3)  @
}  @
""",
    "ruby": """
class Account  @
  attr_reader :total  @

  def initialize(total)  @
    @total = total  @
  end  @

  def pay(amount)  @
    convert(amount) - @total  BUG
  end  @
end
FILLER
def convert(value)  @
  value * 2  @
end  @
FILLER
def checkout(account)  @
  account.pay(3)  @
end  @
""",
    "c": """
struct account {  @
    int total;  @
};  @
FILLER
int pay(struct account *a, int amount)  @
{
    return convert(amount) - a->total;  BUG
}  @
FILLER
int convert(int value)  @
{
    return value * 2;  @
}  @
FILLER
int checkout(struct account *a)  @
{
    return pay(a, 3);  @
}  @
""",
    "php": """
class Account  @
{
    private int $total = 0;  @

    public function __construct(int $total)  @
    {
        $this->total = $total;  @
    }

    public function pay(int $amount): int  @
    {
        return convert($amount) - $this->total;  BUG
    }
}
FILLER
function convert(int $value): int  @
{
    return $value * 2;  @
}
FILLER
function checkout(Account $account): int  @
{
    return $account->pay(3);  @
}
""",
    "kotlin": """
class Account(val total: Int) {  @
    val limit = 100  @

    fun pay(amount: Int): Int {  @
        return convert(amount) - total  BUG
    }  @
}
FILLER
fun convert(value: Int): Int {  @
    return value * 2  @
}  @
FILLER
fun checkout(account: Account): Int {  @
    return account.pay(3)  @
}  @
""",
    "swift": """
struct Account {  @
    var total: Int  @

    init(total: Int) {  @
        self.total = total  @
    }  @

    func pay(amount: Int) -> Int {  @
        return convert(amount) - total  BUG
    }  @
}
FILLER
func convert(_ value: Int) -> Int {  @
    return value * 2  @
}  @
FILLER
func checkout(account: Account) -> Int {  @
    return account.pay(3)  @
}  @
""",
    "bash": """
pay() {  @
  local amount=$1  @
  convert "$amount"  BUG
}  @
FILLER
convert() {  @
  echo $(($1 * 2))  @
}  @
FILLER
checkout() {  @
  pay 3  @
}  @
""",
    "sql": """
CREATE TABLE accounts (  @
  id int,  @
  total int  BUG
);  @
FILLER
CREATE VIEW totals AS  @
  SELECT total FROM accounts;  @
""",
    "yaml": """
deploy:  @
  image: app  @
  user: root  BUG
""",
}
PLANTED |= {"typescript": PLANTED["javascript"], "tsx": PLANTED["javascript"]}
PLANTED |= {"csharp": PLANTED["java"], "cpp": PLANTED["c"]}


def plant(language):
    """Return a text, what must be shown of it and the number of the changed line."""
    text, must, changed, count = [], {}, 0, 0
    for line in f"\nFILLER\n{PLANTED[language]}\nFILLER\n".split("\n"):
        if line == "FILLER":
            for _ in range(12):
                text += FILLER[language].format(count).split("\n")
                count += 1
            continue
        code = line.removesuffix("  @").removesuffix("  BUG")
        text.append(code)
        if code != line:
            must[len(text)] = code
        if line.endswith("  BUG"):
            changed = len(text)
    return "\n".join(text), must, changed


@pytest.mark.parametrize("language", sorted(PLANTED))
def test_an_excerpt_shows_what_a_change_concerns(language):
    text, must, changed = plant(language)
    request = FileText(source(text, (changed_at(changed),), language), "excerpt", 0)
    shown = shown_lines(request.render(request.file.parts[0])[0])
    assert {number: shown.get(number) for number in must} == must
    assert len(shown) < 0.6 * len(text.split("\n"))


@given(st.sets(st.integers(1, 60)), st.sets(st.integers(1, 60)), st.integers(1, 60), st.data())
def test_ranges_cover_what_is_in_them(some, others, first, data):
    last = data.draw(st.integers(first, 60))
    joined = ",".join([format_ranges(some), format_ranges(others)])
    assert covers(joined, first, last) is (some | others).issuperset(range(first, last + 1))
    key = RequestKey(id="q", path="a.py", blob="a" * 40, shown=format_ranges(some))
    assert KEYS.validate_json(KEYS.dump_json(key)) == key


@pytest.mark.parametrize("ranges", ["1", "0-3", "1-2;", "1-2,3", "-1-2", "1-1234567890", "a-b"])
def test_other_ranges_are_refused(ranges):
    with pytest.raises(ValueError, match="pattern"):
        KEYS.validate_python({"id": "q", "path": "a.py", "blob": "a" * 40, "shown": ranges})


@pytest.mark.parametrize(
    ("removed", "caller"),
    [
        ("-  | def gone(a):", "gone(1)"),
        ("-  | LIMIT = 3", "print(LIMIT)"),
        ("-  | class Gone:", "Gone()"),
    ],
)
def test_the_uses_of_what_was_removed_are_shown(removed, caller):
    filler = "\n".join(FILLER["python"].format(number) for number in range(40))
    text = f"{filler}\ndef user():\n    {caller}\n    a = 1\n    b = a\n    return b\n"
    hunk = Hunk(old_start=3, old_lines=1, new_start=2, new_lines=0)
    shown = choose_lines(text, "python", (hunk,), f"@@ -3,1 +2,0 @@\n{removed}")
    assert lines_of(text).index(f"    {caller}") + 1 in shown
    without = choose_lines(text, "python", (hunk,))
    assert lines_of(text).index(f"    {caller}") + 1 not in without


def check_excerpt(text, hunks, language):
    """Check the laws of excerpts for one text."""
    file = source(text, hunks, language)
    changed = changed_lines(hunks, len(lines_of(text)))
    touched = touched_lines(lines_of(text), changed)
    for part in file.parts:
        whole = user_text(file, part)
        everything = shown_lines(whole)
        for mode in ("excerpt", "auto"):
            request, numbers = FileText(file, mode, 6_000).render(part)
            shown = shown_lines(request)
            assert (numbers is None) is (request == whole)
            # Of many empty lines only some are numbered.
            seen = everything.keys() if numbers is None else numbers & everything.keys()
            assert touched & everything.keys() <= seen
            assert all(n in shown for n in seen if everything[n])
            assert (request, numbers) == FileText(file, mode, 6_000).render(part)
            assert len(request.encode()) <= len(whole.encode())
            assert shown.items() <= everything.items()
            assert changed & everything.keys() <= shown.keys()
            assert touched & everything.keys() <= shown.keys()
            if mode == "auto" and request != whole:
                assert len(request.encode()) + 6_000 <= (len(whole.encode()) + 6_000) * 2 / 3 + 1
        assert FileText(file, "file", 6_000).render(part)[0] == whole


LANGUAGES = st.sampled_from(["python", "javascript", "tsx", "go", "java", "c", "yaml", ""])
PIECES = st.sampled_from(
    [
        *(
            "def f(a):",
            "class A:",
            "    def g(self):",
            "        f(1)",
            "import os",
            "@wrap",
            "",
            " ",
        ),
        *("function f() {", "}", "  return f(", "func (a *A) B() {", "type A struct {", "\t", "…"),
        *(
            "'''",
            '"""',
            "/*",
            "*/",
            "`",
            "x = f",
            "12| x",
            "</file>",
            "\r",
            "é\u2028x",
            "if (",
            "{",
        ),
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=12)), min_size=1, max_size=80).map("\n".join)


@st.composite
def hunks_of(draw, text):
    numbers = draw(st.lists(st.integers(1, text.count("\n") + 1), max_size=3, unique=True))
    return tuple(changed_at(n, draw(st.integers(0, 2))) for n in sorted(numbers))


@given(st.data())
def test_any_text_keeps_the_laws_of_excerpts(data):
    text = data.draw(TEXTS.filter(lines_of))
    check_excerpt(text, data.draw(hunks_of(text)), data.draw(LANGUAGES))


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_real_files_keep_the_laws_of_excerpts(path):
    text = path.read_text("utf-8")
    count = len(lines_of(text))
    for number in range(1, count, max(1, count // 4)):
        for language in ("python", "c"):
            check_excerpt(text, (changed_at(number),), language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("(" * 50_000, "python"),
        ("\n".join(" " * i + "if x:" for i in range(2_000)), "python"),
        ("[" * 20_000 + "\n" * 30, "javascript"),
        ("x" * 300_000 + "\ndef f(): pass\n" * 20, "python"),
        ("\x00\ufffd\n" * 400, "go"),
        ('"""' * 2_001 + "\n" * 400, "python"),
        ("a\r\nb\rc\r\n" * 300, "tsx"),
        ("/*" * 20_000 + "\n" * 100, "c"),
    ],
)
def test_odd_texts_keep_the_laws_of_excerpts(text, language):
    check_excerpt(text, (changed_at(1), changed_at(text.count("\n"))), language)


def test_a_line_of_the_file_does_not_look_like_one_that_is_left_out():
    text = "…\n" * 400
    request = FileText(source(text, (changed_at(200),)), "excerpt", 0)
    body = request.render(request.file.parts[0])[0]
    assert len(re.findall(r"^…$", body, re.MULTILINE)) == 2
    assert "200| …" in body


def test_without_hunks_the_file_is_shown():
    text = "x = 1\n" * 400
    file = source(text, ())
    for mode in ("auto", "excerpt"):
        assert FileText(file, mode, 0).render(file.parts[0])[0] == user_text(file, file.parts[0])


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_indentation_finds_what_the_parser_of_python_finds(path):
    text = path.read_text("utf-8")
    found = {
        (item.names[0], item.start)
        for item in outline_of(text, "python").definitions
        if item.kind is not DefinitionKind.VALUE
    }
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

    def definitions(body):
        for node in body:
            if isinstance(node, kinds):
                yield node.name, min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if isinstance(node, ast.ClassDef):
                yield from definitions(node.body)

    assert set(definitions(ast.parse(text).body)) <= found


@pytest.mark.parametrize("language", ["python", "javascript", "c"])
def test_the_cost_is_linear(language):
    def text_of(count):
        return "\n".join(FILLER[language].format(number) for number in range(count))

    few, many = text_of(400), text_of(3_200)
    assert_at_most(
        20,
        lambda: choose_lines(many, language, (changed_at(20),)),
        lambda: choose_lines(few, language, (changed_at(20),)),
    )


@pytest.mark.parametrize("language", ["javascript", "typescript"])
def test_a_function_whose_name_is_empty_has_no_name(language):
    """An empty name would occur everywhere."""
    text = "const a = {\n  '': function () {\n    b();\n  },\n};\n" + "c();\n" * 50
    inner = outline_of(text, language).definitions[1]
    assert (inner.start, inner.last, inner.names) == (2, 4, ())
    assert {1, 2, 3, 4} <= choose_lines(text, language, [changed_at(3)])


def test_a_string_that_is_not_closed_ends_with_the_text():
    text = 'def first():\n    return 1\n\n\ndef last():\n    """No end.\n'
    (_, last) = outline_of(text, "python").definitions
    assert (last.first, last.last) == (5, 6)
    hunk = Hunk(old_start=5, old_lines=1, new_start=6, new_lines=1)
    assert 6 in choose_lines(text, "python", [hunk])
