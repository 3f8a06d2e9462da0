"""Match paths against `paths`, `paths-ignore` and the default ignores, in gitignore syntax."""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache

from pathspec import PathSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from batch_action.config.settings import Settings
from batch_action.context import RunContext
from batch_action.errors import ConfigError
from batch_action.models.files import Selection, SkipKind, SkippedFile, SkipReason
from batch_action.selection.paths import is_prose, is_test_path, language_of
from batch_action.tasks.task import ContextNeeds
from batch_action.text import plural

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
            *.bundle.js *.bundle.css *.chunk.js *.chunk.css *.packed.js *.umd.js *.umd.cjs
            *.umd.mjs *.iife.js *.amd.js *.system.js *.cjs.js *.esm.js *.esm-bundler.js
            *.esm-browser.js *.global.js *.prod.js *.production.js
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
            gradle/wrapper/ .pnp.data.json *.dist-info/ PKG-INFO
        """,
        SkipReason.KEY: """
            *.key *.pem *.p8 *.p12 *.pfx *.jks *.keystore *.ppk *.kdbx *.gpg *.pgp id_rsa id_dsa
            id_ecdsa id_ed25519 .htpasswd .netrc .pgpass .git-credentials .aws/credentials
            *.mobileprovision *.ovpn .pypirc .dockercfg .dockerconfigjson .docker/config.json
            kubeconfig *.kubeconfig .kube/config .my.cnf .s3cfg
        """,
        SkipReason.CERTIFICATE: """
            *.crt *.cer *.csr *.srl *.der *.crl *.p7b *.p7c *.asc *.sig *.pub known_hosts
        """,
        SkipReason.ENVIRONMENT: """
            .env .env.* *.env !.env.example !.env.*.example !.env.sample !.env.template !.env.dist
            !.env.defaults !example.env !sample.env !*.example.env
        """,
        SkipReason.DATA: """
            *.json !package.json !composer.json !deno.json !bower.json !lerna.json !nx.json
            !turbo.json !rush.json !project.json !global.json !host.json !function.json
            !tsconfig*.json !jsconfig*.json !*.config.json !config.json !settings.json !.*.json
            !appsettings*.json !launchSettings.json !mcp.json !manifest.json !angular.json !app.json
            !vercel.json !now.json !netlify.json !firebase.json !*.rules.json !cdk.json
            !serverless*.json !sam*.json !template*.json !*.template.json !*-template.json
            !*stack*.json !*.tf.json !*.pkr.json !azuredeploy*.json !*task-definition*.json
            !Dockerrun.aws.json !buildspec*.json !*policy*.json !*role*.json !*trust*.json
            !renovate.json !devcontainer.json !**/.devcontainer/** !**/.vscode/** !**/.github/**
            !**/.claude/** !**/k8s/** !**/kubernetes/** !**/helm/** !**/terraform/**
            !**/cloudformation/** !**/infra/** !**/infrastructure/** !**/deploy/**
            !**/deployment/** !**/iam/** !**/config/**
            **/locale/**/*.yml **/locales/**/*.yml **/locales/**/*.yaml **/locales/**/*.json
            **/i18n/**/*.yml **/translations/**/*.yml **/translations/**/*.yaml
            requirements*.txt constraints*.txt requirements/*.txt *.resx *.arb *.strings
            *.stringsdict *.har *.kml *.gpx *.tfstate *.tfstate.backup *.srt *.vtt *.ics *.vcf
        """,
        SkipReason.PROSE: """
            *.md *.mdx *.mdc *.markdown *.rst *.adoc *.asciidoc *.txt *.org *.textile *.rdoc
            *.mediawiki *.wiki *.rtf *.tex *.bib *.texi *.pod !meson_options.txt !conanfile.txt
            README* Readme* HISTORY* History* CHANGES* Changes* CHANGELOG* Changelog* ChangeLog*
            NEWS* News* RELEASES* Releases* RELEASE_NOTES* RELEASE-NOTES* AUTHORS* CONTRIBUTING*
            CONTRIBUTORS* MAINTAINERS* GOVERNANCE* CODE_OF_CONDUCT* SECURITY* SUPPORT* TODO*
            THANKS* NOTICE* COPYING* LICENSE* LICENCE* UPGRADING* MIGRATING* ROADMAP* INSTALL*
            .cursorrules .windsurfrules .clinerules changelog changelog.d/ newsfragments/
            debian/copyright
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
            *.fbx *.blend .DS_Store LICENSE
            LICENSE.* COPYING CHANGELOG CHANGELOG.* AUTHORS CONTRIBUTORS CODEOWNERS
            .gitignore .gitattributes .gitkeep .git-blame-ignore-revs .mailmap py.typed
            *.sarif .batch-action/ /.github/batch-action.yml
            /.github/workflows/batch-action.yml
        """,
    }.items()
}
"""In the order in which they are tried: the first reason wins."""

ABOUT_NO_CODE = (SkipReason.DATA, SkipReason.PROSE)
"""These ignores hold for the tasks about code only."""

DEFAULT_GUIDELINES = Settings.model_fields["guidelines"].default
MAX_NAMED_FILES = 5
"""How many files one warning names."""


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
    """Patterns of one setting in gitignore syntax; the last that matches a path decides.

    Unlike git, `!folder/` excludes the folder's files from an earlier `*.py`, too.
    """

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        """Compile the patterns. Raises ConfigError, which names the setting and the pattern."""
        self.lines = tuple(lines)
        for line in self.lines:
            try:
                PathSpec.from_lines(GitIgnoreSpecPattern, [line])
            except ValueError as error:
                raise ConfigError(
                    f"{name}: {line!r} is not a valid pattern.",
                    fix="Write it as in a .gitignore file.",
                ) from error
        self._spec = PathSpec.from_lines(GitIgnoreSpecPattern, self.lines)
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
        also_reads: Sequence[str] = (),
    ) -> None:
        """Compile the patterns. Raises ConfigError, which names the input and the invalid pattern.

        *other_tasks_patterns*: `paths` of the monorepo's other rules, whose files are not ours.
        *also_reads*: the prose and data that the task reads.
        """
        self._also_reads = Patterns("also-reads", also_reads)
        self._included = _including("paths", paths) if any(map(str.strip, paths)) else None
        self._ignored = Patterns("paths-ignore", paths_ignore)
        self._other_tasks = [_including("rules", lines) for lines in other_tasks_patterns]

    def skip(self, path: str) -> SkippedFile | None:
        """Return why a path is not reviewed, naming the pattern; None when it is."""

        def skipped(
            reason: SkipReason, detail: str, kind: SkipKind = SkipKind.CONFIG
        ) -> SkippedFile:
            return SkippedFile(path=path, reason=reason, kind=kind, detail=detail)

        chosen = ""
        if self._included:
            included, chosen = self._included.match(path)
            if not included:
                return skipped(SkipReason.NOT_IN_PATHS, chosen)
        for patterns in self._other_tasks:
            claimed, pattern = patterns.match(path)
            if claimed:
                return skipped(SkipReason.NOT_IN_PATHS, f"matched by the rule with {pattern}")
        ignored, pattern = self._ignored.match(path)
        if ignored:
            return skipped(SkipReason.PATHS_IGNORE, pattern)
        for reason, defaults in _default_ignores().items() if ignored is None else ():
            matches, pattern = defaults.match(path)
            if matches and not (reason in ABOUT_NO_CODE and self._reads(reason, path, chosen)):
                return skipped(reason, pattern, SkipKind.NAME)
        return None

    def _reads(self, reason: SkipReason, path: str, chosen: str) -> bool:
        """Return whether prose or data is read, because of its task or as `paths` names its kind.

        *chosen*: the pattern of `paths` that matches.
        """
        name, dot, extension = path.rpartition("/")[2].rpartition(".")
        return bool(
            chosen.endswith(dot + extension if name else extension)
            or (reason is SkipReason.PROSE and language_of(path) and not is_prose(path))
            or self._also_reads.match(path)[0]
        )

    def reincludes(self, path: str) -> bool:
        """Return whether `paths-ignore` names this path with `!`, so no default ignore applies."""
        return self._ignored.match(path)[0] is False


def _including(name: str, lines: Sequence[str]) -> Patterns:
    """Compile patterns that narrow; only negations narrow from all files."""
    only_negations = all(line.startswith("!") for line in lines if line.strip())
    return Patterns(name, ["**", *lines] if only_negations else lines)


def find_useless_patterns(lines: Sequence[str], paths: Collection[str]) -> list[str]:
    """Return the patterns that match no path at all: most likely typing errors."""
    positive = [(line, Patterns("paths", [line.removeprefix("!")])) for line in lines if line]
    return [line for line, pattern in positive if not any(pattern.match(p)[0] for p in paths)]


def path_rules(ctx: RunContext) -> PathRules:
    """Return the rules of one task of a run."""
    return PathRules(
        ctx.settings.paths,
        ctx.settings.paths_ignore,
        other_tasks_patterns=ctx.other_tasks_patterns,
        also_reads=ctx.task.also_reads,
    )


def selection_warnings(ctx: RunContext, selection: Selection) -> Iterator[str]:
    """Yield what is most likely not as the user thinks."""
    settings = ctx.settings
    rules = (pattern for patterns in ctx.other_tasks_patterns for pattern in patterns)
    needs_tests = ctx.task.context_needs is ContextNeeds.TESTS
    given = {
        "paths": settings.paths,
        "paths-ignore": settings.paths_ignore,
        "rules": tuple(dict.fromkeys(rules)),
        "test-paths": settings.test_paths if needs_tests else (),
    }
    has_own_guidelines = settings.guidelines != DEFAULT_GUIDELINES
    if any(given.values()) or has_own_guidelines:
        paths = {entry.path for entry in ctx.git.tree(selection.head)}
        for name, lines in given.items():
            if useless := find_useless_patterns(lines, paths):
                yield (
                    f"`{name}`: no file matches {', '.join(map(repr, useless))}. Patterns are "
                    "those of .gitignore, from the root of the repository."
                )
        missing = [name for name in settings.guidelines if name not in paths]
        if has_own_guidelines and missing:
            yield f"`guidelines`: there is no file {', '.join(map(repr, missing))}."
    if ctx.task.security_only:
        yield from _name_secret_files(selection, hidden=ctx.hides_security_findings)


def _name_secret_files(selection: Selection, *, hidden: bool) -> Iterator[str]:
    """Yield one line about the key and environment files that were not sent, if there are any.

    A password of no known format could not be masked in them.
    """
    reasons = (SkipReason.KEY, SkipReason.ENVIRONMENT)
    paths = [f.path for f in selection.skipped if f.reason in reasons and not is_test_path(f.path)]
    if not paths:
        return
    more = " …" if len(paths) > MAX_NAMED_FILES else ""
    names = "" if hidden else f" ({', '.join(paths[:MAX_NAMED_FILES])}{more})"
    yield (
        f"{plural(len(paths), 'key or environment file')}{names} changed. They are not sent: check "
        "that the repository holds no secret."
    )


@cache
def _default_ignores() -> dict[SkipReason, Patterns]:
    return {reason: Patterns("default", lines) for reason, lines in DEFAULT_IGNORES.items()}
