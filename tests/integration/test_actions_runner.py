"""The runner: file commands as the runner parses them, hostile text, owners of files."""

import io
import json
import os
import re
from pathlib import Path

import pytest

from batch_action.clients import actions_runner
from batch_action.clients.actions_runner import (
    Runner,
    github_context,
    read_event,
    read_inputs,
    truncate_markdown,
)
from batch_action.errors import BatchActionError, ConfigError
from batch_action.models.github_context import PullRequestContext
from batch_action.sandbox.server import Sandbox

NOBODY = 12_345


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def runner(tmp_path: Path, stream: io.StringIO) -> Runner:
    files = {name: tmp_path / name for name in ("output", "summary")}
    for file in files.values():
        file.touch()
    (tmp_path / "workspace").mkdir()
    return Runner(
        tmp_path / "workspace",
        output_path=files["output"],
        summary_path=files["summary"],
        actions=True,
        stream=stream,
    )


def outputs_of(path: Path) -> dict[str, str]:
    """Read the file as the runner does: just `\\n` separates lines, a delimiter is its own line."""
    found, lines = {}, iter(path.read_bytes().decode().split("\n"))
    for line in lines:
        if line:
            name, delimiter = line.split("<<")
            value = []
            while (inner := next(lines)) != delimiter:
                value.append(inner)
            found[name] = "\n".join(value)
    return found


def is_command(line: str) -> bool:
    """The runner's own rule."""
    return line.strip().startswith("::") or "##[" in line


class TestOutputs:
    def test_values_of_all_types_are_read_back(self, runner, tmp_path):
        values = {
            "status": "done",
            "issue-number": 7,
            "cost-usd": 0.5,
            "found": True,
            "issue-url": None,
            "batch-ids": '["a"]\nfindings-count=99\nstatus<<x\r\n::error::y\n',
        }
        for name, value in values.items():
            runner.set_output(name, value)
        read = outputs_of(tmp_path / "output")
        assert read == {
            "status": "done",
            "issue-number": "7",
            "cost-usd": "0.5",
            "found": "true",
            "issue-url": "",
            "batch-ids": values["batch-ids"],
        }

    def test_each_output_has_its_own_delimiter(self, runner, tmp_path):
        runner.set_output("a", 1)
        runner.set_output("b", 2)
        found = re.findall(r"<<(ghadelimiter_[0-9a-f-]{36})\n", (tmp_path / "output").read_text())
        assert len(set(found)) == 2

    def test_a_value_holding_the_delimiter_is_refused(self, tmp_path, monkeypatch):
        output = tmp_path / "output"
        monkeypatch.setattr(actions_runner, "new_delimiter", lambda: "EOF")
        runner = Runner(tmp_path, output_path=output, actions=True)
        with pytest.raises(BatchActionError, match="delimiter"):
            runner.set_output("status", "x\nEOF\nother=1")
        assert not output.exists()

    @pytest.mark.parametrize("name", ["", "a=b", "a\nb", "a<<b", "Ä"])
    def test_an_invalid_name_is_refused(self, runner, name):
        with pytest.raises(BatchActionError, match="cannot name an output"):
            runner.set_output(name, 1)

    def test_outside_of_actions_nothing_is_written(self, tmp_path):
        runner = Runner(tmp_path)
        runner.set_output("status", "done")
        runner.summary("# Hello")
        assert list(tmp_path.iterdir()) == []

    def test_undecodable_bytes_do_not_break_the_file(self, runner, tmp_path):
        runner.set_output("results-file", os.fsdecode(b"\xff.py"))
        assert outputs_of(tmp_path / "output") == {"results-file": "?.py"}


class TestSummary:
    def test_parts_are_appended(self, runner, tmp_path):
        runner.summary("# One")
        runner.summary("Two\n")
        assert (tmp_path / "summary").read_text() == "# One\n\nTwo\n"

    def test_it_never_exceeds_the_limit(self, runner, tmp_path):
        for _ in range(4):
            runner.summary("# Run ü\n\n" + "A paragraph of words.\n\n" * 20_000)
        text = (tmp_path / "summary").read_bytes()
        assert 1_000_000 < len(text) <= 1_048_576
        assert text.decode().rstrip().endswith("at most 1 MiB.")

    def test_short_text_is_unchanged(self):
        assert truncate_markdown("a\n```\nb", 7) == "a\n```\nb"

    def test_it_is_not_cut_inside_of_a_fence_or_open_details(self):
        start = "Intro\n\n<details><summary>x</summary>\n\n"
        code = "````python\n```\n" + "code()\n\n" * 400 + "````\n\nEnd\n\n</details>\n"
        cut = truncate_markdown(start + code, 1000)
        assert cut.startswith("Intro\n\n<details><summary>x</summary>\n\n</details>\n\n> [!NOTE]")
        assert "code()" not in cut

    @pytest.mark.parametrize("limit", [-5, 0, 10, 90, 200])
    def test_it_fits_any_limit(self, limit):
        assert len(truncate_markdown("words and words\n\n" * 99, limit).encode()) <= max(limit, 0)


class TestCommands:
    def test_an_annotation_has_its_location(self, runner, stream):
        runner.annotate("warning", "100% wrong\nand so on", file="a,b:c.py", line=3, title="x: y")
        assert stream.getvalue() == (
            "::warning file=a%2Cb%3Ac.py,line=3,title=x%3A y::100%25 wrong%0Aand so on\n"
        )

    def test_an_annotation_of_several_lines_is_counted_by_its_level(self, runner, stream):
        runner.annotate("error", "x", file="a.py", line=3, end_line=5)
        runner.annotate("error", "y")
        runner.annotate("notice", "z")
        assert stream.getvalue().startswith("::error file=a.py,line=3,endLine=5::x\n")
        assert runner.annotation_counts == {"error": 2, "notice": 1}

    @pytest.mark.parametrize(
        "hostile",
        [
            "x\n::error::y",
            "x\r::error::y",
            "##[set-output name=a]b",
            "\n  ::add-mask::x",
            "a\u2028::stop-commands::z",
            "\x1b[2J::error::",
        ],
    )
    def test_hostile_text_is_never_a_command(self, runner, stream, hostile):
        runner.log(hostile)
        assert not any(is_command(line) for line in re.split(r"[\r\n]", stream.getvalue()))
        runner.annotate("notice", hostile, file=hostile, title=hostile)
        assert stream.getvalue().split("\n")[-2].startswith("::notice ")
        assert "##[" not in stream.getvalue()
        assert "\r" not in stream.getvalue()

    def test_an_unknown_level_is_an_error(self, runner):
        with pytest.raises(BatchActionError):
            runner.annotate("set-output name=x", "y")

    def test_a_mask_covers_the_whole_and_each_line(self, runner, stream):
        runner.mask("first%line\nsecond\n\nsecond")
        assert stream.getvalue() == (
            "::add-mask::first%25line%0Asecond%0A%0Asecond\n"
            "::add-mask::first%25line\n"
            "::add-mask::second\n"
        )
        runner.mask("  ")
        assert stream.getvalue().count("add-mask") == 3

    def test_outside_of_actions_plain_lines_go_to_stderr(self, tmp_path, capsys):
        runner = Runner(tmp_path)
        runner.annotate("error", "wrong", file="a.py", line=3, title="Bad")
        runner.annotate("debug", "unseen")
        runner.mask("secret")
        out, err = capsys.readouterr()
        assert (out, err) == ("", "error: a.py:3: Bad: wrong\n")

    def test_in_actions_commands_go_to_stdout(self, tmp_path, capsys):
        Runner(tmp_path, actions=True).annotate("notice", "hello")
        assert capsys.readouterr().out == "::notice::hello\n"


class TestResults:
    def test_the_folder_ignores_itself(self, runner):
        assert runner.write_result("findings.json", [b"{}"]) == ".batch-action/findings.json"
        folder = runner.workspace / ".batch-action"
        assert (folder / ".gitignore").read_text() == "*\n"
        assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "findings.json"]

    def test_a_folder_that_is_a_link_is_refused(self, runner, tmp_path):
        (tmp_path / "elsewhere").mkdir()
        (runner.workspace / ".batch-action").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ConfigError, match="is no folder"):
            runner.write_result("x", [b""])

    def test_links_inside_are_replaced(self, runner, tmp_path):
        victim = tmp_path / "victim"
        victim.write_text("keep")
        folder = runner.workspace / ".batch-action"
        folder.mkdir()
        for name in (".gitignore", "findings.json"):
            (folder / name).symlink_to(victim)
        runner.write_result("findings.json", [b"{}"])
        assert victim.read_text() == "keep"
        assert (folder / "findings.json").read_bytes() == b"{}"

    def test_secrets_are_hidden_in_each_piece(self, runner):
        runner.mask("topsecret")
        runner.write_result("a.json", (b"[%s]" % name for name in (b"topsecret", b"a topsecret")))
        assert (runner.workspace / ".batch-action/a.json").read_bytes() == b"[***][a ***]"

    def test_a_file_that_cannot_be_written_whole_leaves_the_one_before(self, runner):
        def pieces():
            yield b"half"
            raise OSError

        runner.write_result("a.json", [b"whole"])
        with pytest.raises(OSError):  # noqa: PT011 - it has no message
            runner.write_result("a.json", pieces())
        files = (runner.workspace / ".batch-action").iterdir()
        assert sorted(path.name for path in files) == [".gitignore", "a.json"]
        assert (runner.workspace / ".batch-action/a.json").read_bytes() == b"whole"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_everything_belongs_to_the_owner_of_the_workspace(self, runner, tmp_path):
        outside = tmp_path / "outside"
        outside.write_text("mine")
        os.chown(runner.workspace, NOBODY, NOBODY)
        runner.write_result("findings.json", [b"{}"])
        folder = runner.workspace / ".batch-action"
        (folder / "deep").mkdir()
        (folder / "deep" / "link").symlink_to(outside)
        runner.chown_to_workspace_owner(folder)
        owners = {path.lstat().st_uid for path in [folder, *folder.rglob("*")]}
        assert owners == {NOBODY}
        assert outside.stat().st_uid == 0


class TestInputs:
    def test_names_values_and_unset_inputs(self):
        environ = {
            "INPUT_ANTHROPIC-API-KEY": " sk-ant-x\n",
            "INPUT_MAX-COST-USD": "  ",
            "INPUT_BASE": "",
            "INPUT_MY INPUT": "1",
            "INPUT_": "x",
            "OTHER": "x",
        }
        assert read_inputs(environ) == {"anthropic-api-key": "sk-ant-x", "my_input": "1"}


class TestContext:
    def test_a_run_of_the_sandbox(self, tmp_path):
        with Sandbox() as sandbox:
            repository = sandbox.github.add_repository("octo/demo", private=False)
            run = sandbox.github.start_run("octo/demo", event="schedule")
            environ = sandbox.github.step_environment(
                run, tmp_path / "workspace", tmp_path / "temp"
            )
            context = github_context(environ, read_event(Path(environ["GITHUB_EVENT_PATH"])))
            assert context.api_url == f"{sandbox.github_url}/api/v3"
        assert context.workspace == tmp_path / "workspace"
        assert (context.repository, context.repository_id) == ("octo/demo", str(repository.id))
        assert (context.run, context.event) == (f"{run.id}.1", "schedule")
        assert (context.branch, context.default_branch) == ("main", "main")
        assert (context.private, context.from_fork) == (False, False)
        assert context.sha == run.head_sha

    def test_the_command_line_has_no_context(self):
        context = github_context({}, {})
        assert (context.repository, context.repository_id, context.run_id) == (
            None,
            "local",
            "local",
        )
        assert (context.event, context.sha, context.branch) == ("local", None, None)
        assert context.api_url == "https://api.github.com"

    @pytest.mark.parametrize(
        ("head", "fork"),
        [({"full_name": "Octo/Demo"}, False), ({"full_name": "eve/demo"}, True), (None, True)],
    )
    def test_a_pull_request(self, head, fork):
        environ = {
            "GITHUB_REPOSITORY": "octo/demo",
            "GITHUB_SHA": "m" * 40,
            "GITHUB_REF": "refs/pull/3/merge",
            "GITHUB_HEAD_REF": "topic",
        }
        pull = {"head": {"sha": "h" * 40, "ref": "topic", "repo": head}}
        context = github_context(environ, {"pull_request": pull})
        assert (context.from_fork, context.sha, context.branch) == (fork, "h" * 40, "topic")

    @pytest.mark.parametrize(
        ("change", "is_valid"),
        [({}, True), ({"number": "3"}, False), ({"head": {}}, False), ({"base": None}, False)],
    )
    def test_the_pull_request_of_the_event(self, change, is_valid):
        base = {"sha": "b" * 40, "ref": "main"}
        pull = {"number": 3, "head": {"sha": "h" * 40}, "base": base, "user": {"login": "ada"}}
        context = github_context({}, {"pull_request": pull | change}).pull_request
        expected = PullRequestContext(
            number=3, head="h" * 40, base="b" * 40, base_ref="main", author="ada"
        )
        assert context == (expected if is_valid else None)

    def test_a_tag_is_no_branch(self):
        assert github_context({"GITHUB_REF": "refs/tags/v1"}, {}).branch is None

    @pytest.mark.parametrize(
        "payload",
        [
            {"repository": None, "pull_request": 5},
            {"repository": {"private": "yes", "default_branch": 3}},
            {"pull_request": {"head": []}},
        ],
    )
    def test_an_invalid_payload_is_tolerated(self, payload):
        context = github_context({"GITHUB_RUN_ATTEMPT": "x"}, payload)
        assert (context.private, context.default_branch, context.run_attempt) == (None, None, 1)

    @pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, "\ud800"])
    def test_a_broken_event_is_empty(self, tmp_path, text):
        path = tmp_path / "event.json"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        assert read_event(path) == {}

    def test_a_missing_or_huge_event_is_empty(self, tmp_path):
        assert read_event(None) == {}
        assert read_event(tmp_path / "none") == {}
        with (tmp_path / "huge").open("wb") as file:
            file.truncate(33 * 1024 * 1024)
        assert read_event(tmp_path / "huge") == {}
        (tmp_path / "good").write_text(json.dumps({"a": 1}))
        assert read_event(tmp_path / "good") == {"a": 1}
