"""Write the model card of a published network: what it was trained on, how well it does, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.model.trained_on import began_from, trained_on
from pcseg.version import __version__


def card(model: Model, name: str, license: str, figures: Mapping[str, Any] | None, notes: str = "") -> str:
    """Return the README.md of a published ``model``, Markdown with the header that the hub reads.

    ``figures``: the content of a metrics.json, None where it was not evaluated. Texts from the record and class names
    are escaped.
    """
    pictures = isinstance(model.inputs, ImageInputs)
    head = {"license": license, "library_name": "pcseg", "tags": ["pcseg", "semantic-segmentation", "label-efficient"]}
    head["tags"] = [*head["tags"], "image" if pictures else "point-cloud"]
    if pictures:
        head["pipeline_tag"] = "image-segmentation"
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {name}",
        _about(model, pictures),
        f"## Use\n\n{_use(name, pictures)}",
        f"## Training\n\n{_training(model)}",
        f"## Label budget\n\n{_budget(model.record)}",
        f"## Figures\n\n{_scores(figures)}",
        f"## Limits\n\n{_limits(model, pictures)}",
        *([f"## Notes\n\n{notes.strip()}"] if notes.strip() else []),
        f"## License and versions\n\nLicense of the weights: {license}. {_versions(model.record)}",
    ]
    return "\n\n".join(parts) + "\n"


def _about(model: Model, pictures: bool) -> str:
    weights = sum(weight.numel() for weight in model.network.parameters())
    return (
        f"Labels every {'pixel of a picture' if pictures else 'point of a scan'} with one of {len(model.classes)} "
        f"classes: {', '.join(map(_escaped, model.classes.names))}. A {_escaped(model.spec.name)} of {weights:,} "
        f"weights on {_escaped(str(model.inputs))}."
    )


def _use(name: str, pictures: bool) -> str:
    address = f"hf://{name}" if "/" in name else name
    call = "labels, confidence = network.predict(image)  # (H, W, 3) uint8"
    if not pictures:
        call = "labels, confidence = network.predict(xyz, color)  # (P, 3) in meters, z up; (P, 3) of 0 to 255"
    kind, output = ("picture.png", "labels.png") if pictures else ("scan.las", "labeled.las")
    return (
        f'```python\nimport pcseg\n\nnetwork = pcseg.load("{address}")\n{call}\n```\n\n'
        f"or `python tools/predict.py checkpoint={address} input={kind} output={output}` in a checkout of pcseg."
    )


def _training(model: Model) -> str:
    record, scenes = model.record, trained_on(model.record)
    lines = ["The checkpoint does not say on which scenes."]
    if scenes is not None:
        held = f"; held back: {_listed(scenes.test)}" if scenes.test else ""
        lines = [f"Trained on {_listed(scenes.train)} of {_escaped(scenes.root)}{held}."]
    for earlier in began_from(record):
        where = f"{_listed(earlier.train)} of {_escaped(earlier.root)}" if earlier else "scenes it does not name"
        lines.append(f"It began from weights trained on {where}.")
    stages = record.get("stages")
    if isinstance(stages, dict):
        lines.append(f"Stages: {', '.join(f'{_escaped(key)} {steps} steps' for key, steps in stages.items())}.")
    colored = record.get("colored")
    if isinstance(colored, (int, float)):
        lines.append(f"{100 * colored:.0f} % of the scenes had color.")
    return " ".join(lines)


def _budget(record: Mapping[str, Any]) -> str:
    labels = record.get("labels")
    known = labels if isinstance(labels, dict) else {}
    count, fraction = known.get("count"), known.get("fraction")
    if not isinstance(count, int) or not isinstance(fraction, (int, float)):
        return "The checkpoint does not say from how many labels."
    config = record.get("config")
    chosen = config.get("labels") if isinstance(config, dict) else None
    file = chosen.get("file") if isinstance(chosen, dict) else None
    which = f" of the file {_escaped(str(file))}" if file else ""
    tags = f" Tags: sha256 {_escaped(str(record['tags']))}." if record.get("tags") else ""
    share = f"{count:,} labels, {100 * fraction:.4g} % of the points that training saw{which}"
    return f"{share}; sha256 {_escaped(str(known.get('sha256')))}.{tags}"


def _scores(figures: Mapping[str, Any] | None) -> str:
    if figures is None:
        return "Not evaluated."
    rows = [("mean IoU", figures.get("miou")), ("overall accuracy", figures.get("accuracy"))]
    rows += [(f"IoU of {_escaped(name)}", iou) for name, iou in figures["iou"].items()]
    table = "\n".join(f"| {name} | {_percent(value)} |" for name, value in rows)
    return f"Protocol: {_escaped(str(figures.get('protocol', 'not stated')))}.\n\n| figure | % |\n|---|---:|\n{table}"


def _limits(model: Model, pictures: bool) -> str:
    known = "It knows the classes above and no other: everything gets one of them. "
    seen = "Scenes unlike those it was trained on (other sensors, densities, buildings, light) are labeled worse, "
    units = "" if pictures else " Scans must be in meters with z up."
    return f"{known}{seen}and its confidence does not tell how much worse.{units} Look at the result before use."


def _versions(record: Mapping[str, Any]) -> str:
    made = [f"{key} {_escaped(str(record[key]))}" for key in ("pcseg", "torch", "git") if record.get(key)]
    return f"Trained with {', '.join(made) or 'versions not stated'}; published with pcseg {__version__}."


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(_escaped, names)) or "no split"


def _percent(value: Any) -> str:
    return f"{100 * value:.1f}" if isinstance(value, (int, float)) else "none there"


def _escaped(text: str) -> str:
    """Return a text in one line that Markdown shows as it is."""
    plain = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*[]|#" else c for c in plain)
