"""Drafts become generated files, or are refused with the reason: nothing is written unchecked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from batch_action.edges.secrets import mask
from batch_action.models.answers import GeneratedFile, RefusedFile
from batch_action.models.files import Change
from batch_action.models.readings import Draft, Site
from batch_action.selection.content import decode, encoding, is_faithful
from batch_action.selection.languages import language_of
from batch_action.steps.attending import Attendant
from batch_action.steps.world import World
from batch_action.tasks import restoring, targets
from batch_action.tasks.targets import Ground
from batch_action.tasks.task import Company

Results = tuple[tuple[GeneratedFile, ...], tuple[RefusedFile, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A reviewed file with what its answers wrote."""

    path: str
    blob: str
    commit: str
    text: str
    """As the model saw it: decoded and masked."""
    drafts: tuple[Draft, ...]


@dataclass(slots=True)
class _Desk:
    """What is decided, file by file."""

    world: World
    made: dict[str, GeneratedFile] = field(default_factory=dict)
    refused: list[RefusedFile] = field(default_factory=list)
    trees: dict[str, dict[str, Change]] = field(default_factory=dict)
    grounds: dict[str, Ground] = field(default_factory=dict)
    attendants: dict[str, Attendant] = field(default_factory=dict)

    def decide(self, source: Source, draft: Draft) -> None:
        """Check one draft."""
        path = draft.path
        problem = targets.unsafe(path) or targets.unfit(draft.text)
        if problem is None and not self.world.git.has_commit(source.commit):
            problem = "belongs to a commit that is no longer here"
        tree: dict[str, Change] = {}
        if problem is None:
            tree, ground = self._commit(source.commit)
            problem = ground.blocks(path)
        data = None
        if problem is None and path in tree:
            data = next((d for _, d in self.world.git.blobs([tree[path].blob])), None)
            if data is None or not is_faithful(data, decode(data)):
                problem = "is to replace a file that is not all UTF-8"
        if problem is None:
            problem = self._fill(source, draft, tree.get(path), data)
        if problem is not None:
            self.refused.append(RefusedFile(path=path[:300], source=source.path, reason=problem))

    def _fill(
        self, source: Source, draft: Draft, there: Change | None, data: bytes | None
    ) -> str | None:
        """Hold the draft against what is there; keep it, or say why not."""
        original = decode(data) if data is not None else ""
        present = restoring.plain(mask(original)[0]) if data is not None else None
        text = restoring.ended_like(restoring.plain(draft.text), present or "")
        site = self._site(source, present)
        checked = Draft(path=draft.path, text=text, summary=draft.summary)
        problem = self.world.task.check(checked, site)
        if problem is None and draft.path in self.made:
            other = self.made[draft.path].source
            problem = f"was written for {other}, too" if other != source.path else None
        if problem is not None or text == present:
            return problem
        if present is not None:
            real = restoring.unmasked(text, present, restoring.plain(original))
            if real is None:
                return "changes a line with a masked secret"
            text = restoring.written_like(real, original)
        mark = "\ufeff" if data is not None and encoding(data) == "utf-8" else ""
        self.made[draft.path] = GeneratedFile(
            path=draft.path,
            text=mark + text,
            source=source.path,
            blob=source.blob,
            commit=source.commit,
            replaces=there.blob if there else None,
            summary=draft.summary,
        )
        return None

    def _site(self, source: Source, present: str | None) -> Site:
        """What the draft is held against; where tests belong is found out as it was before."""
        language = language_of(source.path, source.text)
        site = Site(
            source=source.path,
            language=language,
            text=restoring.plain(source.text),
            present=present,
        )
        if self.world.task.company is not Company.TESTS:
            return site
        if source.commit not in self.attendants:
            tree = self.trees[source.commit]
            self.attendants[source.commit] = Attendant(self.world, source.commit, tree)
        attendant = self.attendants[source.commit]
        layout = attendant.grounds.layout(source.path, language)
        if isinstance(layout, str):
            return site
        tests = attendant.companions(layout)
        return replace(
            site,
            tests=frozenset(test.path for test in tests if test.complete),
            framework=layout.framework,
            target=attendant.target(layout, tests),
        )

    def _commit(self, commit: str) -> tuple[dict[str, Change], Ground]:
        if commit not in self.trees:
            self.trees[commit] = {entry.path: entry for entry in self.world.git.tree(commit)}
            modes = {path: entry.mode for path, entry in self.trees[commit].items()}
            self.grounds[commit] = Ground(modes)
        return self.trees[commit], self.grounds[commit]


def settle(world: World, sources: Iterable[Source]) -> Results:
    """The sound files of tonight and the refused ones; the last answer about a file speaks."""
    desk = _Desk(world)
    for source in sources:
        for draft in _latest(source.drafts):
            desk.decide(source, draft)
    return tuple(desk.made.values()), tuple(desk.refused)


def _latest(drafts: Sequence[Draft]) -> Iterable[Draft]:
    return {draft.path: draft for draft in drafts}.values()
