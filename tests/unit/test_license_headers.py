"""License headers in every language, license notices, and the licenses of a repository."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_action.findings.anchoring import anchor_all
from batch_action.models.findings import Confidence, Severity
from batch_action.models.licenses import LicensePolicy, spdx_expression, spdx_id
from batch_action.selection.paths import language_of
from batch_action.tasks.license.headers import (
    check_header,
    first_lines,
    has_header,
    header_of,
    is_header_common,
)
from batch_action.tasks.license.notices import (
    identify_license,
    license_in,
    licenses_granted,
    may_name_license,
)
from batch_action.tasks.license.reuse import notices_beside, places_beside

MIT = LicensePolicy(repository_licenses=(("LICENSE", "MIT"),))
GPL2 = LicensePolicy(repository_licenses=(("COPYING", "GPL-2.0-only OR GPL-2.0-or-later"),))
EXCEPTION = "GPL-2.0-only WITH Classpath-exception-2.0"
EXCEPTED = f"SPDX-License-Identifier: {EXCEPTION}"
TAG = "SPDX-License-Identifier: MIT"
LICENSE_OF_THIS = (Path(__file__).parents[2] / "LICENSE").read_text("utf-8")
BSD = (
    "Redistribution and use in source and binary forms, with or without\n"
    "modification, are permitted provided that the following conditions are met:\n"
)
GPL = (
    " This file is part of Foo.\n\n Foo is free software: you can redistribute it and/or modify\n"
    " it under the terms of the GNU General Public License as published by\n"
    " the Free Software Foundation, either version 3 of the License, or\n"
    " (at your option) any later version.\n"
)


def check_text(text, path="a.py", licensing=MIT, *, required=True):
    raw_findings = check_header(text, language_of(path, text), licensing, required=required)
    anchored, dropped = anchor_all(
        [raw_findings], task="license-check", path=path, text=text, blob="b" * 40, commit="c" * 40
    )
    assert not dropped, "every finding must be anchored"
    return [(finding.category, finding.anchor.start_line) for finding in anchored]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", f"# {TAG}\nx = 1\n"),
        ("a.py", f"#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n#\n# {TAG}\n\nx = 1\n"),
        ("a.py", f'"""What it does.\n\n{TAG}\n"""\nx = 1\n'),
        ("a.py", f'r"""What it does."""\n# {TAG}\nx = 1\n'),
        ("a.py", f"\ufeff# {TAG}\r\nx = 1\r\n"),
        ("tool", f"#!/bin/sh\n# {TAG}\necho\n"),
        ("a.js", f"// {TAG}\nf();\n"),
        ("a.js", f'"use strict";\n/* {TAG} */\nf();\n'),
        ("a.ts", f"/**\n * Words.\n *\n * {TAG}\n */\nf();\n"),
        ("a.ts", f"/*! {TAG} */ f();\n"),
        ("a.go", f"//go:build linux\n\n// {TAG}\n\npackage a\n"),
        ("a.rs", f"//! Words.\n// {TAG}\nfn f() {{}}\n"),
        ("a.c", f"/***********\n * {TAG} *\n ***********/\nint x;\n"),
        ("a.php", f"<?php\n// {TAG}\nf();\n"),
        ("a.php", f"<?php /* {TAG} */\nf();\n"),
        ("a.xml", f'<?xml version="1.0"?>\n<!-- {TAG} -->\n<a/>\n'),
        ("a.html", f"<!DOCTYPE html>\n<!--\n  {TAG}\n-->\n<p>\n"),
        ("a.vue", f"<!-- {TAG} -->\n<template/>\n"),
        ("a.css", f'@charset "utf-8";\n/* {TAG} */\n'),
        ("a.rb", f"=begin\n{TAG}\n=end\nx = 1\n"),
        ("a.lua", f"--[[\n{TAG}\n]]\nx = 1\n"),
        ("a.hs", f"{{-# LANGUAGE X #-}}\n{{- {TAG} -}}\nmodule A\n"),
        ("a.sql", f"-- {TAG}\nSELECT 1;\n"),
        ("a.el", f";;; a.el --- words\n;; {TAG}\n"),
        ("a.ml", f"(* {TAG} *)\nlet x = 1\n"),
        ("a.ps1", f"<#\n{TAG}\n#>\n"),
        ("a.erl", f"%% {TAG}\n-module(a).\n"),
        ("a.f90", f"! {TAG}\nprogram a\n"),
        ("a.bat", f"@echo off\nREM {TAG}\n"),
        ("a.vb", f"' {TAG}\n"),
        ("a.yml", f"---\n# {TAG}\na: 1\n"),
        ("Dockerfile", f"# {TAG}\nFROM a\n"),
        ("a.py", f"x = 1\n# {TAG}\n"),
        ("a.js", f"f(); // {TAG}\n"),
        ("a.js", f"/* Words. */ f();\n// {TAG}\n"),
        ("a.go", f"package a\n\n// {TAG}\n"),
        ("a.html", f"<p>{TAG}</p>\n"),
        ("a.css", f"a {{}} /* {TAG} */\n"),
        ("a.cs", f"#region Copyright\n// {TAG}\n#endregion\n"),
        ("a.cs", "#region Copyright (c) 2020 A\n#endregion\nclass A {}\n"),
        ("a.cs", f"using System;\n// {TAG}\nclass A {{}}\n"),
        ("a.h", f"#pragma once\n\n// {TAG}\n"),
        ("a.h", f"#ifndef A_H\n#define A_H\n\n/* {TAG} */\n"),
        ("a.php", f"<?php\n\ndeclare(strict_types=1);\n\n/**\n * {TAG}\n */\n"),
        ("a.php", f"<?php declare(strict_types=1); /* {TAG} */\n"),
        ("a.tsx", f"'use client';\n\nimport x from 'y';\n// {TAG}\n"),
        ("a.yaml", f"{{{{- /* {TAG} */ -}}}}\na: 1\n"),
        ("a.yaml", f"{{{{- /*\n{TAG}\n*/}}}}\na: 1\n"),
        ("a.j2", f"{{# {TAG} #}}\n"),
        ("a.j2", f"{{%- comment %}}\n{TAG}\n{{%- endcomment %}}\n"),
        ("a.erb", f"<%# {TAG} %>\n"),
        ("a.erb", f"<%-- {TAG} --%>\n"),
        ("a.pp", f"# {TAG}\nclass a {{}}\n"),
        ("a.pp", f"{{ {TAG} }}\nunit A;\n"),
        ("a.m", f"% {TAG}\nfunction a()\n"),
        ("a.m", f"(* {TAG} *)\nBeginPackage[]\n"),
        ("a.cl", f"// {TAG}\n__kernel void a() {{}}\n"),
        ("a.pl", f"% {TAG}\na :- b.\n"),
        ("a.pl", f"use strict;\n\n=head1 LICENSE\n\n{TAG}\n\n=cut\n"),
        ("a.cls", f"' {TAG}\n"),
        ("a.cls", f"/* {TAG} */\npublic class A {{}}\n"),
        ("a.bat", f"@rem {TAG}\n"),
        ("a.m4", f"dnl {TAG}\n"),
        ("a.jl", f"#=\n{TAG}\n=#\n"),
        ("a.scm", f"#| {TAG} |#\n"),
        ("a.cob", f"      * {TAG}\n"),
        ("a.f", f"C     {TAG}\n"),
        ("a.razor", f"@* {TAG} *@\n"),
        ("a.py", "# Copyright (c) 2024 Somebody\nx = 1\n"),
        ("a.py", "# Copyright 2019-2024 Somebody\nx = 1\n"),
        ("a.py", "# © Somebody\nx = 1\n"),
        (
            "a.go",
            "// Use of this source code is governed by a\n// license that can be found there.\n",
        ),
        ("a.js", "/* Licensed under the MIT license. */\nf();\n"),
    ],
)
def test_a_header_is_found_in_any_language(path, text):
    assert check_text(text, path) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.py", "x = 1\n"),
        ("a.py", f'x = "{TAG}"\n'),
        ("a.py", f'x = """\n{TAG}\n"""\n'),
        ("a.py", f'NOTICES = [\n    "{TAG}",\n]\n'),
        ("a.js", f"const header = `\\n{TAG}\\n`;\n"),
        ("a.js", f"write('{TAG}');\n"),
        ("a.sh", f'echo "{TAG}"\n'),
        ("a.sh", f"grep -q '{TAG}' a\n"),
        ("a.rb", f"names = {{\n  '{TAG}' => 1,\n}}\n"),
        ("a.py", f'assert "{TAG}" in text\n'),
        ("a.py", "x = 1\n" * 40 + f"# {TAG}\n"),
        ("a.py", '"""Words about copyright and licenses."""\nx = 1\n'),
        ("a.js", "// eslint-disable\nf();\n"),
        ("a.py", "x = 1\n" * 9_000 + f"# {TAG}\n"),
        ("a.py", "#" * 100_000 + f"\n# {TAG}\n"),
        ("a.js", "/*" * 50_000),
        ("a.js", "/*\n" + "\n" * 20_000 + f"{TAG}\n*/\n"),
    ],
)
def test_a_missing_header_is_reported_at_line_1(path, text):
    assert check_text(text, path) == [("missing-header", 1)]
    assert check_text(text, path, required=False) == []


@pytest.mark.parametrize("path", ["a.json", "README.md", "a.txt", "a.csv", "LICENSE", "a.ipynb"])
def test_languages_without_comments_need_no_header(path):
    assert not has_header(language_of(path))
    assert check_text("a\n", path) == []


@pytest.mark.parametrize(
    ("line", "licensing", "categories"),
    [
        (TAG, MIT, []),
        ("SPDX-License-Identifier: mit", MIT, []),
        ("SPDX-License-Identifier: MIT OR GPL-2.0-only", MIT, []),
        ("SPDX-License-Identifier: MIT AND ISC", MIT, ["contradicting-header"]),
        ("SPDX-License-Identifier: ISC", MIT, ["contradicting-header"]),
        ("SPDX-License-Identifier: ISC", LicensePolicy(), []),
        ("SPDX-License-Identifier: ISC", LicensePolicy(allowed=("ISC",)), []),
        ("SPDX-License-Identifier: MIT", LicensePolicy(allowed=("ISC",)), ["contradicting-header"]),
        (
            "SPDX-License-Identifier: MIT AND ISC",
            LicensePolicy(repository_licenses=MIT.repository_licenses, allowed=("ISC",)),
            [],
        ),
        (
            "SPDX-License-Identifier: ISC",
            LicensePolicy(repository_licenses=MIT.repository_licenses, denied=("ISC",)),
            ["denied-license"],
        ),
        ("SPDX-License-Identifier: MIT OR ISC", LicensePolicy(denied=("ISC",)), []),
        (
            "SPDX-License-Identifier: MIT AND ISC",
            LicensePolicy(denied=("ISC",)),
            ["denied-license"],
        ),
        (
            "SPDX-License-Identifier: GPL-2.0+",
            LicensePolicy(denied=("GPL-2.0-or-later",)),
            ["denied-license"],
        ),
        (EXCEPTED, GPL2, []),
        (EXCEPTED, MIT, ["contradicting-header"]),
        (
            EXCEPTED,
            LicensePolicy(repository_licenses=MIT.repository_licenses, allowed=("GPL-2.0-only",)),
            [],
        ),
        (EXCEPTED, LicensePolicy(denied=("GPL-2.0-only",)), ["denied-license"]),
        (EXCEPTED, LicensePolicy(denied=("GPL-2.0-only",), allowed=(EXCEPTION,)), []),
        ("SPDX-License-Identifier: MITT", MIT, ["unknown-license"]),
        ("SPDX-License-Identifier: MIT/Apache-2.0", MIT, ["unknown-license"]),
        ("SPDX-License-Identifier: MIT AND", MIT, ["unknown-license"]),
        ("SPDX-License-Identifier: " + "(" * 300, MIT, ["unknown-license"]),
        ("SPDX-License-Identifier: LicenseRef-Ours", LicensePolicy(), []),
        ("SPDX-License-Identifier: LicenseRef-Ours", MIT, ["contradicting-header"]),
        ("SPDX-License-Identifier: LicenseRef-Ours OR MIT", MIT, []),
        (
            "SPDX-License-Identifier: GPL-3.0-or-later",
            LicensePolicy(repository_licenses=(("COPYING", "GPL-3.0-only"),)),
            [],
        ),
        (
            "SPDX-License-Identifier: GPL-2.0-only",
            LicensePolicy(repository_licenses=(("COPYING", "GPL-3.0-only"),)),
            ["contradicting-header"],
        ),
        (
            "Copyright 2024 A. Licensed under the Apache License, Version 2.0",
            MIT,
            ["contradicting-header"],
        ),
        ("Licensed under either of Apache License, Version 2.0 or MIT license", MIT, []),
        (
            "Licensed under either of Apache License, Version 2.0 or MIT license",
            LicensePolicy(denied=("Apache-2.0",)),
            [],
        ),
        (
            "Copyright 2024 A. Licensed under the Apache License, Version 2.0",
            LicensePolicy(denied=("Apache-2.0",)),
            ["denied-license"],
        ),
    ],
)
def test_the_licenses_of_a_header_are_checked(line, licensing, categories):
    assert [
        category for category, _ in check_text(f"#!/bin/sh\n# {line}\necho\n", "a.sh", licensing)
    ] == categories


def test_a_contradiction_names_both_licenses():
    (finding,) = check_header("# SPDX-License-Identifier: ISC\n", "python", MIT, required=True)
    assert finding.explanation == "The header names `ISC`. The repository is under `MIT` (LICENSE)."
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, Confidence.HIGH)
    assert finding.whole_file
    (finding,) = check_header(f"/*\n{GPL}*/\n", "c", MIT, required=True)
    assert "`GPL-3.0-or-later`" in finding.explanation
    assert finding.confidence is Confidence.MEDIUM


def test_a_denied_or_unknown_license_is_reported_at_its_line():
    denying = LicensePolicy(
        repository_licenses=MIT.repository_licenses, denied=("GPL-3.0-or-later",)
    )
    text = f"// Words.\n/*\n{GPL}*/\nint x;\n"
    assert check_text(text, "a.c", denying) == [("denied-license", 5)]
    text = "# Copyright 2024 A\n# SPDX-License-Identifier: Mit License v7\nx = 1\n"
    assert check_text(text) == [("unknown-license", 2)]


def test_a_license_is_not_reported_twice():
    text = "# SPDX-License-Identifier: GPL-3.0-or-later\n#" + GPL.replace("\n", "\n#") + "\n"
    denying = LicensePolicy(
        repository_licenses=MIT.repository_licenses, denied=("GPL-3.0-or-later",)
    )
    assert check_text(text, "a.py", denying) == [("denied-license", 1)]
    assert check_text(text, "a.py") == [("contradicting-header", 1)]


def test_a_repetitive_header_has_one_finding():
    tags = "".join(f"# SPDX-License-Identifier: No-{n}\n" for n in range(999))
    assert check_text(tags) == [("unknown-license", 1)]
    (finding,) = check_header(tags, "python", MIT, required=True)
    assert "`No-0`, `No-1`, `No-2` and 37 more" in finding.explanation
    whole = "# SPDX-License-Identifier: (MIT OR ISC)\n"
    assert check_text(whole * 999) == []
    denying = LicensePolicy(denied=("MIT", "ISC"))
    assert check_text(whole * 999, licensing=denying) == [("denied-license", 1)]


HEADER_LINES = ("Copyright (c) {year} {name}.", "", "# SPDX-License-Identifier: MIT")


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("# Copyright (c) 2024 A B.\n# SPDX-License-Identifier: MIT\n", ""),
        ("#   Copyright  (c) 2019-2024   A.\n# Words.\n# SPDX-License-Identifier: MIT\n", ""),
        ("# Copyright (c) 2019, 2021-present A.\n# SPDX-License-Identifier: MIT\n", ""),
        ("# SPDX-License-Identifier: MIT\n", "Copyright (c) {year} {name}."),
        (
            "# Copyright (c) 2024 .\n# SPDX-License-Identifier: MIT\n",
            "Copyright (c) {year} {name}.",
        ),
        (
            "# Copyright (c) 2024 A\n# SPDX-License-Identifier: MIT\n",
            "Copyright (c) {year} {name}.",
        ),
        ("# Copyright (c) 24 A.\n# SPDX-License-Identifier: MIT\n", "Copyright (c) {year} {name}."),
        (
            "# SPDX-License-Identifier: MIT\n# Copyright (c) 2024 A.\n",
            "SPDX-License-Identifier: MIT",
        ),
        ("# Copyright (c) 2024 A.\n", "SPDX-License-Identifier: MIT"),
        ("x = 1\n", "Copyright (c) {year} {name}."),
    ],
)
def test_required_header_lines(text, missing):
    header = header_of(text)
    assert header.first_missing_line(HEADER_LINES) == missing
    assert header.satisfies(HEADER_LINES) == (not missing)


@pytest.mark.parametrize(
    ("expected", "words", "matches"),
    [
        ("{name}", "x", True),
        ("by {name} and {name}", "by a and b", True),
        ("by {name} and {name}", "by a and b and c", True),
        ("by {name} and {name}", "by and b", False),
        ("{name}{name}", "x", False),
        ("{name}{name}", "xy", True),
        ("{name}.*", "x.y", False),
        ("(c) {year}", "(c) 2024", True),
        ("(c) {year}", "(c) 1924-1999", True),
        ("(c) {year}", "(c) 2024 and later", False),
        ("{name} {year}", "A 2024", True),
    ],
)
def test_placeholders(expected, words, matches):
    assert header_of(f"# {words}\n").satisfies((expected,)) == matches


@pytest.mark.parametrize(
    "text",
    [
        'echo "SPDX-License-Identifier: GPL-3.0-only"\n',
        "const names = {\n  'SPDX-License-Identifier: GPL-3.0-only': 1,\n};\n",
        "const text = `\n// SPDX-License-Identifier: GPL-3.0-only\n`;\n",
        "if (/SPDX-License-Identifier: (.*)/.test(line)) return;\n",
        "f'SPDX-License-Identifier: {name}'\n",
        "ALLOWED = [\n    'MIT License',\n    'ISC License',\n]\n",
    ],
)
def test_a_license_in_code_is_not_the_license_of_the_file(text):
    denying = LicensePolicy(
        repository_licenses=MIT.repository_licenses, denied=("GPL-3.0-only", "ISC")
    )
    for path in ("a.js", "a.py", "a.sh"):
        assert check_text(text, path, denying, required=False) == []


def test_an_incomplete_header():
    licensing = LicensePolicy(header=HEADER_LINES)
    (finding,) = check_header("# Copyright (c) 2024 A.\n", "python", licensing, required=True)
    assert (finding.rule, finding.category) == ("incomplete-license-header", "missing-header")
    assert "“SPDX-License-Identifier: MIT”" in finding.explanation
    (finding,) = check_header("x = 1\n", "python", MIT, required=True)
    assert finding.remediation.endswith("for example `SPDX-License-Identifier: MIT`.")


@pytest.mark.parametrize(
    ("path", "glob", "covered"),
    [
        ("a.py", "a.py", True),
        ("src/a.py", "*.py", False),
        ("src/a.py", "**", True),
        ("src/a.py", "src/**", True),
        ("src/b/a.py", "src/*.py", False),
        ("src/b/a.py", "src/**.py", True),
        ("src/a.py", "**/a.*", True),
        ("a*.py", r"a\\*.py", True),
        ("ab.py", r"a\\*.py", False),
        ("a.py", "a?py", False),
        ("a" * 2_000, "**a" * 2_000 + "b", False),
    ],
)
def test_an_annotation_covers_files_by_its_pattern(path, glob, covered):
    toml = f'version = 1\n[[annotations]]\npath = ["x", "{glob}"]\n{REUSE_TAGS}'
    texts = list(notices_beside(path, {"REUSE.toml": toml}))
    assert texts == (["SPDX-FileCopyrightText: 2024 A\nSPDX-License-Identifier: MIT"] * covered)


REUSE_TAGS = 'SPDX-FileCopyrightText = "2024 A"\nSPDX-License-Identifier = "MIT"\n'


@pytest.mark.parametrize(
    "toml",
    ["[[[", "annotations = 1", "annotations = [1]", "[[annotations]]\npath = 1\n", "[" * 9_999],
)
def test_any_annotation_file_can_be_read(toml):
    assert not list(notices_beside("a.py", {"REUSE.toml": toml}))


def test_notices_are_looked_for_beside_the_file_and_in_its_folders():
    assert places_beside("src/b/a.py") == [
        *("src/b/a.py.license", "REUSE.toml", "src/REUSE.toml", "src/b/REUSE.toml")
    ]
    toml = f'[[annotations]]\npath = "a.py"\n{REUSE_TAGS}'
    assert list(notices_beside("src/a.py", {"src/REUSE.toml": toml}))
    assert not list(notices_beside("src/a.py", {"lib/REUSE.toml": toml, "b.py.license": TAG}))
    assert list(notices_beside("src/a.py", {"src/a.py.license": TAG})) == [TAG]


def test_a_header_is_common_in_more_than_half_of_the_files():
    with_one, without = header_of(f"# {TAG}\n"), header_of("x\n")
    assert is_header_common([with_one, with_one, without], ())
    assert not is_header_common([with_one, without], ())
    assert not is_header_common([], ())
    assert not is_header_common([with_one], HEADER_LINES)


HOSTILE = st.lists(
    st.sampled_from(
        [
            *('"""', "/*", "*/", "//", "#", "<!--", "-->", "\n", "\r\n", " ", "{name}", "{year}"),
            *(
                "SPDX-License-Identifier:",
                "MIT",
                "AND",
                "OR",
                "WITH",
                "(",
                ")",
                "LicenseRef-x",
                "`",
            ),
            *("Copyright (c) 2024", "licensed under", "GNU General Public License", "version 3"),
            *("\0", "\u2028", "•", "é", "\ufeff", "\ud800"),
        ]
    ),
    max_size=40,
).map("".join)


@given(HOSTILE, st.sampled_from(["python", "javascript", "html", "lua", "pascal", ""]), HOSTILE)
def test_any_text_can_be_checked_and_every_finding_is_anchored(text, language, expected):
    licensing = LicensePolicy(
        repository_licenses=MIT.repository_licenses, denied=("GPL-3.0-only",), header=(expected,)
    )
    raw_findings = check_header(text, language, licensing, required=True)
    _, dropped = anchor_all([raw_findings], task="t", path="a", text=text, blob="b", commit="c")
    assert not dropped
    assert all(1 <= n <= text.count("\n") + 1 for n, _ in first_lines(text))


@given(st.text() | HOSTILE)
def test_an_expression_is_normalized_or_none(text):
    normal = spdx_expression(text)
    assert normal is None or spdx_expression(normal) == normal
    assert spdx_id(text) in (normal, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (LICENSE_OF_THIS, "MIT"),
        ("                Apache License\n          Version 2.0, January 2004\n", "Apache-2.0"),
        (BSD, "BSD-2-Clause"),
        (BSD + "3. Neither the name may be used to endorse or promote products\n", "BSD-3-Clause"),
        (
            BSD
            + "All advertising materials mentioning x\nmay be used to endorse or promote products",
            "BSD-4-Clause",
        ),
        (
            (
                "ISC\n\nPermission to use, copy, modify, and/or distribute this software for any\n"
                "purpose "
                "with or without fee, provided that the permission notice appear in all copies"
            ),
            "ISC",
        ),
        (
            "Permission to use, copy, modify, and/or distribute this software for any\npurpose",
            "0BSD",
        ),
        (
            "Mozilla Public License Version 2.0\n\n1.12 the GNU General Public License, v. 2.0",
            "MPL-2.0",
        ),
        (
            "    GNU GENERAL PUBLIC LICENSE\n   Version 2, June 1991",
            "GPL-2.0-only OR GPL-2.0-or-later",
        ),
        (
            (
                "    GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007\n\n use the GNU Lesser "
                "General "
                "Public License, version 3"
            ),
            "GPL-3.0-only OR GPL-3.0-or-later",
        ),
        (
            "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1, February 1999",
            "LGPL-2.1-only OR LGPL-2.1-or-later",
        ),
        (
            (
                "GNU LESSER GENERAL PUBLIC LICENSE\nVersion 3, 29 June 2007\n version 3 of the GNU "
                "General "
                "Public License"
            ),
            "LGPL-3.0-only OR LGPL-3.0-or-later",
        ),
        (
            "GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3, 19 November 2007",
            "AGPL-3.0-only OR AGPL-3.0-or-later",
        ),
        ("This is free and unencumbered software released into the public domain.", "Unlicense"),
        ("All rights reserved. Ask us.", None),
        ("GNU General Public License version 9", None),
        ("", None),
    ],
)
def test_license_texts_are_identified(text, name):
    assert identify_license(text) == name
    assert license_in("LICENSE", text) == name


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (GPL, ("GPL-3.0-or-later",)),
        ("under the terms of the GNU General Public License version 2", ()),
        (
            "Distributed under the terms of the GNU General Public License version 2 only.",
            ("GPL-2.0-only",),
        ),
        (
            (
                "Released under the GNU Lesser General Public License v2.1 or, at your option, any"
                " later "
                "version"
            ),
            ("LGPL-2.1-or-later",),
        ),
        (
            "This Source Code Form is subject to the terms of the Mozilla Public\nLicense, v. 2.0.",
            ("MPL-2.0",),
        ),
        ("Licensed under the Apache License, Version 2.0 (the “License”)", ("Apache-2.0",)),
        ("Licensed under the MIT license", ("MIT",)),
        ("The MIT License", ("MIT",)),
        ("Available under the 3-Clause BSD License", ("BSD-3-Clause",)),
        (LICENSE_OF_THIS, ("MIT",)),
        ("How the MIT license differs from the GNU General Public License version 3.", ()),
        ("Parses Apache License 2.0 headers; used by MIT.", ()),
        ("transmit under the limit", ()),
        ("", ()),
    ],
)
def test_only_granted_licenses_count(words, names):
    assert licenses_granted(words) == names


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("pyproject.toml", '[project]\nlicense = "mit"\n', "MIT"),
        ("pyproject.toml", '[project]\nlicense = {text = "Apache-2.0"}\n', "Apache-2.0"),
        ("pyproject.toml", '[project]\nlicense = {file = "LICENSE"}\n', None),
        ("pyproject.toml", '[tool.poetry]\nlicense = "ISC"\n', "ISC"),
        ("pyproject.toml", "[project]\nlicense = 7\n", None),
        ("pyproject.toml", "project = 7\n", None),
        ("pyproject.toml", "[[[", None),
        ("pyproject.toml", "a = " + "[" * 50_000, None),
        ("package.json", '{"license": "MIT OR Apache-2.0"}', "MIT OR Apache-2.0"),
        ("package.json", '{"license": {"type": "ISC", "url": "x"}}', "ISC"),
        ("package.json", '{"license": "SEE LICENSE IN x"}', None),
        ("package.json", '{"license": "UNLICENSED"}', None),
        ("package.json", "[]", None),
        ("package.json", "[" * 100_000, None),
        ("package.json", " " * 300_000 + '{"license": "MIT"}', None),
        ("Cargo.toml", '[package]\nlicense = "MIT/Apache-2.0"\n', "MIT OR Apache-2.0"),
        ("Cargo.toml", '[workspace.package]\nlicense = "MPL-2.0"\n', "MPL-2.0"),
        ("Cargo.toml", "[package]\nlicense.workspace = true\n", None),
    ],
)
def test_the_license_in_a_manifest(path, text, name):
    assert may_name_license(path)
    assert license_in(path, text) == name


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("LICENSE", True),
        ("license.md", True),
        ("LICENCE.txt", True),
        ("LICENSE-MIT", True),
        ("COPYING.LESSER", True),
        ("UNLICENSE", True),
        ("LICENSES.py/x", False),
        ("relicense", False),
        ("README.md", False),
    ],
)
def test_files_that_may_name_the_license(path, expected):
    assert may_name_license(path) == expected
