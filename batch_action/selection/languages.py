"""Map a file's name or shebang to the language name used in prompts and code fences."""

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
