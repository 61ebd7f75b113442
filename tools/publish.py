"""Write a trained network as a folder for Hugging Face's hub; see --help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pcseg.command_line import check_output, option, run


@dataclass
class Options:
    """Write a trained network as a folder that Hugging Face's hub takes as it is: weights, config.json, a model card.

    python tools/publish.py run=outputs/demo output=published/rooms name=owner/rooms license=cc-by-4.0
    hf upload owner/rooms published/rooms

    pcseg.load("published/rooms") or, once it is there, pcseg.load("hf://owner/rooms") reads it, and so does every tool
    that takes a checkpoint. The card (README.md) tells the data, the label budget with its hash, the protocol and
    figures, limits, license and versions: read it, and add what it cannot know. Paths of this machine are left out.
    """

    run: str = option("run folder (its last weights) or .safetensors file")
    output: str = option("folder to write")
    name: str = option("name or owner/name on the hub; empty: that of the folder", "")
    license: str = option("of the weights, as the hub writes it: mit, apache-2.0, cc-by-4.0, other", "unknown")
    metrics: str = option("metrics.json of tools/evaluate.py; empty: that of the run folder, if there is one", "")
    notes: str = option("a text file (Markdown) with what else the reader should know", "")
    half: bool = option("weights in 16 bits: half the size", False)
    overwrite: bool = option("replace what an earlier call wrote at output", False)


def main(options: Options) -> None:
    check_output(options.output, folder=True)
    from pcseg.files import read_text  # late: PyTorch takes seconds to load, and a wrong setting is told at once
    from pcseg.share.publish import FILES, publish

    notes = read_text(options.notes, 2**20) if options.notes else ""
    folder = publish(
        options.run,
        options.output,
        options.name,
        options.license,
        options.metrics or None,
        notes,
        options.overwrite,
        options.half,
    )
    size = sum((folder / name).stat().st_size for name in FILES) / 1e6
    print(f"{folder}: {', '.join(FILES)}, {size:.1f} MB")
    print(f"upload it by: hf upload {options.name or 'owner/name'} {Path(options.output)}")


if __name__ == "__main__":
    run(main, Options)
