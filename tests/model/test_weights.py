"""Beginning from the weights of another run: what fits is taken, what does not is fresh and said."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.model.checkpoint import save_model
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.model.trained_on import TrainedOn, began_from
from pcseg.model.weights import start_from

CLASSES = Classes(("floor", "wall", "chair"))


def model(seed, classes=CLASSES, features=("color", "height"), width=4, size=0.1, **arguments):
    torch.manual_seed(seed)
    arguments = {"channels": (8, 8), "blocks": (1, 1), **arguments}
    spec = NetworkSpec("MinkUNet", {"in_channels": width, "n_classes": len(classes), **arguments})
    return Model(Networks(spec.build(), spec), classes, VoxelInputs(size, features))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    found = model(1)
    for buffer in found.network.buffers():
        buffer.add_(3)  # running statistics are taken too
    path = tmp_path_factory.mktemp("run") / "last.safetensors"
    save_model(path, found)
    return path, found.network.state_dict()


def fresh(made, before, theirs):
    """Names of the weights of ``made`` that are as ``before``, once all others were seen to be ``theirs``."""
    state = made.network.state_dict()
    kept = {name for name, value in state.items() if torch.equal(value, before[name]) and name not in theirs}
    for name, value in state.items():
        if name in theirs and theirs[name].shape == value.shape and torch.equal(value, theirs[name]):
            continue
        assert torch.equal(value, before[name]), name
        kept.add(name)
    return kept


def taken(made, path):
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    return start_from(made, path), before


def test_all_is_taken_where_all_fits(source):
    path, theirs = source
    for given in (path, path.parent):
        made = model(2, features=("optional_color", "height"))
        lines, before = taken(made, given)
        assert fresh(made, before, theirs) == set()
        assert len(lines) == 1
        assert str(given) in lines[0]


def test_a_classifier_of_other_classes_is_fresh(source):
    path, theirs = source
    made = model(2, Classes(("ground", "tree", "house")))
    lines, before = taken(made, path)
    assert fresh(made, before, theirs) == {"head.weight", "head.bias"}
    assert "the classifier is re-initialized: it was trained on floor, wall, chair; now ground, tree, house" in lines[1]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("wall", "shelf", "floor", "chair"), "keeps what it learned of wall, floor, chair; re-initialized for shelf"),
        (("chair", "shelf"), "keeps what it learned of chair; re-initialized for shelf; without floor, wall"),
        (("chair", "floor"), "keeps what it learned of chair, floor; without wall"),
    ],
)
def test_a_classifier_keeps_the_rows_of_classes_of_the_same_name(source, names, said):
    path, theirs = source
    made = model(2, Classes(names))
    lines, before = taken(made, path)
    for key in ("head.weight", "head.bias"):
        for row, name in enumerate(names):
            known = name in CLASSES.names
            wanted = theirs[key][CLASSES.names.index(name)] if known else before[key][row]
            assert torch.equal(made.network.state_dict()[key][row], wanted)
    assert lines[1] == f"  the classifier {said}"
    assert len(lines) == 2


def test_classes_in_another_order_are_put_in_order(source):
    path, theirs = source
    made = model(2, Classes(("chair", "floor", "wall")))
    lines, _ = taken(made, path)
    assert torch.equal(made.network.head.weight, theirs["head.weight"][[2, 0, 1]])
    assert torch.equal(made.network.head.bias, theirs["head.bias"][[2, 0, 1]])
    assert len(lines) == 1


@pytest.mark.parametrize(("features", "width"), [(("height",), 1), (("normal", "height"), 4), (("height", "color"), 4)])
def test_a_first_convolution_of_other_features_is_fresh(source, features, width):
    path, theirs = source
    made = model(2, features=features, width=width)
    lines, before = taken(made, path)
    assert fresh(made, before, theirs) == {"stem.conv.weight"}
    assert (
        f"the first convolution is re-initialized: it was trained on color, height; now {', '.join(features)}"
        in lines[1]
    )


def test_other_voxels_and_levels_are_told(source):
    path, theirs = source
    made = model(2, size=0.2, channels=(8, 16))
    lines, before = taken(made, path)
    assert "head.weight" in fresh(made, before, theirs)
    assert "down.0.1.conv1.weight" not in fresh(made, before, theirs)
    text = "\n".join(lines)
    assert "its voxels were of 0.1 m, now 0.2 m" in text
    assert "do not fit and are re-initialized: up.0" in text


def test_weights_of_which_nothing_fits_are_refused(source, tmp_path):
    path, _ = source
    with pytest.raises(InputError, match=r"weights=.*nothing of its MinkUNet .* fits the MinkUNet here; .*network="):
        start_from(replace(model(2), networks=Networks(torch.nn.Linear(3, 2), model(2).spec)), path)
    with pytest.raises(InputError, match="no such checkpoint"):
        start_from(model(2), tmp_path / "nowhere")


def test_a_part_is_tuned_only_where_all_but_the_classifier_fits(source):
    path, _ = source
    start_from(model(2, Classes(("ground", "tree"))), path, whole=True)
    for made in (model(2, features=("height",), width=1), model(2, channels=(8, 16))):
        with pytest.raises(InputError, match=r"tune: trains a part of given weights, but .*weight.* do not fit"):
            start_from(made, path, whole=True)


def test_the_record_says_what_the_weights_have_seen(tmp_path):
    path = tmp_path / "last.safetensors"
    runs = [None, *(TrainedOn("rooms", (f"Area_{i}",), ()) for i in (1, 2))]
    found = model(1)
    for number, run in enumerate(runs):
        found.record |= {"trained_on": run.to_json()} if run else {}
        save_model(path, found)
        found = model(2)
        start_from(found, path)
        assert began_from(found.record) == runs[: number + 1]


def pictures(seed, classes=CLASSES, inputs=None, width=3, **arguments):
    torch.manual_seed(seed)
    arguments = {"in_channels": width, "n_classes": len(classes), "width": 8, **arguments}
    spec = NetworkSpec("DeepLab", arguments)
    return Model(Networks(spec.build(), spec), classes, inputs or ImageInputs())


def test_networks_of_pictures_begin_from_one_another(tmp_path):
    path, found = tmp_path / "last.safetensors", pictures(1)
    save_model(path, found)
    theirs = found.network.state_dict()
    made = pictures(2)
    lines, before = taken(made, path)
    assert fresh(made, before, theirs) == set()
    assert len(lines) == 1
    made = pictures(2, Classes(("road", "car")))
    lines, before = taken(made, path)
    assert fresh(made, before, theirs) == {"head.weight", "head.bias"}
    made = pictures(2, inputs=ImageInputs((0.5, 0.5, 0.5), scale=0.5))
    lines, before = taken(made, path)
    assert fresh(made, before, theirs) == set()
    assert "its pictures were seen at 1 of their resolution, now at 0.5" in lines[1]
    assert "its colors were normalized by (0.485, 0.456, 0.406)" in lines[2]


def test_what_reads_pictures_of_other_channels_is_fresh_and_said(tmp_path):
    path, found = tmp_path / "last.safetensors", pictures(1)
    save_model(path, found)
    made = pictures(2, width=4)
    lines, before = taken(made, path)
    assert fresh(made, before, found.network.state_dict()) == {"encoder._conv_stem.weight"}
    assert lines[-1].startswith("  1 of ")
    assert "re-initialized: encoder._conv_stem.weight" in lines[-1]
    with pytest.raises(InputError, match=r"tune: .* encoder\._conv_stem\.weight of .* do not fit"):
        start_from(pictures(2, width=4), path, whole=True)
    with pytest.raises(InputError, match=r"nothing of its DeepLab .* fits the MinkUNet here"):
        start_from(model(2), path)


def test_a_network_of_which_the_first_convolution_alone_fits_is_refused(tmp_path):
    """By whatever name: of the stem alone nothing has been learned that the rest could use."""
    path, found = tmp_path / "last.safetensors", pictures(1)
    save_model(path, found)
    other = pictures(2)
    only = torch.nn.Module()
    only.encoder = torch.nn.Module()
    only.encoder._conv_stem = other.network.encoder._conv_stem
    with pytest.raises(InputError, match="nothing of its DeepLab"):
        start_from(replace(other, networks=Networks(only, other.spec)), path)
