"""Map a file's name or shebang to the language name used in prompts and code fences."""

import re
from collections.abc import Mapping


def _invert(table: Mapping[str, str]) -> dict[str, str]:
    """Return the language of each word."""
    return {word: language for language, words in table.items() for word in words.split()}


# Languages whose name is their only extension.
_SAME_EXTENSION = """
    jsx tsx vue svelte astro css scss sass less go java swift dart erb lua luau elm gleam zig d
    v fish awk thrift bicep nix cmake dockerfile toml rst twig liquid move cairo wgsl hlsl abap
    qml vim rego cue
"""
_EXTENSIONS = {language: language for language in _SAME_EXTENSION.split()} | _invert(
    {
        "python": "py pyi pyw pyx pxd",
        "javascript": "js mjs cjs",
        "typescript": "ts mts cts",
        "html": "html htm xhtml",
        "rust": "rs",
        "kotlin": "kt kts",
        "scala": "scala sc",
        "groovy": "groovy gradle",
        "clojure": "clj cljs cljc edn",
        "c": "c h",
        "cpp": "cc cpp cxx c++ hpp hh hxx h++ ipp inl",
        "cuda": "cu cuh",
        "csharp": "cs csx",
        "fsharp": "fs fsi fsx",
        "vbnet": "vb",
        "objectivec": "m mm",
        "ruby": "rb rake gemspec ru",
        "php": "php phtml",
        "perl": "pl pm t",
        "raku": "raku rakumod",
        "r": "r rmd",
        "julia": "jl",
        "haskell": "hs lhs",
        "ocaml": "ml mli",
        "purescript": "purs",
        "elixir": "ex exs",
        "eex": "eex heex leex",
        "erlang": "erl hrl",
        "nim": "nim nims",
        "crystal": "cr",
        "verilog": "sv svh",
        "vhdl": "vhd vhdl",
        "fortran": "f f90 f95 f03 f08 for",
        "pascal": "pas pp dpr",
        "ada": "adb ads",
        "cobol": "cob cbl cpy",
        "lisp": "lisp lsp cl",
        "scheme": "scm ss rkt",
        "emacs-lisp": "el",
        "asm": "s asm",
        "bash": "sh bash zsh ksh bats",
        "powershell": "ps1 psm1 psd1",
        "bat": "bat cmd",
        "sql": "sql psql ddl dml",
        "graphql": "graphql gql",
        "protobuf": "proto",
        "terraform": "tf tfvars",
        "hcl": "hcl nomad",
        "starlark": "bzl star bazel",
        "makefile": "mk mak",
        "yaml": "yaml yml",
        "json": "json webmanifest",
        "jsonc": "jsonc json5",
        "ini": "ini cfg conf properties editorconfig",
        "xml": "xml xsd xsl xslt plist csproj fsproj vbproj props targets xaml",
        "markdown": "md markdown mdx",
        "asciidoc": "adoc asciidoc",
        "latex": "tex sty cls",
        "text": "txt",
        "jinja": "j2 jinja jinja2",
        "handlebars": "hbs handlebars",
        "razor": "cshtml razor",
        "jupyter": "ipynb",
        "solidity": "sol",
        "glsl": "glsl vert frag geom comp",
        "gdscript": "gd",
        "apex": "apex trigger",
        "jsonnet": "jsonnet libsonnet",
        "dotenv": "env",
    }
)
_NAMES = _invert(
    {
        "dockerfile": "dockerfile containerfile",
        "makefile": "makefile gnumakefile",
        "cmake": "cmakelists.txt",
        "groovy": "jenkinsfile",
        "ruby": "vagrantfile gemfile rakefile podfile fastfile brewfile",
        "starlark": "build workspace tiltfile",
        "just": "justfile",
        "yaml": "procfile",
        "go-mod": "go.mod",
        "toml": "pipfile",
        "bash": "pkgbuild .bashrc .zshrc .profile",
        "dotenv": ".env",
        "nginx": "nginx.conf",
        "caddyfile": "caddyfile",
    }
)
_INTERPRETERS = _invert(
    {
        "python": "python pypy",
        "javascript": "node",
        "typescript": "deno bun",
        "bash": "sh bash dash zsh ksh",
        "fish": "fish",
        "ruby": "ruby",
        "perl": "perl",
        "php": "php",
        "lua": "lua",
        "r": "rscript",
        "powershell": "pwsh",
        "awk": "awk",
        "tcl": "tclsh",
        "makefile": "make",
    }
)
_SHEBANG = re.compile(r"#!\s*(?:\S*/env\s+(?:-S\s*)?)?(?:\S*/)?([A-Za-z]+)")


def language_of(path: str, text: str = "") -> str:
    """Return the language as a lower-case word; empty when name and shebang are unknown."""
    name = path.rpartition("/")[2].lower()
    if name in _NAMES:
        return _NAMES[name]
    _, dot, extension = name.rpartition(".")
    if dot and extension in _EXTENSIONS:
        return _EXTENSIONS[extension]
    if name.startswith(("dockerfile.", "containerfile.")):
        return "dockerfile"
    if name.startswith(".env."):
        return "dotenv"
    match = _SHEBANG.match(text[:200])
    return _INTERPRETERS.get(match[1].lower(), "") if match else ""
