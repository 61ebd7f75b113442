"""Loading by worker processes: the same batches, and whatever befalls a worker the run ends, in one line."""

from __future__ import annotations

import os
import resource
import signal
import time

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.feeding.collate import collate
from pcseg.feeding.features import Features
from pcseg.feeding.loading import loader, plain, plain_errors
from pcseg.feeding.points import make_points
from pcseg.feeding.sample import make_sample
from pcseg.feeding.samplers import Plan, RandomSampler
from pcseg.scenes.points import Points

# PyTorch tells of a dead worker from a signal handler: where that interrupts a callback of Python's, which cannot
# raise, it is told again at the next batch.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True, scope="module")
def short_waits():
    """Wait half a second, not five, for each worker that does not end by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.5)
        yield


def no_memory():
    raise MemoryError("cannot allocate")


def disk_fails():
    raise OSError(5, "Input/output error", "coord.npy")


def refused():
    raise InputError("Area_1/a: these labels belong to another cloud\nand more of it; draw them again")


def cannot_be_sent():
    return lambda: None


def open_no_more():
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")),) * 2)


def no_shared_memory():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))


DEATHS = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "bus error": lambda: os.kill(os.getpid(), signal.SIGBUS),
    "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "gone": lambda: os._exit(3),
    "no memory": no_memory,
    "disk": disk_fails,
    "no more open files": open_no_more,
    "no shared memory": no_shared_memory,
}


class Scenes:
    """Samples of one point; at scene 3 something happens, whose outcome becomes the sample's name."""

    def __init__(self, happens):
        self.happens = happens

    def __getitem__(self, item):
        sample = make_sample(make_points(Points(np.full((50, 3), item.scene))), Features(["ones"]), 0.1)
        name = self.happens() if item.scene == 3 else "plain"
        return type(sample)(**{**vars(sample), "name": name})

    def __len__(self):
        return 4

    collate = staticmethod(collate)


def load(happens, workers):
    return [batch.names for batch in plain(loader(Scenes(happens), RandomSampler(range(4), Plan(2, 20)), workers))]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_all_batches_come(workers):
    assert len(load(lambda: "three", workers)) == 20


@pytest.mark.parametrize("happens", DEATHS.values(), ids=DEATHS)
@pytest.mark.parametrize("workers", [2])
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_fails_ends_the_loading_in_one_line(happens, workers, capfd):
    begun = time.monotonic()
    with (
        pytest.raises(InputError, match=r"^loading data failed \(.*\); raise the limits .* workers=0$") as told,
        plain_errors(),
    ):
        load(happens, workers)
    assert time.monotonic() - begun < 30
    assert len(str(told.value)) < 400
    assert "Traceback" not in capfd.readouterr().err


def test_a_batch_that_cannot_be_sent_ends_the_loading(capfd):
    with pytest.raises(InputError, match=r"^loading data failed"), plain_errors():
        load(cannot_be_sent, 2)
    assert "note: a process that loads data could not send a batch" in capfd.readouterr().err


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_wrong_with_the_data_is_told_as_it_is(workers):
    with (
        pytest.raises(InputError, match=r"^Area_1/a: these labels belong to another cloud and more of it; draw"),
        plain_errors(),
    ):
        load(refused, workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_mistake_in_the_program_keeps_its_trace(workers):
    with pytest.raises(ZeroDivisionError), plain_errors():
        load(lambda: 1 / 0, workers)
    with pytest.raises(RuntimeError, match="mat1"), plain_errors():
        load(lambda: torch.zeros(2, 3) @ torch.zeros(2, 3), workers)


def test_the_death_of_a_worker_is_told_in_the_midst_of_a_step():
    batches = iter(loader(Scenes(lambda: "three"), RandomSampler(range(4), Plan(2, 20)), 1))
    next(batches)

    def step():
        os.kill(batches._workers[0].pid, signal.SIGKILL)
        time.sleep(10)  # at work on the batch

    with pytest.raises(InputError, match="loading data failed"), plain_errors():
        step()
