"""Shared by the tools that read Hydra configs: a typed schema, help made from it, one-line errors, exit code 2."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args, get_origin, get_type_hints

import hydra
from hydra.conf import HelpConf
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from _overrides import below_null, quote_texts
from _schema import BY_NAME, GROUPS, run_name
from pcseg.command_line import guard
from pcseg.errors import InputError
from pcseg.option_values import without_none

CONFIGS = str(Path(__file__).resolve().parents[1] / "configs")

T = TypeVar("T")


def run(task: Callable[[T], object], schema: type[T], config_name: str) -> NoReturn:
    """Compose ``configs/<config_name>.yaml`` with the command line, check it against ``schema`` and call ``task``.

    Hydra's own options work (``--cfg job``, ``--multirun``, ``--help``). A key, type or name that does not exist leaves
    with one line on stderr and exit code 2. Settings that ``schema`` declares as text are taken to the letter.
    """
    register(schema, config_name, own_folders(sys.argv))
    argparse.ArgumentParser.error = refuse  # type: ignore[assignment, method-assign]
    # Otherwise Hydra prints its own trace and leaves with 1; this way the exceptions come out to `guard`.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    failed: list[InputError] = []

    @hydra.main(version_base="1.3", config_path=CONFIGS, config_name=config_name)
    def application(config: DictConfig) -> None:
        try:
            refuse_unknown(OmegaConf.to_container(config), schema)
            task(OmegaConf.to_object(config))  # type: ignore[arg-type]
        # Raised from here, Hydra would add lines of its own; also, the other jobs of a multirun should go on.
        except InputError as error:
            failed.append(error)
        except OmegaConfBaseException as error:
            failed.append(InputError(f"config: {one_line(error)}; see --help"))

    def action() -> None:
        sys.argv[1:] = quote_texts(sys.argv[1:], schema, set(GROUPS))
        with one_line_errors(schema, config_name):
            application()
        if len(failed) > 1:
            raise InputError(f"{len(failed)} jobs failed, the first by: {failed[0]}") from failed[0]
        if failed:
            raise failed[0]

    guard(action)


def compose(arguments: Sequence[str], schema: type[T], config_name: str) -> T:
    """Return the settings with which ``run`` would call its task, given ``arguments``; raises InputError as it would.

    Of Hydra's options it knows ``--config-dir=<folder>`` alone.
    """
    folders = own_folders(arguments)
    register(schema, config_name, folders)
    typed = quote_texts([a for a in arguments if not a.startswith("-")], schema, set(GROUPS))
    if folders:
        places = [QuotedString(f"file://{Path(folder).resolve()}", Quote.single).with_quotes() for folder in folders]
        typed.append(f"hydra.searchpath=[{','.join(places)}]")
    with one_line_errors(schema, config_name), hydra.initialize_config_dir(CONFIGS, version_base="1.3"):
        config = hydra.compose(config_name, typed)
        refuse_unknown(OmegaConf.to_container(config), schema)
        return OmegaConf.to_object(config)  # type: ignore[return-value]


@contextmanager
def one_line_errors(schema: type[Any], config_name: str) -> Iterator[None]:
    """Raise an InputError in place of an error of Hydra or OmegaConf."""
    try:
        yield
    except OverrideParseException as error:
        raise InputError(
            f"argument '{error.override}' is not understood; write name=value, a list as [a,b], and text with "
            "blanks or signs in quotes of its own"
        ) from error
    except (AssertionError, AttributeError) as error:
        if line := below_null(error):
            raise InputError(line) from error
        raise
    except (HydraException, OmegaConfBaseException) as error:
        if "'network._target_'" in str(error):
            raise InputError(BY_NAME) from error
        key = re.match(r"Could not override '([^']+)'", str(error))
        if key and (line := unknown(key[1], schema, _groups(config_name))):
            raise InputError(line) from error
        message = one_line(error)
        add = "; to add a key, write +name=value" if "is not in struct" in message else ""
        raise InputError(f"config: {message}{add}; see --help") from error


def refuse_unknown(config: Any, schema: type[Any]) -> None:
    """Raise InputError for a key of ``config`` that ``schema`` does not declare: ``+key=`` may add any."""
    for key in _keys(config):
        if line := unknown(key, schema):
            raise InputError(line)


def unknown(key: str, schema: type[Any], groups: Sequence[str] = ()) -> str | None:
    """Return a line on ``key`` (names with dots) with the settings of ``schema``, or ``groups``, of a similar name.

    None where ``schema`` declares it, or a table above it that takes any key.
    """
    kind, path = without_none(schema)[0], ""
    for name in key.split("."):
        kinds = get_type_hints(kind) if is_dataclass(kind) else {}
        if kinds and name not in kinds:
            ends = {known: known.rpartition(".")[2] for known in [*groups, *_declared(schema)]}
            close = get_close_matches(name, dict.fromkeys(ends.values()))
            near = [known for known in sorted(ends, key=len) if ends[known] in close]
            near.sort(key=lambda known: close.index(ends[known]))
            meant = f"did you mean {' or '.join(near[:3])}? " if near else ""
            return f"{path}{name}: no such setting; {meant}{path.rstrip('.') or 'a run'} has {', '.join(kinds)}"
        part = kinds.get(name) or (get_args(kind)[1] if get_origin(kind) is dict else None)
        kind, path = without_none(part)[0], f"{path}{name}."
    return None


def _keys(table: Any, path: str = "") -> Iterator[str]:
    """Yield every key of nested tables, with dots."""
    for key, part in table.items() if isinstance(table, dict) else ():
        yield f"{path}{key}"
        yield from _keys(part, f"{path}{key}.")


def _declared(kind: Any, path: str = "") -> Iterator[str]:
    """Yield every setting that a schema declares, with dots; ``<name>`` stands for any name."""
    kind, _ = without_none(kind)
    if get_origin(kind) is dict:
        yield from _declared(get_args(kind)[1], f"{path}<name>.")
    for name, part in get_type_hints(kind).items() if is_dataclass(kind) else ():
        yield f"{path}{name}"
        yield from _declared(part, f"{path}{name}.")


def refuse(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """Raise an InputError for an option that Hydra's parser does not know, instead of printing the whole usage."""
    raise InputError(f"{message}; see --help")


def own_folders(arguments: Sequence[str]) -> list[str]:
    """Return the folders given as ``--config-dir=<folder>``, whose choices are added to those of configs/."""
    return [argument.partition("=")[2] for argument in arguments if argument.startswith("--config-dir=")]


def register(schema: type[Any], config_name: str, folders: Sequence[str] = ()) -> None:
    """Register the names that the yaml files refer to: schema, help text, name of a run, and the group ``match``.

    A choice of ``match`` is the file of that name in method/ of configs/ or ``folders``, below the key ``match``.
    """
    store = ConfigStore.instance()
    store.store(name=f"{config_name}_schema", node=schema)
    store.store(group="hydra/help", name="pcseg", node=HelpConf(template=_help(schema, config_name, folders)))
    for method in _choices("method", folders):
        store.store(group="match", name=method, node={"defaults": [{"/method@_global_.match": method}]})
    OmegaConf.register_new_resolver("run_name", _typed_name, replace=True)


def _typed_name() -> str:
    """Return the name of a run from the choices that were typed."""
    config = HydraConfig.get()
    typed = {override.partition("=")[0] for override in config.overrides.task}
    return run_name(
        {group: str(choice) for group, choice in config.runtime.choices.items() if group in typed and choice}
    )


def build(node: Any, where: str, *arguments: Any) -> Any:
    """Return the object that ``_target_`` of ``node`` names; raises InputError naming ``where`` if that fails."""
    try:
        return hydra.utils.instantiate(node, *arguments, _convert_="all")
    except HydraException as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, InputError):
            raise cause from error
        raise InputError(f"config {where}: {one_line(cause)}; see configs/") from error


def target(node: dict[str, Any]) -> Any:
    """Return the class or function that ``_target_`` of ``node`` names; None where nothing has that name."""
    try:
        return hydra.utils.get_object(str(node.get("_target_")))
    except Exception:  # of whatever module is imported; what is made of the node says it in one line
        return None


def job_folder(output: str) -> Path:
    """Return ``output``; in a ``--multirun``, the folder below it that has the number of this job."""
    hydra = HydraConfig.get()
    return Path(output) / str(hydra.job.num) if hydra.mode == RunMode.MULTIRUN else Path(output)


def one_line(error: BaseException) -> str:
    """Return the message of an error of Hydra or OmegaConf and its cause, without positions, types and search paths."""
    text = str(error).partition("Config search path")[0]
    unhelpful = ("full_key:", "object_type=", "reference_type=", "To append", "See https:")
    lines = [line.strip() for line in text.splitlines()]
    kept = " ".join(line for line in lines if line and not line.startswith(unhelpful)).rstrip(".")
    cause = error.__cause__
    if isinstance(cause, OmegaConfBaseException):
        return f"{kept}: {one_line(cause)}"
    return kept


def _help(schema: type[Any], config_name: str, folders: Sequence[str]) -> str:
    assert is_dataclass(schema)
    lines = [(schema.__doc__ or "").strip(), "", "settings (name=value):"]
    lines += [f"  {f.name:<18} {f.metadata.get('help', '')}" for f in fields(schema)]
    groups = _groups(config_name)
    if groups:
        lines += ["", "choices (from the folders of configs/, each replaceable: group=choice):"]
        choices = {group: _choices("method" if group == "match" else group, folders) for group in groups}
        lines += [f"{group}: {', '.join(names)}" for group, names in choices.items()]
    lines += [f"\nthe configuration as it stands (or: tools/{config_name}.py --cfg job):\n$CONFIG"]
    return "\n".join(lines)


def _groups(config_name: str) -> list[str]:
    """Return the groups that ``configs/<config_name>.yaml`` chooses from."""
    defaults = OmegaConf.load(Path(CONFIGS) / f"{config_name}.yaml").defaults
    return [str(group) for entry in defaults if isinstance(entry, DictConfig) for group in entry]


def _choices(group: str, folders: Sequence[str]) -> list[str]:
    """Return the choices of a group in configs/ and in ``folders``."""
    return sorted({path.stem for folder in (CONFIGS, *folders) for path in Path(folder, group).glob("*.yaml")})
