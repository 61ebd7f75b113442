"""The number of threads follows affinity and cgroups; the environment is only set where it is unset."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg import device
from pcseg.device import configure_threads, cores, memory

BOUND = cores("/nowhere")
NAMES = (*device.COUNT, *device.WAITING)
PRINT = f"import os; print([os.environ.get(name) for name in {NAMES}])"
BOUNDS = st.lists(st.none() | st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=4)


def cgroup(root: Path, version: int, bounds: list[tuple[int, int] | None], hidden: bool = False) -> Path:
    """Make folders ``proc`` and ``sys`` of a process in nested groups with these quotas and periods, the outermost
    first.

    With ``hidden`` only the outermost is visible, as in a container without a cgroup namespace.
    """
    path = "".join(f"/g{i}" for i in range(1, len(bounds)))
    (root / "proc/self").mkdir(parents=True)
    lines = ["9:name=systemd:/", f"4:cpu,cpuacct:{path}", "3:cpuset:/other"] if version == 1 else [f"0::{path}"]
    (root / "proc/self/cgroup").write_text("\n".join(lines) + "\n")
    group = root / "sys/fs/cgroup" / ("cpu" if version == 1 else "")
    for i, bound in enumerate(bounds[:1] if hidden else bounds):
        group = group / f"g{i}" if i else group
        group.mkdir(parents=True)
        if version == 1:
            quota, period = bound or (-1, 100_000)
            (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
            (group / "cpu.cfs_period_us").write_text(f"{period}\n")
        else:
            (group / "cpu.max").write_text(f"{bound[0]} {bound[1]}\n" if bound else "max 100000\n")
    return root


@given(version=st.sampled_from([1, 2]), bounds=BOUNDS, hidden=st.booleans())
def test_the_least_grant_of_all_groups_counts(version: int, bounds: list[tuple[int, int] | None], hidden: bool) -> None:
    with tempfile.TemporaryDirectory() as root:
        found = cores(cgroup(Path(root), version, bounds, hidden))
    shares = [quota / period for quota, period in filter(None, bounds[:1] if hidden else bounds)]
    assert found == max(1, min([BOUND, *map(math.ceil, shares)]))


@pytest.mark.parametrize("text", ["", "max", "100000", "a b", "100000 0", "-1 100000", "0 100000"])
def test_unreadable_cgroups_set_no_limit(text: str, tmp_path: Path) -> None:
    cgroup(tmp_path, 2, [None])
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text(text)
    assert cores(tmp_path) == BOUND
    assert cores(tmp_path / "empty") == BOUND


@given(version=st.sampled_from([1, 2]), bounds=st.lists(st.none() | st.integers(1, 10**9), min_size=1, max_size=3))
def test_the_least_memory_of_all_groups_counts(version: int, bounds: list[int | None]) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        path = "".join(f"/g{i}" for i in range(1, len(bounds)))
        (root / "proc/self").mkdir(parents=True)
        (root / "proc/self/cgroup").write_text(f"6:memory:{path}\n4:cpu:/\n" if version == 1 else f"0::{path}\n")
        group = root / "sys/fs/cgroup" / ("memory" if version == 1 else "")
        for i, bound in enumerate(bounds):
            group = group / f"g{i}" if i else group
            group.mkdir(parents=True)
            none = str(2**63 - 4096) if version == 1 else "max"
            file = "memory.limit_in_bytes" if version == 1 else "memory.max"
            (group / file).write_text(f"{none if bound is None else bound}\n")
        assert memory(root) == min([memory("/nowhere"), *filter(None, bounds)])


def python(code: str, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_threads_wait_shortly_and_openmp_counts_the_cores() -> None:
    """Without a quota, OpenMP counts the cores by itself."""
    count = None if cores() == BOUND else str(cores())
    assert python(f"import pcseg; {PRINT}") == str([count, None, None, "2000", "0", None])


@pytest.mark.parametrize(
    ("name", "value"),
    [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "7"), ("KMP_BLOCKTIME", "200"), ("KMP_LIBRARY", "turnaround")],
)
def test_waiting_that_the_user_chose_is_kept(name: str, value: str) -> None:
    chosen = [value if variable == name else None for variable in device.WAITING]
    assert python(f"import pcseg; {PRINT}", **{name: value}, OMP_NUM_THREADS="5") == str(["5", None, *chosen])


@pytest.mark.parametrize("name", [None, *device.COUNT])
def test_a_quota_counts_unless_the_user_did(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in NAMES:
        monkeypatch.delenv(variable, raising=False)
    if name:
        monkeypatch.setenv(name, "8")
    monkeypatch.setattr(device, "cores", lambda: 2)
    monkeypatch.setattr(device, "_bound_to", lambda: 64)
    monkeypatch.delitem(sys.modules, "torch")
    configure_threads()
    assert os.environ.get("OMP_NUM_THREADS") == {None: "2", "OMP_NUM_THREADS": "8", "MKL_NUM_THREADS": None}[name]
    for variable in NAMES:  # settings of this test must not reach the others
        os.environ.pop(variable, None)


@pytest.mark.parametrize(("running", "expected"), [(64, 2), (1, 1)])
def test_after_torch_only_the_number_follows(running: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in NAMES:
        monkeypatch.delenv(variable, raising=False)
    set_to: list[int] = []
    monkeypatch.setitem(
        sys.modules, "torch", SimpleNamespace(get_num_threads=lambda: running, set_num_threads=set_to.append)
    )
    monkeypatch.setattr(device, "cores", lambda: 2)
    configure_threads()
    assert set_to == [expected]
    assert not set(NAMES) & set(os.environ)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_torch_has_as_many_threads_as_it_is_bound_to() -> None:
    code = (
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "import pcseg; from pcseg.device import threads_summary; print(threads_summary())"
    )
    assert python(code) == "threads: 1 on 1 cores; GOMP_SPINCOUNT=2000, KMP_BLOCKTIME=0"
