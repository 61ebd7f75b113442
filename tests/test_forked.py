"""Processes forked from one that has imported everything are as new ones: output, exit codes, what is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.forked import run_script

ENDS = {
    "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)": 3,
    "import sys; sys.exit('why')": 1,
    "raise KeyError('gone')": 1,
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)": -15,
    "import sys; print(*sys.argv, __name__, __file__)": 0,
    "import atexit; atexit.register(print, 'late'); print('early')": 0,
    "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print('joined'))).start()": 0,
    "import _hydra": 1,
}


@pytest.mark.parametrize("code", ENDS)
def test_it_ends_as_a_new_process_does(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(forked.ROOT / "tools"))  # as another test may have left it
    script = tmp_path / "script.py"
    script.write_text(code)
    done = run_script(str(script), "a", "b c", folder=tmp_path)
    wanted = subprocess.run([sys.executable, script, "a", "b c"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (wanted.returncode, wanted.stdout)
    assert done.returncode == ENDS[code]
    assert done.stderr.splitlines()[-1:] == wanted.stderr.splitlines()[-1:]


def test_what_it_leaves_behind_is_waited_for_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "script.py"
    script.write_text("import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'])")
    run_script(str(script))  # ends within LONGEST
    monkeypatch.setattr(forked, "LONGEST", 1.0)
    with pytest.raises(subprocess.TimeoutExpired):
        run_script(str(script))


def test_one_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "LONGEST", 1.0)
    script = tmp_path / "script.py"
    script.write_text("import pathlib, time; print('here', flush=True); time.sleep(60)")
    with pytest.raises(subprocess.TimeoutExpired) as late:
        run_script(str(script))
    assert late.value.stdout == "here\n"
