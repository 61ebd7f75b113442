"""What the tools that read Hydra configs share: a typed schema, help made from it, one-line errors, exit code 2."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import hydra
import hydra.core.hydra_config
import hydra.types
from hydra.conf import HelpConf
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from _cli import guard
from pcseg.errors import InputError

T = TypeVar("T")


def run(task: Callable[[T], object], schema: type[T], config_name: str, epilog: str = "") -> NoReturn:
    """Compose ``configs/<config_name>.yaml`` with the command line, check it against ``schema`` and call ``task``.

    Hydra's own options work (``--cfg job``, ``--multirun``, ``--help``). A key, type or name that does not exist leaves
    with one line on stderr and exit code 2.
    """
    store = ConfigStore.instance()
    store.store(name=f"{config_name}_schema", node=schema)
    store.store(group="hydra/help", name="pcseg", node=HelpConf(template=_help(schema, config_name, epilog)))
    # Otherwise Hydra prints its own trace and leaves with 1; this way the exceptions come out to `guard`.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")

    @hydra.main(version_base="1.3", config_path="../configs", config_name=config_name)
    def application(config: DictConfig) -> None:
        task(OmegaConf.to_object(config))  # type: ignore[arg-type]

    def action() -> None:
        try:
            application()
        except (HydraException, OmegaConfBaseException) as error:
            raise InputError(f"config: {one_line(error)}; see --help") from error

    guard(action)


def build(node: Any, where: str, **arguments: Any) -> Any:
    """Build the object that ``_target_`` of ``node`` names; raises InputError naming ``where`` if that fails."""
    try:
        return hydra.utils.instantiate(node, _convert_="all", **arguments)
    except HydraException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, InputError):
            raise cause from error
        raise InputError(f"config {where}: {one_line(cause)}; see configs/") from error


def job_folder(output: str) -> Path:
    """``output``; in a ``--multirun``, a folder below it named after what this job has otherwise than the others."""
    job = hydra.core.hydra_config.HydraConfig.get()
    several = job.mode == hydra.types.RunMode.MULTIRUN
    return Path(output) / job.job.override_dirname.replace("/", "_") if several else Path(output)


def one_line(error: BaseException) -> str:
    """The sentences of an error message that say what is wrong, without OmegaConf's positions and Hydra's lists."""
    lines = [line.strip() for line in str(error).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("full_key:", "object_type=", "reference_type="))]
    return " ".join(kept).rstrip(".")


def _help(schema: type[Any], config_name: str, epilog: str) -> str:
    assert is_dataclass(schema)
    lines = [(schema.__doc__ or "").strip(), "", "settings (name=value):"]
    lines += [f"  {f.name:<18} {f.metadata.get('help', '')}" for f in fields(schema)]
    lines += [
        "",
        f"choices (from the folders of configs/, each replaceable: group=choice):\n$APP_CONFIG_GROUPS\n{epilog}",
    ]
    lines += [f"the configuration as it stands (or: tools/{config_name}.py --cfg job):\n$CONFIG"]
    return "\n".join(lines)
