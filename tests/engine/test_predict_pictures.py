"""Pictures are labeled at full resolution, in windows where they are large, and by several votes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pcseg.classes import Classes
from pcseg.elements import Elements, pixel_elements
from pcseg.engine.evaluate import check_scenes, evaluate
from pcseg.engine.predict_pictures import PicturePredictor
from pcseg.engine.predictors import make_predictor
from pcseg.errors import InputError
from pcseg.model.inputs import ImageInputs, VoxelInputs, read_inputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks
from pcseg.refine import CRF
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene, write_scene
from tests.feeding.pictures.test_dataset import write_pictures

CLASSES = Classes(("road", "car", "sky"))


class Greenest(nn.Module):
    """Scores of three classes by the green of a pixel, as the pictures of the tests are labeled."""

    def __init__(self, bound: float = 0.0) -> None:
        super().__init__()
        self.largest = 0

    def forward(self, inputs: Tensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        self.largest = max(self.largest, inputs.shape[2] * inputs.shape[3])
        green = inputs[:, 1] * 255
        logits = torch.stack([-(green - middle).abs() for middle in (42.5, 128.5, 214.5)], dim=1)
        return pixel_elements(logits, inputs, (inputs.shape[2], inputs.shape[3]), position, color)


def model(scale: float = 1.0) -> Model:
    return Model(Networks(Greenest()), CLASSES, ImageInputs((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), scale))


def test_every_pixel_is_scored(tmp_path: Path) -> None:
    folders = write_pictures(tmp_path)
    predictor = make_predictor(model())
    check_scenes(predictor, folders)
    kept: list[tuple[np.ndarray, np.ndarray]] = []
    matrix = evaluate(predictor, folders, keep=lambda scene, labels, sure: kept.append((labels, sure)))
    assert matrix.counts.sum() == 4 * 24 * 32
    assert matrix.accuracy == 1.0
    assert all(labels.shape == sure.shape == (24 * 32,) for labels, sure in kept)
    assert all((sure > 1 / 3).all() for _, sure in kept)


@pytest.mark.parametrize("votes", [1, 2, 6])
def test_windows_give_what_the_whole_picture_gives(votes: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (70, 200, 3)).astype(np.uint8)
    one = PicturePredictor(model(), votes=votes)
    many = PicturePredictor(model(), votes=votes, max_pixels=2000, overlap=8)
    for whole, parts in zip(one.predict(image), many.predict(image), strict=True):
        np.testing.assert_allclose(parts, whole, atol=1e-5)
    network = many.model.network
    assert isinstance(network, Greenest)
    assert 1000 < network.largest <= 2000


def test_a_crf_sees_the_whole_picture() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 60, 3)).astype(np.uint8)
    crf = CRF(sigma_alpha=4.0, sigma_beta=0.3, sigma_gamma=2.0)
    share, plain = (PicturePredictor(model(), crf=used).probabilities(picture(image)) for used in (crf, None))
    position = np.stack(np.meshgrid(np.arange(60), np.arange(20)), axis=-1).reshape(-1, 2).astype(np.float32)
    color = torch.from_numpy(image.reshape(-1, 3))
    wanted = crf(torch.from_numpy(plain), torch.from_numpy(position), color)
    np.testing.assert_allclose(share, wanted, atol=1e-5)
    label, sure = PicturePredictor(model(), max_pixels=400, overlap=8, crf=crf).predict(image)
    np.testing.assert_array_equal(label.reshape(-1), share.argmax(axis=1))
    np.testing.assert_allclose(sure.reshape(-1), share.max(axis=1), atol=1e-5)


def picture(image: np.ndarray) -> Scene:
    size = image.shape[:2]
    return Scene(pixel_places(*size), {"color": image.reshape(-1, 3)}, "val/a", size=size)


def test_a_mirrored_vote_is_mirrored_back() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, :4, 1] = 255
    label, _ = PicturePredictor(model(), votes=2).predict(image)
    np.testing.assert_array_equal(label[:, :4], 2)
    np.testing.assert_array_equal(label[:, 4:], 0)


def test_a_smaller_view_labels_all_pixels() -> None:
    image = np.zeros((21, 33, 3), np.uint8)
    image[:10, :, 1] = 255
    label, sure = PicturePredictor(model(0.5)).predict(image)
    assert label.shape == sure.shape == (21, 33)
    assert (label[:8] == 2).all()
    assert (label[13:] == 0).all()


def test_inputs_are_kept_with_the_weights() -> None:
    inputs = ImageInputs(scale=0.5)
    assert read_inputs(inputs.to_json()) == inputs
    old = {name: value for name, value in inputs.to_json().items() if name != "scale"}
    assert read_inputs(old) == ImageInputs()


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    cloud = write_scene(tmp_path, Scene(np.zeros((5, 3), np.float32), {}, "train/cloud", classes=CLASSES.names))
    with pytest.raises(InputError, match=r"its scenes are point clouds \(train/cloud\), but this network takes pict"):
        check_scenes(make_predictor(model()), [cloud])
    with pytest.raises(InputError, match=r"a\.png: \(4, 4\) uint8; give the colors"):
        PicturePredictor(model()).predict(np.zeros((4, 4), np.uint8), "a.png")
    for settings in ({"votes": 7}, {"max_elements": 10}, {"smooth": 0.1}):
        with pytest.raises(InputError):
            make_predictor(model(), **settings)  # type: ignore[arg-type]
    clouds = Model(Networks(Greenest()), CLASSES, VoxelInputs(0.1, ("height",)))
    with pytest.raises(InputError, match="give one that takes pictures"):
        PicturePredictor(clouds)
    with pytest.raises(InputError, match="scale=0"):
        ImageInputs(scale=0.0)
