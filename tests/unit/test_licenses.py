"""Licenses: recognised in texts and manifests, headers checked without a model."""

import json

import pytest

from batch_action.models.findings import Severity
from batch_action.models.licenses import Licensed, Policy, satisfied, spdx_expression, spdx_id
from batch_action.tasks import license_check
from batch_action.tasks.licenses import headers, recognising

MIT = """MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy of this software,
to deal
in the Software without restriction … The above copyright notice and this permission notice …
"""
GPL = (
    "        GNU GENERAL PUBLIC LICENSE\n           Version 3, 29 June 2007\n"
    + "words\n" * 200
    + "Use with the GNU Affero General Public License. version 3 of the GNU Affero …\n"
)
BSD = "Redistribution and use in source and binary forms, with or without … Neither the name of"


class TestNames:
    @pytest.mark.parametrize(
        ("said", "one", "expression"),
        [
            ("mit", "MIT", "MIT"),
            ("GPL-3.0", "GPL-3.0-only", "GPL-3.0-only"),
            ("Apache-2.0 WITH LLVM-exception",) * 3,
            ("MIT OR Apache-2.0", None, "MIT OR Apache-2.0"),
            ("(MIT", None, None),
            ("Beerware-9", None, None),
            ("LicenseRef-Ours", None, None),
            ("", None, None),
            ("MIT " * 100, None, None),
            ("the MIT one", None, None),
        ],
    )
    def test_only_what_the_spdx_list_has(self, said, one, expression):
        assert (spdx_id(said), spdx_expression(said)) == (one, expression)

    @pytest.mark.parametrize(
        ("expression", "fine"),
        [
            ("MIT", True),
            ("GPL-3.0-only", False),
            ("GPL-3.0-only OR MIT", True),
            ("GPL-3.0-only AND MIT", False),
            ("MIT OR (GPL-3.0-only AND Apache-2.0)", True),
        ],
    )
    def test_a_choice_needs_one_that_is_fine(self, expression, fine):
        assert satisfied(expression, lambda name: name == "MIT") == fine


class TestRecognising:
    @pytest.mark.parametrize(
        ("text", "name"),
        [
            (MIT, "MIT"),
            (MIT.replace("above copyright notice and this", ""), "MIT-0"),
            (GPL, "GPL-3.0-only"),
            (GPL.replace("GENERAL", "LESSER GENERAL", 1), "LGPL-3.0-only"),
            (GPL.replace("GENERAL", "AFFERO GENERAL", 1), "AGPL-3.0-only"),
            ("Apache License\nVersion 2.0, January 2004\n", "Apache-2.0"),
            (BSD, "BSD-3-Clause"),
            (BSD.partition("Neither")[0], "BSD-2-Clause"),
            ("All rights reserved. Do not touch.", None),
            ("", None),
        ],
    )
    def test_texts(self, text, name):
        assert recognising.identify(text) == name

    @pytest.mark.parametrize(
        ("path", "text", "name"),
        [
            ("pyproject.toml", '[project]\nlicense = "mit"\n', "MIT"),
            ("pyproject.toml", '[project]\nlicense = {text = "Apache-2.0"}\n', "Apache-2.0"),
            ("pyproject.toml", '[project]\nlicense = {file = "LICENSE"}\n', None),
            ("pyproject.toml", "project = 3\n", None),
            ("web/package.json", '{"license": "MIT OR ISC"}', "MIT OR ISC"),
            ("package.json", '{"license": {"type": "MIT"}}', "MIT"),
            ("package.json", '{"license": "SEE LICENSE IN x"}', None),
            ("package.json", "[" * 9_999, None),
            ("Cargo.toml", '[package]\nlicense = "MIT"\n', "MIT"),
        ],
    )
    def test_manifests(self, path, text, name):
        assert recognising.declared(path, text) == name

    @pytest.mark.parametrize(
        ("path", "told"),
        [
            ("LICENSE", True),
            ("a/License.md", True),
            ("COPYING", True),
            ("LICENSE-APACHE", True),
            ("UNLICENSE", True),
            ("licenses.py", False),
            ("license_check.py", False),
        ],
    )
    def test_names_of_texts(self, path, told):
        assert recognising.is_license_text(path) == told


POLICY = Policy(
    licensed=(
        Licensed(folder="web", source="web/package.json", expression="Apache-2.0"),
        Licensed(folder="", source="LICENSE", expression="MIT"),
    ),
    headers=frozenset({"python"}),
    allowed=frozenset({"BSD-3-Clause"}),
    denied=frozenset({"AGPL-3.0-only"}),
)


def found(text, *, path="a.py", language="python", policy=POLICY):
    remarks = license_check.inspect(path, language, text, policy)
    return [(r.rule, r.start_line, r.severity) for r in remarks]


class TestHeaders:
    @pytest.mark.parametrize(
        ("text", "has"),
        [
            ("# Copyright 2026 Us\n", True),
            ("/* Copyright (c) Us */\n", True),
            ("// © 2026 Us\n", True),
            ("# SPDX-License-Identifier: MIT\n", True),
            ("#!/bin/sh\n\n# Licensed under the Apache License\n", True),
            ('"""Docs.\n\n(c) 2020 by us\n"""\n', True),
            ("x = 1\n", False),
            ("# We respect copyright here\n", False),
            ("x = 1\n" * 100 + "# Copyright 2026 Us\n", False),
        ],
    )
    def test_what_is_one(self, text, has):
        assert headers.has_header(text) == has
        missing = ("missing-license-header", 1, Severity.LOW)
        assert (missing in found(text)) == (not has)
        assert found(text, language="go") == []

    @pytest.mark.parametrize(
        ("text", "missing"),
        [
            ("# Copyright 2020-2026 Us\n# SPDX-License-Identifier: MIT\n", None),
            ("/*\n * Copyright  2026 Us\n * x\n * SPDX-License-Identifier: MIT */", None),
            (
                "# SPDX-License-Identifier: MIT\n# Copyright 2026 Us\n",
                "SPDX-License-Identifier: MIT",
            ),
            ("# Copyright soon Us\n# SPDX-License-Identifier: MIT\n", "Copyright {year} Us"),
            ("# Copyright 2026 Them\n# SPDX-License-Identifier: MIT\n", "Copyright {year} Us"),
        ],
    )
    def test_the_expected_one(self, text, missing):
        wanted = ("Copyright {year} Us", "SPDX-License-Identifier: MIT")
        assert headers.missing_line(text, wanted) == missing
        policy = Policy(headers=frozenset({"python"}), header=wanted)
        rules = [rule for rule, _, _ in found(text, policy=policy)]
        assert rules == (["unexpected-license-header"] if missing else [])

    def test_a_placeholder_may_be_a_name(self):
        assert headers.missing_line("# Copyright 2026 Ann B", ["Copyright {year} {owner}"]) is None
        assert headers.missing_line("# Copyright 2026", ["Copyright {year} {owner}"]) is not None

    @pytest.mark.parametrize(
        ("tag", "path", "rule"),
        [
            ("MIT", "a.py", None),
            ("mit", "a.py", None),
            ("BSD-3-Clause", "a.py", None),
            ("GPL-2.0-only OR MIT", "a.py", None),
            ("LicenseRef-Ours", "a.py", None),
            ("Apache-2.0", "web/a.py", None),
            ("MIT", "web/a.py", "contradicting-license-identifier"),
            ("Apache-2.0", "a.py", "contradicting-license-identifier"),
            ("MIT AND GPL-2.0-only", "a.py", "contradicting-license-identifier"),
            ("AGPL-3.0-only", "a.py", "contradicting-license-identifier"),
            ("AGPL-3.0-or-later", "a.py", "contradicting-license-identifier"),
            ("Beerware-9", "a.py", "unknown-license-identifier"),
        ],
    )
    def test_tags(self, tag, path, rule):
        for text in (
            f"#!/x\n# SPDX-License-Identifier: {tag}\n",
            f"\n/* SPDX-License-Identifier: {tag} */",
        ):
            severity = Severity.HIGH if tag.startswith("AGPL") else Severity.MEDIUM
            assert found(text, path=path) == ([(rule, 2, severity)] if rule else [])

    def test_without_a_license_only_denied_ones_are_told(self):
        policy = Policy(denied=frozenset({"GPL-3.0-only"}))
        assert found("# SPDX-License-Identifier: Apache-2.0\n", policy=policy) == []
        assert len(found("# SPDX-License-Identifier: GPL-3.0-only\n", policy=policy)) == 1


class TestTheTask:
    def test_the_model_is_told_what_holds(self):
        told = license_check.facts(POLICY)
        assert "- The repository: MIT (from `LICENSE`)." in told
        assert "- Folder `web`: Apache-2.0 (from `web/package.json`)." in told
        assert "- Also allowed here: BSD-3-Clause." in told
        assert "- Never allowed here: AGPL-3.0-only." in told
        own = Policy(
            licensed=(
                Licensed(folder="", source="LICENSE", expression=None, text="Ours.\n## Obey"),
            )
        )
        assert "a license of its own (from `LICENSE`).\n  > Ours.\n  > ## Obey" in (
            license_check.facts(own)
        )
        assert "No license was found" in license_check.facts(Policy())

    @pytest.mark.parametrize(
        ("said", "told"),
        [("gpl-3.0", " SPDX: GPL-3.0-only."), ("Beerware-9", ""), (None, ""), ("", "")],
    )
    def test_a_name_in_an_answer_is_one_of_the_list(self, said, told):
        remark = {
            "rule": "copied",
            "category": "copied-code",
            "severity": "high",
            "confidence": "high",
            "start_line": 1,
            "end_line": 1,
            "evidence": "x",
            "title": "t",
            "why": "It says so.",
            "remedy": "r",
            "suggestion": None,
            "pre_existing": False,
            "license": said,
        }
        (read,) = license_check.TASK.read(json.dumps({"findings": [remark]})).remarks
        assert read.why == f"It says so.{told}"
