"""What the tools that read Hydra configs share: a typed schema, help made from it, one-line errors, exit code 2."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import hydra
from hydra.conf import HelpConf
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from _overrides import quote_texts
from pcseg.command_line import guard
from pcseg.errors import InputError

CONFIGS = str(Path(__file__).resolve().parents[1] / "configs")

T = TypeVar("T")


def run(task: Callable[[T], object], schema: type[T], config_name: str) -> NoReturn:
    """Compose ``configs/<config_name>.yaml`` with the command line, check it against ``schema`` and call ``task``.

    Hydra's own options work (``--cfg job``, ``--multirun``, ``--help``). A key, type or name that does not exist leaves
    with one line on stderr and exit code 2. Settings that ``schema`` declares as text are taken to the letter.
    """
    register(schema, config_name)
    argparse.ArgumentParser.error = refuse  # type: ignore[assignment, method-assign]
    # Otherwise Hydra prints its own trace and leaves with 1; this way the exceptions come out to `guard`.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    failed: list[InputError] = []

    @hydra.main(version_base="1.3", config_path=CONFIGS, config_name=config_name)
    def application(config: DictConfig) -> None:
        try:
            task(OmegaConf.to_object(config))  # type: ignore[arg-type]
        # Raised from here, Hydra would add lines of its own; also, the other jobs of a multirun should go on.
        except InputError as error:
            failed.append(error)
        except OmegaConfBaseException as error:
            failed.append(InputError(f"config: {one_line(error)}; see --help"))

    def action() -> None:
        sys.argv[1:] = quote_texts(sys.argv[1:], schema, {path.name for path in Path(CONFIGS).iterdir()})
        try:
            application()
        except OverrideParseException as error:
            raise InputError(
                f"argument '{error.override}' is not understood; write name=value, a list as [a,b], and text with blanks "
                "or signs in quotes of its own"
            ) from error
        except (HydraException, OmegaConfBaseException) as error:
            raise InputError(f"config: {one_line(error)}; see --help") from error
        if len(failed) > 1:
            raise InputError(f"{len(failed)} jobs failed, the first by: {failed[0]}") from failed[0]
        if failed:
            raise failed[0]

    guard(action)


def refuse(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """What Hydra's parser does with an option it does not know, in place of printing the whole usage."""
    raise InputError(f"{message}; see --help")


def register(schema: type[Any], config_name: str) -> None:
    """Make known what the yaml files refer to: the schema, the help text, and the name of the experiment."""
    store = ConfigStore.instance()
    store.store(name=f"{config_name}_schema", node=schema)
    store.store(group="hydra/help", name="pcseg", node=HelpConf(template=_help(schema, config_name)))
    OmegaConf.register_new_resolver("experiment", chosen_experiment, replace=True)


def chosen_experiment() -> str:
    """The name given as ``experiment=``, "own" without one."""
    return HydraConfig.get().runtime.choices.get("experiment") or "own"


def build(node: Any, where: str, *arguments: Any) -> Any:
    """Build the object that ``_target_`` of ``node`` names; raises InputError naming ``where`` if that fails."""
    try:
        return hydra.utils.instantiate(node, *arguments, _convert_="all")
    except HydraException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, InputError):
            raise cause from error
        raise InputError(f"config {where}: {one_line(cause)}; see configs/") from error


def job_folder(output: str) -> Path:
    """``output``; in a ``--multirun``, the folder below it that has the number of this job."""
    hydra = HydraConfig.get()
    return Path(output) / str(hydra.job.num) if hydra.mode == RunMode.MULTIRUN else Path(output)


def one_line(error: BaseException) -> str:
    """What an error of Hydra or OmegaConf says is wrong, and its cause, without positions, types and search paths."""
    text = str(error).partition("Config search path")[0]
    unhelpful = ("full_key:", "object_type=", "reference_type=", "To append", "See https:")
    lines = [line.strip() for line in text.splitlines()]
    kept = " ".join(line for line in lines if line and not line.startswith(unhelpful)).rstrip(".")
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        return f"{kept}: {one_line(cause)}"
    return kept


def _help(schema: type[Any], config_name: str) -> str:
    assert is_dataclass(schema)
    lines = [(schema.__doc__ or "").strip(), "", "settings (name=value):"]
    lines += [f"  {f.name:<18} {f.metadata.get('help', '')}" for f in fields(schema)]
    groups = _groups(config_name)
    if groups:
        lines += ["", "choices (from the folders of configs/, each replaceable: group=choice):", *groups]
    lines += [f"\nthe configuration as it stands (or: tools/{config_name}.py --cfg job):\n$CONFIG"]
    return "\n".join(lines)


def _groups(config_name: str) -> list[str]:
    """``<group>: <choice>, ...`` for each group that ``configs/<config_name>.yaml`` chooses from."""
    defaults = OmegaConf.load(Path(CONFIGS) / f"{config_name}.yaml").defaults
    groups = [str(group) for entry in defaults if isinstance(entry, DictConfig) for group in entry]
    return [f"{group}: {', '.join(sorted(p.stem for p in Path(CONFIGS, group).glob('*.yaml')))}" for group in groups]
