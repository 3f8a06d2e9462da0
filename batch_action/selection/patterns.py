"""Match paths against `paths`, `paths-ignore` and the default ignores, in gitignore syntax."""

import re
from collections.abc import Sequence
from functools import cache

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from batch_action.errors import ConfigError
from batch_action.models.files import SkipKind, SkippedFile, SkipReason

DEFAULT_IGNORES: dict[SkipReason, tuple[str, ...]] = {
    reason: tuple(patterns.split())
    for reason, patterns in {
        SkipReason.LOCK_FILE: """
            package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml bun.lock
            bun.lockb deno.lock .pnp.cjs .pnp.loader.mjs poetry.lock Pipfile.lock
            uv.lock pdm.lock pixi.lock conda-lock.yml pylock.toml pylock.*.toml
            requirements*.lock Cargo.lock go.sum go.work.sum Gopkg.lock glide.lock
            Gemfile.lock gems.locked composer.lock symfony.lock mix.lock rebar.lock
            packages.lock.json paket.lock project.assets.json gradle.lockfile
            buildscript-gradle.lockfile verification-metadata.xml Package.resolved
            Podfile.lock Cartfile.resolved pubspec.lock stack.yaml.lock
            cabal.project.freeze flake.lock npins/sources.json .terraform.lock.hcl
            Chart.lock MODULE.bazel.lock Manifest.toml renv.lock packrat.lock conan.lock
            vcpkg-lock.json dub.selections.json shard.lock elm-stuff/ spago.lock
            opam.locked *.opam.locked cpanfile.snapshot buf.lock devbox.lock
            aqua-checksums.json Berksfile.lock Puppetfile.lock
        """,
        SkipReason.MINIFIED: """
            *.min.js *.min.mjs *.min.cjs *.min.css *.min.html *-min.js *-min.css *.map
            *.bundle.js *.bundle.css *.chunk.js *.chunk.css *.packed.js
        """,
        SkipReason.VENDORED: """
            node_modules/ bower_components/ jspm_packages/ vendor/ vendored/ _vendor/
            third_party/ third-party/ thirdparty/ 3rdparty/ Godeps/ Pods/
            Carthage/Checkouts/ .yarn/releases/ .yarn/plugins/ .yarn/sdks/ .venv/ venv/
            site-packages/ gradlew gradlew.bat mvnw mvnw.cmd
        """,
        SkipReason.GENERATED: """
            dist/ *.pb.go *.pb.cc *.pb.h *.pb.c *.pb.swift *.pb.ts *_pb.js *_pb.ts
            *_pb.d.ts *_grpc_pb.js *_pb2.py *_pb2.pyi *_pb2_grpc.py *_pb.rb *.pbobjc.h
            *.pbobjc.m *.g.dart *.freezed.dart *.gr.dart *.g.cs *.g.i.cs *.designer.cs
            *.Designer.cs *.generated.* *_generated.go zz_generated.* *.gen.go *.gen.ts
            *.gen.cs bindata.go __generated__/ generated/ .next/ .nuxt/ .svelte-kit/
            htmlcov/ coverage/lcov-report/ *.snap *.tsbuildinfo *.egg-info/ __pycache__/
            *.R.java parser.tab.c lex.yy.c cassettes/*.yaml cassettes/*.yml
            gradle/wrapper/ .pnp.data.json
        """,
        SkipReason.DEFAULT_IGNORE: """
            *.png *.jpg *.jpeg *.gif *.webp *.avif *.bmp *.ico *.icns *.tif *.tiff *.svg
            *.psd *.ai *.eps *.sketch *.fig *.xcf *.drawio *.excalidraw *.woff *.woff2
            *.ttf *.otf *.eot *.mp3 *.mp4 *.m4a *.mov *.avi *.webm *.ogg *.wav *.flac
            *.pdf *.doc *.docx *.xls *.xlsx *.ppt *.pptx *.odt *.ods *.zip *.tar *.tgz
            *.gz *.bz2 *.xz *.zst *.7z *.rar *.jar *.war *.whl *.nupkg *.deb *.rpm *.dmg
            *.exe *.dll *.so *.dylib *.a *.o *.obj *.class *.pyc *.wasm *.node *.bin
            *.dat *.db *.sqlite *.sqlite3 *.parquet *.avro *.npy *.npz *.pkl *.h5 *.onnx
            *.pt *.pth *.safetensors *.gguf *.csv *.tsv *.ndjson *.jsonl *.log *.lock
            *.sum *.patch *.diff *.po *.pot *.mo *.xlf *.geojson *.stl *.gltf *.glb
            *.fbx *.blend *.crt *.cer *.der *.p12 *.jks *.asc *.sig .DS_Store LICENSE
            LICENSE.* COPYING CHANGELOG CHANGELOG.* AUTHORS CONTRIBUTORS CODEOWNERS
            .gitignore .gitattributes .gitkeep .git-blame-ignore-revs .mailmap py.typed
            *.sarif .batch-action/
        """,
    }.items()
}
"""In the order in which they are tried: the first reason wins."""


_STAR, _FOLDERS_BEFORE, _FOLDERS = "[^/]*", "^(?:.+/)?", "(?:/.+)?"
"""How pathspec writes `*`, a `**/` at the beginning, and `/**` in the middle."""


def without_backtracking(regex: str) -> str:
    """Return a pattern's regular expression that finds the same without trying every combination.

    After the first place at which the text between two wildcards fits, no later place is better:
    the second wildcard matches whatever the first leaves. So that choice is final, an atomic group.
    Without it, `*a*a*a*a*b` on a long name takes hours.
    """
    before = regex.startswith(_FOLDERS_BEFORE)
    first, *others = (
        _without_backtracking_in_names(part)
        for part in regex.removeprefix(_FOLDERS_BEFORE if before else "").split(_FOLDERS)
    )
    if not others:
        return (_FOLDERS_BEFORE if before else "") + first
    start = f"^(?>(?:.+?/)??{first}(?=/))" if before else first
    middle = "".join(f"(?>(?:/.+?)??{part}(?=/))" for part in others[:-1])
    return start + middle + _FOLDERS + others[-1]


def _without_backtracking_in_names(regex: str) -> str:
    first, *others = regex.split(_STAR)
    if not others:
        return first
    fixed = "".join(f"(?>{_STAR}?{text})" for text in others[:-1])
    return first + fixed + _STAR + others[-1]


class Patterns:
    """Patterns of one setting; the last that matches a path decides, as in a `.gitignore`."""

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        """Compile the patterns. Raises ConfigError, which names the setting and the pattern."""
        self.lines = tuple(lines)
        for line in self.lines:
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError as error:
                raise ConfigError(
                    f"{name}: {line!r} is not a valid pattern.",
                    fix="Write it as in a .gitignore file.",
                ) from error
        self._spec = GitIgnoreSpec.from_lines(self.lines)
        for pattern in self._spec.patterns:
            if isinstance(pattern, GitIgnoreSpecPattern) and pattern.regex is not None:
                pattern.regex = re.compile(without_backtracking(pattern.regex.pattern))

    def match(self, path: str) -> tuple[bool | None, str]:
        """Return the deciding pattern, and False if it has `!`, None if there is none."""
        result = self._spec.check_file(path)
        return result.include, "" if result.index is None else self.lines[result.index]


class PathRules:
    """Which paths a task reviews.

    `paths` narrows; a pattern with `!` in `paths-ignore` re-includes what another pattern or a
    default ignore excludes.
    """

    def __init__(
        self,
        paths: Sequence[str] = (),
        paths_ignore: Sequence[str] = (),
        *,
        other_tasks_patterns: Sequence[Sequence[str]] = (),
    ) -> None:
        """Compile the patterns. Raises ConfigError, which names the input and the invalid pattern.

        *other_tasks_patterns*: `paths` of the monorepo's other rules, whose files are not ours.
        """
        self._included = Patterns("paths", paths) if any(map(str.strip, paths)) else None
        self._ignored = Patterns("paths-ignore", paths_ignore)
        self._other_tasks = [Patterns("rules", lines) for lines in other_tasks_patterns]

    def skip(self, path: str) -> SkippedFile | None:
        """Return why a path is not reviewed, naming the pattern; None when it is."""

        def skipped(
            reason: SkipReason, detail: str, kind: SkipKind = SkipKind.CONFIG
        ) -> SkippedFile:
            return SkippedFile(path=path, reason=reason, kind=kind, detail=detail)

        if self._included:
            included, pattern = self._included.match(path)
            if not included:
                return skipped(SkipReason.NOT_IN_PATHS, pattern)
        for patterns in self._other_tasks:
            claimed, pattern = patterns.match(path)
            if claimed:
                return skipped(SkipReason.NOT_IN_PATHS, f"matched by the rule with {pattern}")
        ignored, pattern = self._ignored.match(path)
        if ignored:
            return skipped(SkipReason.PATHS_IGNORE, pattern)
        for reason, defaults in _default_ignores().items() if ignored is None else ():
            matches, pattern = defaults.match(path)
            if matches:
                return skipped(reason, pattern, SkipKind.NAME)
        return None

    def reincludes(self, path: str) -> bool:
        """Return whether `paths-ignore` names this path with `!`, so no default ignore applies."""
        return self._ignored.match(path)[0] is False


@cache
def _default_ignores() -> dict[SkipReason, Patterns]:
    return {reason: Patterns("default", lines) for reason, lines in DEFAULT_IGNORES.items()}
