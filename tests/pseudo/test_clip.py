"""CLIP from a file: sizes from the weights, the formulas of both encoders, files that are none; and its words."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError
from pcseg.pseudo.clip import load_clip
from pcseg.pseudo.clip_words import ClipWords

WIDTH, TEXT, PATCH, GRID, OUT, WORDS, LENGTH = 128, 64, 4, 3, 24, 600, 12


def weights(seed: int = 0) -> dict[str, Tensor]:
    """Random weights of two blocks each, with the names and shapes of OpenAI's files."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return 0.2 * torch.randn(shape, generator=generator)

    found = {
        "visual.class_embedding": draw(WIDTH),
        "visual.positional_embedding": draw(GRID**2 + 1, WIDTH),
        "visual.proj": draw(WIDTH, OUT),
        "visual.conv1.weight": draw(WIDTH, 3, PATCH, PATCH),
        "token_embedding.weight": draw(WORDS, TEXT),
        "positional_embedding": draw(LENGTH, TEXT),
        "text_projection": draw(TEXT, OUT),
        "logit_scale": torch.tensor(2.0),
    }
    norms = {"visual.ln_pre": WIDTH, "visual.ln_post": WIDTH, "ln_final": TEXT}
    for prefix, width in (("visual.", WIDTH), ("", TEXT)):
        for i in range(2):
            name = f"{prefix}transformer.resblocks.{i}"
            norms |= {f"{name}.ln_1": width, f"{name}.ln_2": width}
            found |= {
                f"{name}.attn.in_proj_weight": draw(3 * width, width),
                f"{name}.attn.in_proj_bias": draw(3 * width),
            }
            for layer, (out, into) in {
                "attn.out_proj": (width, width),
                "mlp.c_fc": (4 * width, width),
                "mlp.c_proj": (width, 4 * width),
            }.items():
                found |= {f"{name}.{layer}.weight": draw(out, into), f"{name}.{layer}.bias": draw(out)}
    for name, width in norms.items():
        found |= {f"{name}.weight": 1 + draw(width), f"{name}.bias": draw(width)}
    return found


def saved(path: Path, found: dict[str, Tensor]) -> Path:
    torch.save(found, path)
    return path


def norm(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def blocks(w: dict[str, Tensor], prefix: str, x: Tensor, causal: bool) -> Tensor:
    """The transformer (L, C), head by head."""
    for i in range(2):
        name = f"{prefix}transformer.resblocks.{i}"
        split = norm(w, f"{name}.ln_1", x) @ w[f"{name}.attn.in_proj_weight"].T + w[f"{name}.attn.in_proj_bias"]
        q, k, v = split.chunk(3, dim=1)
        heads = []
        for own in range(0, x.shape[1], 64):
            part = slice(own, own + 64)
            scores = q[:, part] @ k[:, part].T / math.sqrt(64)
            if causal:
                scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
            heads.append(scores.softmax(dim=1) @ v[:, part])
        out = torch.cat(heads, dim=1)
        x = x + out @ w[f"{name}.attn.out_proj.weight"].T + w[f"{name}.attn.out_proj.bias"]
        hidden = norm(w, f"{name}.ln_2", x) @ w[f"{name}.mlp.c_fc.weight"].T + w[f"{name}.mlp.c_fc.bias"]
        hidden = hidden * torch.sigmoid(1.702 * hidden)
        x = x + hidden @ w[f"{name}.mlp.c_proj.weight"].T + w[f"{name}.mlp.c_proj.bias"]
    return x


def test_both_encoders_are_those_of_the_paper(tmp_path: Path) -> None:
    w = weights()
    extra = {"input_resolution": torch.tensor(12), "vocab_size": torch.tensor(WORDS)}
    clip = load_clip(saved(tmp_path / "clip.pt", {name: v.half() if v.dim() else v for name, v in (w | extra).items()}))
    w = {name: value.half().float() if value.dim() else value for name, value in w.items()}
    assert (clip.side, clip.length) == (12, LENGTH)
    assert not any(parameter.requires_grad for parameter in clip.parameters())
    images = torch.randn(2, 3, 12, 12)
    for image, found in zip(images, clip.encode_image(images), strict=True):
        squares = image.unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH).permute(1, 2, 0, 3, 4).reshape(GRID**2, -1)
        x = torch.cat([w["visual.class_embedding"][None], squares @ w["visual.conv1.weight"].flatten(1).T])
        x = blocks(w, "visual.", norm(w, "visual.ln_pre", x + w["visual.positional_embedding"]), False)
        expected = norm(w, "visual.ln_post", x[0]) @ w["visual.proj"]
        torch.testing.assert_close(found, F.normalize(expected, dim=0), atol=1e-4, rtol=1e-3)
    tokens = torch.tensor([[598, 3, 4, 599, 0, 0], [598, 7, 599, 0, 0, 0]])
    for row, found in zip(tokens, clip.encode_text(tokens), strict=True):
        x = blocks(w, "", w["token_embedding.weight"][row] + w["positional_embedding"][:6], True)
        expected = norm(w, "ln_final", x[int(row.argmax())]) @ w["text_projection"]
        torch.testing.assert_close(found, F.normalize(expected, dim=0), atol=1e-4, rtol=1e-3)


def test_other_files_are_refused(tmp_path: Path) -> None:
    found = weights()
    without = {name: value for name, value in found.items() if name != "visual.proj"}
    with pytest.raises(InputError, match=r"visual\.proj"):
        load_clip(saved(tmp_path / "a.pt", without))
    lacking = {name: value for name, value in found.items() if "resblocks.1.ln_1.bias" not in name}
    with pytest.raises(InputError, match="do not fit a CLIP"):
        load_clip(saved(tmp_path / "b.pt", lacking))
    odd = found | {"visual.conv1.weight": torch.zeros(100, 3, PATCH, PATCH)}
    with pytest.raises(InputError, match="100 and 64"):
        load_clip(saved(tmp_path / "c.pt", odd))


@pytest.mark.parametrize("packed", [True, False])
def test_words_are_merged_in_the_order_of_the_list(packed: bool, tmp_path: Path) -> None:
    """Merges: c a, t</w> after ca, then 's of its own; bytes that are no letters have numbers too."""
    merges = ["c a", "ca t</w>", "s e", "se a</w>"]
    text = "\n".join(["#version: 0.2", *merges, "no more", ""])
    path = tmp_path / ("merges.txt.gz" if packed else "merges.txt")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    words = ClipWords(path, 2 * 256 + len(merges) + 2)
    begin, end = 516, 517
    letter = {chr(byte): byte - 33 for byte in range(33, 127)}
    cat, sea, ends = 512 + 1, 512 + 3, 256
    found = words(["Cat sea", "cab", "at c"], 7)
    assert found.tolist() == [
        [begin, cat, sea, end, 0, 0, 0],
        [begin, 512, ends + letter["b"], end, 0, 0, 0],
        [begin, letter["a"], ends + letter["t"], ends + letter["c"], end, 0, 0],
    ]
    assert words(["é"], 5).tolist() == [[begin, ord("Ã") - 174 + 106, ends + ord("©") - 161 + 94, end, 0]]
    assert words(["cat " * 9], 5).tolist() == [[begin, cat, cat, cat, end]]
    for wrong, size in ((path, 2 * 256 + 9 + 2), (tmp_path / "none.txt", 520)):
        with pytest.raises(InputError, match="bpe_simple_vocab_16e6"):
            ClipWords(wrong, size)
