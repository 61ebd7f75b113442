"""Help, and a setting that is not understood, come before PyTorch; what computes with it loads pcseg first."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from tests.tools._runs import ROOT, environment

TOOLS = ROOT / "tools"
NAMES = sorted(path.stem for path in TOOLS.glob("[a-z]*.py"))
HEAVY = ("torch", "lightning_fabric", "safetensors")

ANSWERS = f"""
import contextlib, io, json, runpy, sys
sys.path.insert(0, "tools")
sys.modules.update(dict.fromkeys({HEAVY}))  # importing one raises ImportError
answers = {{}}
for name in sys.argv[1:]:
    for argument in ("--help", "misspelt=1"):
        sys.argv = [f"tools/{{name}}.py", argument]
        out, code = io.StringIO(), None
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as end:
            code = end.code
        except Exception as error:
            out.write(f"{{type(error).__name__}}: {{error}}")
        answers[f"{{name}} {{argument}}"] = [code, out.getvalue()]
print(json.dumps(answers))
"""
"""A program that calls each tool with --help and with a setting that there is not, where PyTorch cannot be loaded."""


@pytest.fixture(scope="module")
def answers() -> dict[str, tuple[int | None, str]]:
    """Return exit code and text of each call, by tool and argument."""
    done = subprocess.run(
        [sys.executable, "-c", ANSWERS, *NAMES],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int | None, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("tool", NAMES)
def test_every_tool_answers_before_torch_is_loaded(tool: str, answers: dict[str, tuple[int | None, str]]) -> None:
    code, text = answers[f"{tool} --help"]
    assert code in (0, None), text
    assert "name=value" in text
    code, text = answers[f"{tool} misspelt=1"]
    assert code == 2, text
    assert text.startswith("error: ")
    assert "misspelt" in text
    assert text.count("\n") == 1


@pytest.mark.parametrize("tool", sorted(path.stem for path in TOOLS.glob("*.py")))
def test_every_tool_loads_pcseg_before_torch(tool: str) -> None:
    """Torch reads the environment as it is loaded, so what pcseg chooses there must come first."""
    body = ast.parse((TOOLS / f"{tool}.py").read_text()).body
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = [node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports]
    roots = [name.partition(".")[0] for name in names]
    first = min([roots.index(name) for name in ("pcseg", "_hydra") if name in roots], default=len(roots))
    assert not set(HEAVY) & set(roots[:first])
