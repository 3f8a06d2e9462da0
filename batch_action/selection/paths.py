"""What a path says about its file: the language, whether it is a test, and how risky a change is.

The riskiest files are sent first under the cost cap.
"""

import math
import re

# Languages whose name is their only extension.
_SAME_EXTENSION = """
    jsx tsx vue svelte astro css scss sass less go java swift dart erb luau elm gleam zig d v
    thrift bicep nix rst twig liquid move cairo wgsl hlsl abap qml vim rego cue
"""
_OTHERS = {
    "python": ".py .pyi .pyw .pyx .pxd #!python #!pypy",
    "javascript": ".js .mjs .cjs #!node",
    "typescript": ".ts .mts .cts #!deno #!bun",
    "html": ".html .htm .xhtml",
    "rust": ".rs",
    "kotlin": ".kt .kts",
    "scala": ".scala .sc",
    "groovy": ".groovy .gradle jenkinsfile",
    "clojure": ".clj .cljs .cljc .edn",
    "c": ".c .h",
    "cpp": ".cc .cpp .cxx .c++ .hpp .hh .hxx .h++ .ipp .inl",
    "cuda": ".cu .cuh",
    "csharp": ".cs .csx",
    "fsharp": ".fs .fsi .fsx",
    "vbnet": ".vb",
    "objectivec": ".m .mm",
    "ruby": ".rb .rake .gemspec .ru vagrantfile gemfile rakefile podfile fastfile brewfile #!ruby",
    "php": ".php .phtml #!php",
    "perl": ".pl .pm .t #!perl",
    "raku": ".raku .rakumod",
    "r": ".r .rmd #!rscript",
    "julia": ".jl",
    "haskell": ".hs .lhs",
    "ocaml": ".ml .mli",
    "purescript": ".purs",
    "elixir": ".ex .exs",
    "eex": ".eex .heex .leex",
    "erlang": ".erl .hrl",
    "nim": ".nim .nims",
    "crystal": ".cr",
    "verilog": ".sv .svh",
    "vhdl": ".vhd .vhdl",
    "fortran": ".f .f90 .f95 .f03 .f08 .for",
    "pascal": ".pas .pp .dpr",
    "ada": ".adb .ads",
    "cobol": ".cob .cbl .cpy",
    "lisp": ".lisp .lsp .cl",
    "scheme": ".scm .ss .rkt",
    "emacs-lisp": ".el",
    "asm": ".s .asm",
    "bash": ".sh .bash .zsh .ksh .bats pkgbuild .bashrc .zshrc .profile"
    " #!sh #!bash #!dash #!zsh #!ksh",
    "powershell": ".ps1 .psm1 .psd1 #!pwsh",
    "bat": ".bat .cmd",
    "sql": ".sql .psql .ddl .dml",
    "graphql": ".graphql .gql",
    "protobuf": ".proto",
    "terraform": ".tf .tfvars",
    "hcl": ".hcl .nomad",
    "starlark": ".bzl .star .bazel build workspace tiltfile",
    "makefile": ".mk .mak makefile gnumakefile #!make",
    "yaml": ".yaml .yml procfile",
    "json": ".json .webmanifest",
    "jsonc": ".jsonc .json5",
    "ini": ".ini .cfg .conf .properties .editorconfig",
    "xml": ".xml .xsd .xsl .xslt .plist .csproj .fsproj .vbproj .props .targets .xaml",
    "markdown": ".md .markdown .mdx",
    "asciidoc": ".adoc .asciidoc",
    "latex": ".tex .sty .cls",
    "text": ".txt",
    "jinja": ".j2 .jinja .jinja2",
    "handlebars": ".hbs .handlebars",
    "razor": ".cshtml .razor",
    "jupyter": ".ipynb",
    "solidity": ".sol",
    "glsl": ".glsl .vert .frag .geom .comp",
    "gdscript": ".gd",
    "apex": ".apex .trigger",
    "jsonnet": ".jsonnet .libsonnet",
    "dotenv": ".env",
    "dockerfile": ".dockerfile dockerfile containerfile",
    "cmake": ".cmake cmakelists.txt",
    "just": "justfile",
    "go-mod": "go.mod",
    "toml": ".toml pipfile",
    "nginx": "nginx.conf",
    "caddyfile": "caddyfile",
    "fish": ".fish #!fish",
    "lua": ".lua #!lua",
    "awk": ".awk #!awk",
    "tcl": "#!tclsh",
}
"""Language to its extensions, its file names, and after `#!` its interpreters."""

_LANGUAGES = {f".{language}": language for language in _SAME_EXTENSION.split()} | {
    word: language for language, words in _OTHERS.items() for word in words.split()
}
_SHEBANG = re.compile(r"#!\s*(?:\S*/env\s+(?:-S\s*)?)?(?:\S*/)?([A-Za-z]+)")

_RISKY_WORDS = (
    (2.5, r"auth|login|logins|session|sessions|oauth|sso|saml|jwt|permission|permissions|acl|rbac"),
    (2.5, r"crypto|crypt|cipher|password|passwords|secret|secrets|token|tokens|signature|tls|ssl"),
    (2.0, r"payment|payments|billing|invoice|invoices|checkout|wallet|money|price|pricing"),
    (2.0, r"sql|query|queries|database|db|migration|migrations|orm|repository"),
    (2.0, r"security|sanitize|escape|upload|uploads|webhook|webhooks|exec|eval|subprocess|shell"),
    (1.5, r"workflows|dockerfile|terraform|k8s|helm|deploy|deployment|ci|infra|ansible"),
    (1.5, r"api|handler|handlers|controller|controllers|middleware|server|routes|router|admin"),
    (1.3, r"parser|parse|serialize|deserialize|pickle|lock|locks|concurrency|thread|async|cache"),
)
_HARMLESS_WORDS = (
    (0.3, r"test|tests|spec|specs|e2e|fixture|fixtures|mock|mocks|testdata|conftest"),
    (0.2, r"doc|docs|documentation|readme|example|examples|sample|samples|demo|demos|stories"),
)
_DOCS = re.compile(r"\.(?:md|mdx|rst|adoc|txt|tex)$", re.IGNORECASE)
_DATA = re.compile(r"\.(?:json|ya?ml|toml|ini|cfg|xml|html?|s?css|less)$", re.IGNORECASE)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


def _factors(rows: tuple[tuple[float, str], ...]) -> dict[str, float]:
    """Return the factor of each word."""
    return {word: factor for factor, words in rows for word in words.split("|")}


_RISKY_FACTORS = _factors(_RISKY_WORDS)
_HARMLESS_FACTORS = _factors(_HARMLESS_WORDS)
_TEST_WORDS = frozenset(_HARMLESS_WORDS[0][1].split("|"))


def is_prose(path: str) -> bool:
    """Return whether the extension is one of texts for people."""
    return language_of(path) in ("markdown", "rst", "asciidoc", "latex", "text")


def language_of(path: str, text: str = "") -> str:
    """Return the language as a lower-case word; empty when name and shebang are unknown."""
    name = path.rpartition("/")[2].lower()
    _, dot, extension = name.rpartition(".")
    language = _LANGUAGES.get(name) or _LANGUAGES.get(dot + extension if dot else "")
    if language is not None:
        return language
    if name.startswith(("dockerfile.", "containerfile.")):
        return "dockerfile"
    if name.startswith(".env."):
        return "dotenv"
    match = _SHEBANG.match(text[:200])
    return _LANGUAGES.get(f"#!{match[1].lower()}", "") if match else ""


def is_test_path(path: str) -> bool:
    """Return whether a word of the path says that the file belongs to tests."""
    return not _TEST_WORDS.isdisjoint(word.lower() for word in _WORD.findall(path))


def risk(path: str, *, changed: int, churn: int) -> float:
    """Return a score above 0; only the order of scores means something.

    The words of the *path* are looked up in lists of risky and harmless words. *changed*: lines
    added or removed, or all lines in a whole-file review. *churn*: recent commits of the path.
    """
    words = {word.lower() for word in _WORD.findall(path)}
    factor = max((_RISKY_FACTORS.get(word, 1.0) for word in words), default=1.0)
    factor *= min((_HARMLESS_FACTORS.get(word, 1.0) for word in words), default=1.0)
    if _DOCS.search(path):
        factor *= 0.2
    elif _DATA.search(path) and factor <= 1:
        factor *= 0.6
    size = 1 + math.log2(1 + max(changed, 0))
    history = 1 + 0.25 * math.log2(1 + max(churn, 0))
    return round(size * history * factor, 4)
