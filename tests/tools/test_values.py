"""Typed values: text to the letter, numbers and truths by type, lists by commas; through the parser of all tools."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from hydra.core.override_parser.overrides_parser import OverridesParser

from _overrides import quote_texts
from _schema import Train
from pcseg.command_line import option, parse, usage
from pcseg.errors import InputError
from pcseg.option_values import show

ODD = (
    "data #2", "2024_01_15", "012", "001", "0x10", "1e3", "1.50", "20:30", "yes", "on", "1_000", "true", "None", "~",
    " lead", "trail ", "*.ply", "@x.ply", "[a] b.ply", "{a}.ply", "%x.ply", "!x.ply", "&x.ply", "x\ty.ply", "`x`", "|",
    '"q" x.ply', "it's", "C:\\a\\b\\", "über.ply", "a=b.ply", "a, b.ply", "a(1).ply", "- x", "a: b", "$HOME", "?",
    "x\ny", "\\'", "choice(a,b)", "",
)  # fmt: skip
TEXT = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
PLAIN = st.text("abc012#:*@%!&|`_.=-~\\/ é\t", min_size=1).map(str.strip).filter(bool)


@dataclass
class Options:
    """Holds one of each."""

    text: str = option("a text", "")
    maybe: str | None = option("a text or none", None)
    count: int = option("a number", 0)
    size: float | None = option("a size", 1.0)
    flag: bool = option("a choice", False)
    align: bool | None = option("a choice or none", None)
    names: list[str] = option("names", factory=list)
    sizes: list[int] = option("numbers", factory=list)
    shares: dict[str, float] = option("shares", factory=dict)


def value(name: str, text: str) -> Any:
    return getattr(parse(Options, [f"{name}={text}"]), name)


@given(TEXT)
def test_a_text_is_what_was_typed(text: str) -> None:
    assert value("text", text) == text
    assert value("maybe", text) == (None if text == "null" else text)


@given(st.integers())
def test_whole_numbers(number: int) -> None:
    assert [value("count", text) for text in (str(number), f"{number:_}", f" {number} ")] == [number] * 3


@given(st.floats(allow_nan=False))
def test_numbers(number: float) -> None:
    assert value("size", repr(number)) == number
    assert value("size", f"{number:.17e}") == number


def test_numbers_as_people_write_them() -> None:
    assert [value("size", text) for text in ("1e-3", "3", ".5", "-2.", "null")] == [0.001, 3.0, 0.5, -2.0, None]
    assert math.isnan(value("size", "nan"))
    assert type(value("size", "3")) is float


@pytest.mark.parametrize(("words", "truth"), [("true True yes on 1 y", True), ("false FALSE no off 0 n", False)])
def test_truths(words: str, truth: bool) -> None:
    assert all(value("flag", word) is truth and value("align", word) is truth for word in words.split())


@given(st.lists(PLAIN.filter(lambda name: name not in ("[", "]")), min_size=1, max_size=4))
def test_a_list_of_names_is_written_in_three_ways(names: list[str]) -> None:
    joined = " , ".join(names)
    assert value("names", f"[{joined}]") == names
    assert value("names", joined) == names
    quoted = ",".join(f"'{name}'" for name in names)
    assert value("names", f"[{quoted}]") == value("names", quoted) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[]", []),
        ("[ ]", []),
        ("train", ["train"]),
        ("'a,b',c", ["a,b", "c"]),
        ("""["it's", ' x ']""", ["it's", " x "]),
        ("it's,'tis", ["it's", "'tis"]),
        ("[data.train=[Area_1,Area_2],steps=5]", ["data.train=[Area_1,Area_2]", "steps=5"]),
        ("data.train=[Area_1,Area_2],steps=5", ["data.train=[Area_1,Area_2]", "steps=5"]),
        ("a{b,c}.ply,d(e,f)", ["a{b,c}.ply", "d(e,f)"]),
        ("a[b,c", ["a[b", "c"]),
        ("001,2024_01_15,null", ["001", "2024_01_15", "null"]),
    ],
)
def test_lists_of_texts(text: str, names: list[str]) -> None:
    assert value("names", text) == names


def test_lists_and_dicts_of_numbers() -> None:
    assert value("sizes", "[1, 2_000,-3]") == value("sizes", "1,2000,-3") == [1, 2000, -3]
    assert parse(Options, ["shares.a=1", "shares.b=1e-2"]).shares == {"a": 1.0, "b": 0.01}


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("count=1.5", "count=1.5: give a whole number"),
        ("count=1e3", "whole number"),
        ("count=", "whole number"),
        ("count=0x10", "whole number"),
        ("count=null", "whole number"),
        (f"count={'9' * 10_000}", "whole number"),
        ("size=big", "size=big: give a number or null"),
        ("size=1,5", "number"),
        ("flag=maybe", "flag=maybe: give true or false"),
        ("flag=2", "true or false"),
        ("align=", "true or false or null"),
        ("sizes=[1,x]", "sizes=x: give a whole number"),
        ("names=a,,b", "an element is empty"),
        ("names=[a,]", "an element is empty"),
        ("names=", "an element is empty"),
        ("shares.a=b", "shares.a=b: give a number"),
        ("shares=1", "not understood"),
        ("text.a=1", "not understood"),
        ("Text=a", "not understood"),
        ("--text=a", "not understood"),
        ("text", "name=value"),
    ],
)
def test_what_does_not_fit_is_refused(argument: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(Options, [argument])
    assert words in str(raised.value)


def test_of_an_option_given_twice_the_last_counts() -> None:
    found = parse(Options, ["text=a", "shares.a=1", "text=b", "shares.a=2"])
    assert (found.text, found.shares) == ("b", {"a": 2})


def test_help_shows_defaults_as_they_would_be_typed() -> None:
    text = usage(Options)
    assert "a text or none (default null)" in text
    assert "a choice (default false)" in text
    assert "names (default [])" in text
    for given_ in ([1, 2], True, False, 0.5, ["a", "b"]):
        name = {list: "names", bool: "flag", float: "size"}[type(given_)]
        found = value(name, show(given_))
        assert found == ([str(v) for v in given_] if isinstance(given_, list) else given_)


def hydra_value(argument: str, *flags: str) -> Any:
    """Return the value that Hydra gets from one override of tools/train.py."""
    *_, override = quote_texts([argument, *flags], Train, {"experiment", "data"})
    parser = OverridesParser.create()
    parsed = parser.parse_override(override)
    if not parsed.is_sweep_override():
        return parsed.value()
    return [parser.parse_override(f"key={job}").value() for job in parsed.sweep_string_iterator()]


def quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "'\""


@pytest.mark.parametrize("key", ["output", "data.root", "++labels.file", "data.classes", "wandb", "experiment", "data"])
@given(text=TEXT)
def test_hydra_takes_a_text_to_the_letter(key: str, text: str) -> None:
    if not (
        quoted(text) or text == "null" or (text.strip()[:1] == "[" and text.strip()[-1:] == "]") or text[:1] == "{"
    ):
        assert hydra_value(f"{key}={text}") == text


@given(st.lists(PLAIN.filter(lambda name: name not in ("[", "]")), min_size=1, max_size=4))
def test_hydra_takes_a_list_of_names_as_the_other_tools_do(names: list[str]) -> None:
    assert hydra_value(f"data.train=[{','.join(names)}]") == names
    assert hydra_value(f"data.train={', '.join(names)}") == names


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("output='a #b'", "a #b"),
        ('output="a #b"', "a #b"),
        ("labels.file=null", None),
        ("data.classes=[wall,floor 2]", ["wall", "floor 2"]),
        ("labels.file=${data.label_folder}/x #1.npz", "${data.label_folder}/x #1.npz"),
        ("data.train=${data.test}", "${data.test}"),
        ("data.train=[]", []),
        ("steps=5", 5),
        ("network.channels=[8,8]", [8, 8]),
        ("+network.norm=batch", "batch"),
        ("stages.cross.method.stride=2", 2),
        ("data={root: x}", {"root": "x"}),
        ("hydra.run.dir=x", "x"),
    ],
)
def test_what_is_hydras_stays(argument: str, found: Any) -> None:
    assert hydra_value(argument) == found


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("output=a #1,b #2", ["a #1", "b #2"]),
        ("output='a,b',c", ["a,b", "c"]),
        ("output=choice(a,b)", ["a", "b"]),
        ("output=a b", "a b"),
        ("seed=0,1", [0, 1]),
        ("data.train=[a,b 2],[c]", [["a", "b 2"], ["c"]]),
        ("data.train=a,b", [["a"], ["b"]]),
        ("experiment=x,y", ["x", "y"]),
    ],
)
@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_commas_sweep_under_multirun(argument: str, found: Any, flag: str) -> None:
    assert hydra_value(argument, flag) == found


def test_hydras_own_options_come_first() -> None:
    assert quote_texts(["seed=0", "--cfg", "job", "~wandb", "output=a", "-m"], Train, set()) == [
        "--cfg", "job", "-m", "seed=0", "~wandb", "output='a'",
    ]  # fmt: skip
