#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""build.py: writes the dashboards next to itself and the layout pictures to docs/.

tests/e2e/dashboard_files_test.py compares the committed files with its output. Standard library only.
"""

import json
import pathlib

import fleet
import layout
import node

HERE = pathlib.Path(__file__).resolve().parent


def files():
    """{path relative to the repository: content}."""
    made = {}
    for name, module in (("node", node), ("fleet", fleet)):
        board = module.build()
        made[f"dashboards/nswarden-{name}.json"] = json.dumps(board, indent=1, ensure_ascii=True) + "\n"
        made[f"docs/dashboard-{name}.svg"] = layout.picture(board)
    return made


if __name__ == "__main__":
    for path, content in files().items():
        (HERE.parent / path).write_text(content, encoding="utf-8")
