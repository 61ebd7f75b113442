"""The ViT against PyTorch's own transformer layers, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from pcseg.errors import InputError
from pcseg.pseudo.vit import ViT, load_vit

WIDTH, DEPTH, PATCH, PLACES, HIDDEN = 128, 2, 4, 5, 96


def small(registers: int = 0, scales: bool = True) -> ViT:
    """Return a ViT of random weights, all of them."""
    torch.manual_seed(0)
    network = ViT(WIDTH, DEPTH, PATCH, PLACES, HIDDEN, registers, scales)
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.2)
    return network.eval()


def by_layers(state: dict[str, Tensor], images: Tensor, registers: int) -> Tensor:
    """Return the features of patches by nn.TransformerEncoderLayer; layer scale goes into the weights."""
    tokens = nn.functional.conv2d(images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], PATCH)
    batch, _, height, width = tokens.shape
    tokens = torch.cat([state["cls_token"].expand(batch, -1, -1), tokens.flatten(2).transpose(1, 2)], dim=1)
    tokens = tokens + state["pos_embed"]
    if registers:
        extra = state["register_tokens"].expand(batch, -1, -1)
        tokens = torch.cat([tokens[:, :1], extra, tokens[:, 1:]], dim=1)
    for i in range(DEPTH):
        own = {
            key.removeprefix(f"blocks.{i}."): value for key, value in state.items() if key.startswith(f"blocks.{i}.")
        }
        ones = torch.ones(WIDTH)
        first, second = own.get("ls1.gamma", ones), own.get("ls2.gamma", ones)
        layer = nn.TransformerEncoderLayer(WIDTH, WIDTH // 64, HIDDEN, 0.0, "gelu", 1e-6, True, True).eval()
        layer.load_state_dict({
            "self_attn.in_proj_weight": own["attn.qkv.weight"], "self_attn.in_proj_bias": own["attn.qkv.bias"],
            "self_attn.out_proj.weight": own["attn.proj.weight"] * first[:, None],
            "self_attn.out_proj.bias": own["attn.proj.bias"] * first,
            "linear1.weight": own["mlp.fc1.weight"], "linear1.bias": own["mlp.fc1.bias"],
            "linear2.weight": own["mlp.fc2.weight"] * second[:, None], "linear2.bias": own["mlp.fc2.bias"] * second,
            **{f"norm{k}.{kind}": own[f"norm{k}.{kind}"] for k in (1, 2) for kind in ("weight", "bias")},
        })  # fmt: skip
        tokens = layer(tokens)
    tokens = nn.functional.layer_norm(tokens, (WIDTH,), state["norm.weight"], state["norm.bias"], 1e-6)
    return tokens[:, 1 + registers :].transpose(1, 2).reshape(batch, WIDTH, height, width)


@pytest.mark.parametrize(("registers", "scales"), [(0, True), (0, False), (3, True)])
def test_it_is_a_transformer_of_usual_layers(registers: int, scales: bool) -> None:
    network, images = small(registers, scales), torch.randn(2, 3, 20, 20)
    with torch.no_grad():
        wanted = by_layers(network.state_dict(), images, registers)
        torch.testing.assert_close(network(images), wanted, rtol=1e-4, atol=1e-4)


def test_places_are_resized_for_pictures_of_another_shape() -> None:
    """A grid of embeddings that grows along the rows stays so, and one that is the same everywhere stays the same."""
    network = small()
    with torch.no_grad():
        ramp = torch.arange(5.0).repeat_interleave(5)[:, None].expand(25, WIDTH)
        network.pos_embed[0, 1:] = ramp
        rows = network._positions(10, 15).reshape(10, 15, WIDTH)
        assert (rows == rows[:, :1]).all() or torch.allclose(rows, rows[:, :1].expand_as(rows), atol=1e-5)
        assert (rows[1:, 0, 0] > rows[:-1, 0, 0]).all()
        network.pos_embed[0, 1:] = 3.0
        torch.testing.assert_close(network._positions(7, 2), torch.full((1, 14, WIDTH), 3.0))
        assert network(torch.randn(1, 3, 40, 60)).shape == (1, WIDTH, 10, 15)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_tells_the_sizes(tmp_path: Path, suffix: str) -> None:
    network, path = small(registers=3), tmp_path / f"vit{suffix}"
    state = {**network.state_dict(), "mask_token": torch.zeros(1, WIDTH)}
    state = {f"module.{name}": value for name, value in state.items()}
    safetensors.torch.save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    found, images = load_vit(path), torch.randn(1, 3, 20, 24)
    with torch.no_grad():
        torch.testing.assert_close(found(images), network(images))
    assert not found.training
    assert not any(weight.requires_grad for weight in found.parameters())


def test_files_of_other_networks(tmp_path: Path) -> None:
    path, state = tmp_path / "x.safetensors", small().state_dict()
    for change, words in (
        ({"cls_token": None}, "has no cls_token"),
        ({"blocks.0.mlp.fc1.weight": None}, "has no blocks.0.mlp.fc1.weight"),
        ({"blocks.1.mlp.fc2.bias": None}, "blocks.1.mlp.fc2.bias"),
        ({"blocks.1.mlp.w3.weight": torch.zeros(2)}, "blocks.1.mlp.w3.weight"),
        ({"pos_embed": torch.zeros(1, 24, WIDTH)}, "at 23 places"),
        ({"patch_embed.proj.weight": torch.zeros(100, 3, 4, 4)}, r"\(100, 3, 4, 4\) patches"),
    ):
        wrong = {name: value for name, value in {**state, **change}.items() if value is not None}
        safetensors.torch.save_file(wrong, path)
        with pytest.raises(InputError, match=words):
            load_vit(path)
    with pytest.raises(InputError, match="no such file"):
        load_vit(tmp_path / "none.pth")
