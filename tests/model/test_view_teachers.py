"""What stands in for a model of views, and CLIP on the crops of pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pcseg.errors import InputError
from pcseg.model.text import text_vectors
from pcseg.model.view_teachers import ClipTeacher, TagTeacher
from pcseg.pseudo.clip import MEAN, STD
from tests.methods.tiny_network import make_batch, make_pictures
from tests.pseudo.test_clip import OUT, saved, weights


def test_tags_tell_of_the_whole_alone() -> None:
    tags = torch.tensor([[1, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]).bool()
    teacher, vectors = TagTeacher(("cat", "dog", "sea")), text_vectors(("cat", "dog", "sea"))
    for batch, cells in ((make_pictures(), 4), (make_batch(), 8)):
        told = replace(batch, tags=tags)
        whole, there = teacher.views(told, 1)
        assert there.flatten().tolist() == [True, True, False, True]
        torch.testing.assert_close(whole[0, 0], F.normalize(vectors[0] + vectors[1], dim=0))
        torch.testing.assert_close(whole[3, 0], vectors[0])
        parts, there = teacher.views(told, 2)
        assert parts.shape[:2] == there.shape == (4, cells)
        assert not there.any()
    assert torch.equal(teacher.words(["cat"]), vectors[:1])


def test_clip_sees_crops_of_pictures(tmp_path: Path) -> None:
    path, words = saved(tmp_path / "clip.pt", weights()), tmp_path / "words.npz"
    np.savez(words, cat=np.arange(1.0, OUT + 1), dog=np.ones(OUT))
    teacher = ClipTeacher(path, str(words))
    torch.testing.assert_close(teacher.words(["dog"]), torch.full((1, OUT), OUT**-0.5))
    batch = make_pictures(2)
    vectors, there = teacher.views(batch, 2)
    assert vectors.shape == (2, 4, OUT)
    assert there.all()
    images = (batch.color.view(2, 10, 10, 3) - torch.tensor(MEAN)) / torch.tensor(STD)
    crop = images[1, 5:, :5].permute(2, 0, 1)[None]
    square = F.interpolate(crop, (12, 12), mode="bicubic", align_corners=False)
    torch.testing.assert_close(vectors[1, 2], teacher.clip.encode_image(square)[0])
    with pytest.raises(InputError, match="clouds"):
        teacher.views(make_batch(), 1)
    with pytest.raises(InputError, match="text=hashed"):
        ClipTeacher(path, "hashed")


def test_clip_reads_words_by_its_merges(tmp_path: Path) -> None:
    merges = tmp_path / "merges.txt"
    merges.write_text("\n".join(["#", *(["a b"] * 86)]))
    teacher = ClipTeacher(saved(tmp_path / "clip.pt", weights()), str(merges))
    found = teacher.words(["cat", "cat", "c"])
    torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    assert torch.equal(found[0], found[1])
