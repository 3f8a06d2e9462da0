"""License headers in odd files, through submit and collect: a new case is one row."""

import importlib.util
from pathlib import Path

from batch_action.models.findings import OPEN_STATES
from batch_action.publishers import markers
from tests.harness.workflow import WorkflowHarness

CONFIG = ".github/batch-action.yml"
MIT = "SPDX-License-Identifier: MIT\n"
CODE = "one two three\nfour five six\nseven eight nine\n"
NOTICE = "Licensed to the A Foundation under one or more agreements."

WITH_HEADER = {
    "region.cs": f"#region License\n// {NOTICE}\n#endregion\nclass A {{}}\n",
    "region_bom.cs": f"\ufeff#region Copyright\r\n// {NOTICE}\r\n#endregion\r\nclass A {{}}\r\n",
    "nullable.cs": f"#nullable enable\n\n// {NOTICE}\nnamespace A;\n",
    "once.h": f"#pragma once\n\n/* {MIT} */\nint a;\n",
    "guard.h": f"#ifndef GUARD_H_\n#define GUARD_H_\n/*\n * {MIT} */\nint b;\n#endif\n",
    "declare.php": "<?php\n\ndeclare(strict_types=1);\n\n/* Copyright (c) 2024 A */\necho 1;\n",
    "namespace.php": f"<?php\nnamespace A;\n// {MIT}\nclass B {{}}\n",
    "client.tsx": f"'use client';\n\n// {MIT}export const A = 1;\n",
    "shebang.mjs": f"#!/usr/bin/env node\n'use strict';\n/**\n * @license MIT\n * {MIT} */\nA;\n",
    "coding.py": f"#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\n# vim: ts=4\n# {MIT}import a\n",
    "docstring.py": '"""What it is.\n\n:copyright: (c) 2024 by A.\n:license: BSD\n"""\nimport b\n',
    "templates/helm.yaml": "{{/*\nCopyright 2024 A.\n" + MIT + "*/}}\napiVersion: v1\n",
    "templates/trimmed.yaml": "{{- /* " + MIT.strip() + " */ -}}\nkind: Pod\n",
    "jinja.html.j2": "{#\n " + MIT + "#}\n<p>one</p>\n",
    "erb.erb": "<%#\n " + MIT + "%>\n<p>two</p>\n",
    "doctype.html": f"<!DOCTYPE html>\n<!--\n {MIT}-->\n<p>three</p>\n",
    "prolog.xml": f'<?xml version="1.0"?>\n<!-- {MIT.strip()} -->\n<a/>\n',
    "build.bat": f"@echo off\nrem {MIT}dir\n",
    "make.mk": f"# {MIT}all:\n",
    "Dockerfile": f"# syntax=docker/dockerfile:1\n# {MIT}FROM a\n",
    "query.sql": f"-- {MIT}SELECT 1;\n",
    "site.pp": f"# {MIT}node a {{}}\n",
    "solve.m": f"% {MIT}a = 1;\n",
    "kernel.cl": f"// {MIT}kernel void a() {{}}\n",
    "rules.pl": f"%  {MIT}a(1).\n",
    "sub.cls": f"' {MIT}Sub A()\nEnd Sub\n",
    "lib.lisp": f";;; {MIT}(a)\n",
    "core.clj": ";; Copyright (c) A. All rights reserved.\n(ns a)\n",
    "Main.hs": f"{{- |\n{MIT}-}}\nmodule A where\n",
    "mod.ml": f"(* {MIT} *)\nlet a = 1\n",
    "doc.lua": f"--[[\n{MIT}]]\nlocal a\n",
    "fixed.f": f"C     {MIT}      END\n",
    "go.go": "//go:build linux\n\n// Copyright 2024 The A Authors. All rights reserved.\n"
    "// Use of this source code is governed by a license that can be found there.\n\npackage a\n",
    "deno.ts": "#!/usr/bin/env -S deno run\n// Copyright 2018-2024 the A authors. MIT.\nA;\n",
    "vue.vue": f"<!--\n  - {MIT}-->\n<template/>\n",
    "strict.pm": f"package A;\nuse strict;\n# {MIT}1;\n",
    "wide.cs": f"// {NOTICE}\r\nclass A {{}}\r\n".encode("utf-16"),
    "latin.py": f"# {MIT}# \xe9\nimport c\n".encode("latin-1"),
    "late.py": "# a\n" * 30 + f"# {MIT}import d\n",
    "mpl.rs": "/* This Source Code Form is subject to the terms of the Mozilla Public\n"
    " * License, v. 2.0. */\nfn a() {}\n",
    "authors.rs": "// Copyright The A Authors.\nfn b() {}\n",
    "company.js": "/* Copyright A Corporation and its licensors. */\nf();\n",
    "tag.js": "/**\n * @license MIT\n */\ng();\n",
    "see.py": "# A module. See the file COPYING for details.\nimport e\n",
    "name.rb": "# MIT License\n\nrequire 'a'\n",
    "domain.c": "/* Placed in the public domain. */\nint c;\n",
    "sidecar.ts": "export const e = 1;\n",
    "sidecar.ts.license": MIT,
    "reuse/one.ts": "export const f = 1;\n",
    "reuse/deep/two.ts": "export const g = 1;\n",
}
BESIDE = {
    "reuse/REUSE.toml": 'version = 1\n[[annotations]]\npath = ["*.ts", "deep/**"]\n'
    'SPDX-FileCopyrightText = "2024 A"\nSPDX-License-Identifier = "MIT"\n',
}
PACKAGES = {
    # A module of a package, and whether its files have a header.
    "packaging.version": True,
    "cryptography.x509.base": True,
    "pygments.lexer": True,
    "six": True,
    "git.util": True,
    "github.Issue": True,
    "hypothesis.core": True,
    "yamllint.linter": True,
    "click.core": False,
    "jinja2.environment": False,
    "rich.console": False,
    "pluggy._manager": False,
    "starlette.routing": False,
}
WITHOUT_HEADER = {
    "line_ends.ts": f"export const h = 1;\n{CODE}",
    "moved.rb": f"def a\n{CODE}end\n",
    "edited.go": f"package a\n{CODE}",
    "gone.swift": f"struct A {{}}\n{CODE}",
    "headed.kt": f"class A\n{CODE}",
    "in_a_string.py": f'A = """\n{MIT}"""\n{CODE}',
    "about_others.py": f"def license():\n    return 'Copyright 2024 A'\n{CODE}",
    "too_late.py": "# a\n" * 60 + f"# {MIT}import d\n",
    "word.cs": f"// See the license server.\nclass A {{}}\n{CODE}",
}


def source_of(module: str) -> bytes:
    """Return the beginning of a module of an installed package."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return b"".join(Path(spec.origin).read_bytes().splitlines(keepends=True)[:60])


def missing(workflow: WorkflowHarness) -> dict[str, str]:
    """Submit, collect, and return the state of each missing header by its path."""
    for mode in ("submit", "collect"):
        result = workflow.run(mode, max_findings="99")
        assert result.exit == 0, result.log
    blocks = [block.tracked for block in markers.parse_blocks(workflow.public_text)]
    assert len({b.fingerprint for b in blocks}) == len(blocks), "shown twice"
    return {
        tracked.anchor.path: "open" if tracked.state in OPEN_STATES else tracked.state.name.lower()
        for tracked in blocks
        if tracked.category == "missing-header"
    }


def test_headers_are_found_in_odd_files_and_missing_ones_have_a_life(
    workflow: WorkflowHarness,
) -> None:
    workflow.inputs |= {"task": "license-check"}
    workflow.sandbox.anthropic.answer_with(lambda _params: '{"findings": []}')
    real = {f"lib/{module}.py": source_of(module) for module in PACKAGES}
    workflow.commit({CONFIG: "license-headers: required\n"})
    workflow.commit({**WITH_HEADER, **BESIDE, **WITHOUT_HEADER, **real})
    headless = (module for module, has_header in PACKAGES.items() if not has_header)
    without = {*WITHOUT_HEADER, *(f"lib/{module}.py" for module in headless)}
    assert missing(workflow) == dict.fromkeys(without, "open")
    texts = {path: str(text) for path, text in WITHOUT_HEADER.items()}
    workflow.commit(
        {
            "line_ends.ts": texts["line_ends.ts"].replace("\n", "\r\n"),
            "moved.rb": None,
            "lib/moved.rb": texts["moved.rb"],
            "edited.go": texts["edited.go"] + "more\n",
            "gone.swift": None,
            "headed.kt": f"// {MIT}" + texts["headed.kt"],
        }
    )
    expected = dict.fromkeys(without, "open") | {"gone.swift": "fixed", "headed.kt": "fixed"}
    expected["lib/moved.rb"] = expected.pop("moved.rb")
    assert missing(workflow) == expected
    workflow.commit({"about_others.py.license": MIT})
    assert missing(workflow) == expected | {"about_others.py": "fixed"}
    assert workflow.requested_paths() == ["about_others.py.license"]
    blocks = [block.tracked for block in markers.parse_blocks(workflow.public_text)]
    assert not [b for b in blocks if b.state.name == "RECHECKING"], "each is settled"
