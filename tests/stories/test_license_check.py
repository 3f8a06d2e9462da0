"""License check: headers without the model, the rest with what the model must know."""

from tests.nights import Night
from tests.unit.test_licenses import MIT

HEAD = "// Copyright 2026 Us\n// SPDX-License-Identifier: MIT\n"
CODE = "export const x = 1;\n"


def test_headers_and_licenses_of_a_monorepo(night: Night):
    night.inputs |= {"task": "license-check"}
    night.commit(
        {
            "LICENSE": MIT,
            "web/package.json": '{"license": "Apache-2.0"}',
            "node_modules/x/LICENSE": "GNU GENERAL PUBLIC LICENSE Version 3",
            ".github/batch-action.yml": "denied-licenses: AGPL-3.0-only\n",
            **{f"lib/{n}.ts": HEAD + CODE for n in range(4)},
        }
    )
    night.commit(
        {
            "lib/bare.ts": CODE,
            "lib/denied.ts": HEAD.replace("MIT", "AGPL-3.0-or-later OR AGPL-3.0-only") + CODE,
            "lib/words.ts": HEAD + "// Under the GNU General Public License.\n" + CODE,
            "web/other.ts": HEAD + CODE,
            "web/own.ts": HEAD.replace("MIT", "Apache-2.0") + CODE,
            "run.py": "x = 1\n",
        }
    )
    night.run("submit")
    system = night.batches[-1].requests[0]["params"]["system"][0]["text"]
    assert "- The repository: MIT (from `LICENSE`)." in system
    assert "- Folder `web`: Apache-2.0 (from `web/package.json`)." in system
    assert "- Never allowed here: AGPL-3.0-only." in system
    assert "node_modules" not in system
    result = night.run("collect")
    assert result.exit == 0, result.log
    body = night.issue.body
    told = {
        "lib/bare.ts": "no license header",
        "lib/words.ts": "names a license of its own",
        "web/other.ts": "This file says it is under MIT",
    }
    for path, title in told.items():
        assert path in body
        assert title in body
    assert "web/own.ts" not in body.split("<details><summary>Receipt")[0].split("receipt")[0]
    assert "run.py" not in body.split("Receipt")[0]
    # Mended without asking the model about anything else.
    night.commit({"lib/bare.ts": HEAD + CODE})
    night.run("submit")
    assert night.asked() == ["lib/bare.ts"]
    assert night.run("collect").outputs["fixed-findings-count"] == "1"


def test_a_wrong_list_is_told_before_anything_else(night: Night):
    night.commit({".github/batch-action.yml": "allowed-licenses: [MIT, Beerware-9]\n"})
    result = night.run("submit", task="license-check")
    assert result.exit == 2
    assert "the SPDX list does not have 'Beerware-9'" in result.log


def test_required_headers_are_missing_everywhere(night: Night):
    night.commit(
        {
            ".github/batch-action.yml": "license-header: Copyright {year} Us\n",
            "a.go": "package a\n",
            "b.go": "// Copyright 2026 Us\npackage b\n",
            "c.yml": "a: 1\n",
        }
    )
    night.run("submit", task="license-check")
    night.run("collect", task="license-check")
    assert night.issue.body.count("<!-- batch-action:finding") == 1
    assert "a.go" in night.issue.body
