"""Parts of the benchmarks whose faults a whole run would not show."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from typing import Any

import pytest
import torch

from benchmarks.harness import convolutions, measure, networks, points, timing
from benchmarks.harness.clouds import room
from benchmarks.harness.options import Common, check
from benchmarks.harness.reference import reference_ops
from benchmarks.harness.timing import Case, Task
from benchmarks.peers.library import Own
from pcseg import ops
from pcseg.networks import minkunet_small
from pcseg.ops import _native
from pcseg.sparse import MapCache, SparseTensor
from tests.ops.clouds import compiled, random_coords
from tests.tools._runs import ROOT


def case(op: str, mode: str, channels: int | None = None) -> Case:
    return Case(op, room(300), channels, mode, False, "cpu", torch.float32, 1)


@compiled
@pytest.mark.parametrize("train", [False, True])
def test_the_reference_runs_nothing_compiled(train: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    coords = random_coords(200, 6, 2, seed=0)
    coords = coords[ops.voxelize(coords).rows]
    torch.manual_seed(0)
    network = minkunet_small(3, 4).double().train(train)  # in float32 the norms of a few coarse voxels decide
    feats = torch.rand(len(coords), 3).double()

    def run() -> torch.Tensor:
        with torch.set_grad_enabled(train):
            scores = network(SparseTensor(feats, coords)).logits
        if not train:
            return scores
        shares = ops.segment_softmax(scores, coords[:, 0].long(), 2)
        return torch.autograd.grad(shares.square().sum(), network.stem.conv.weight)[0]

    expected = run()
    calls: list[str] = []
    call = _native.call
    monkeypatch.setattr(_native, "call", lambda name, *args: (calls.append(name), call(name, *args)))
    with reference_ops("cpu"):
        found = run()
    assert calls == []
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    run()
    assert calls, "the compiled ops are back"


@pytest.mark.parametrize("faster", [torch.float32, torch.bfloat16])
def test_the_limit_is_of_the_type_that_is_multiplied_faster(
    faster: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "interleaved", lambda tasks, *_: {name: 1 + (name != str(faster)) for name in tasks})
    choose = timing.limit_dtype.__wrapped__
    assert choose("cpu", torch.bfloat16) == faster
    assert choose("cpu", torch.float32) == torch.float32
    assert choose("cuda", torch.bfloat16) == torch.bfloat16


def test_memory_is_measured_after_the_tasks_are_gone_and_may_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def prepare(case: Case, impl: str) -> Task:
        data = torch.zeros(1)
        held.append(weakref.ref(data))
        return Task(lambda: data, lambda: (data,))

    def peak_mb(prepare: Any, case: Case, impl: str) -> float:
        assert [reference() for reference in held] == [None, None]
        if impl == "spconv":
            raise RuntimeError("A process in the pool was terminated abruptly")
        return 5.0

    monkeypatch.setattr(measure, "peak_mb", peak_mb)
    report = measure.measure(prepare, case("voxelize", "forward"), ["pcseg", "spconv"], 1, 0, memory=True)
    assert [(row.impl, row.peak_mb) for row in report.rows] == [("pcseg", 5.0), ("spconv", None)]
    (remark,) = report.remarks
    assert (remark.impl, "terminated abruptly" in remark.text) == ("spconv", True)


def test_threads_bind_libraries_that_bring_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    for name in names:
        monkeypatch.setenv(name, "7")
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    check(Common(threads=3, device="cpu"))
    assert [os.environ[name] for name in names] == ["3"] * 3


def test_features_and_gradient_of_a_convolution_differ() -> None:
    work = convolutions._Work(case("subm3", "forward_backward", 8), Own())
    assert work.grad is not None
    assert work.grad.shape == work.feats.shape
    assert not torch.equal(work.grad, work.feats)


def test_no_gradient_of_the_input_is_counted() -> None:
    forward, both = (
        networks._Work(case("minkunet_small", mode), "pcseg", "pcseg") for mode in ("forward", "forward_backward")
    )
    stem = convolutions.flops_of(both.network.stem.conv, MapCache(both.coords), 1)
    assert both.flops == 3 * forward.flops - stem
    assert both.flops < 3 * forward.flops


def test_torch_voxelizes_as_we_do() -> None:
    coords = random_coords(500, 3, 2, seed=1).abs()
    for found, expected in zip(points._voxelize_torch(coords), ops.voxelize(coords), strict=True):
        assert torch.equal(found, expected)


def test_pcseg_is_imported_before_torch() -> None:
    """Torch reads the environment that pcseg sets for its threads when it is imported."""
    program = "import sys, benchmarks; assert 'pcseg' in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
