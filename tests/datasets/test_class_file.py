"""classes.yaml: names and numbers read as typed, and every wrong or damaged file refused in one line."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.datasets.class_file import ClassFile, open_classes, read_class_file
from pcseg.datasets.yaml_file import MOST_YAML
from pcseg.errors import InputError
from tests.datasets.class_files import NAMES, class_files, refused, written


def test_names_that_look_like_powers_are_names(tmp_path: Path) -> None:
    found = read_class_file(written(tmp_path, "names: [0E0, 1e3, 2.5e2, 5d]\nlabel: 1e1\nscale: 2.5e-1\n"))
    assert found.names == ("0E0", "1e3", "2.5e2", "5d")
    assert found.label == "1e1"
    assert found.scale == 0.25


@given(meant=class_files(), flow=st.booleans(), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@settings(max_examples=150, deadline=None)
def test_a_written_class_file_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, meant: ClassFile, flow: bool, encoding: str
) -> None:
    lists: dict[str, Any] = {"names": list(meant.names), "ids": dict(meant.ids), "ignore": list(meant.ignore)}
    lists |= {"columns": list(meant.columns), "scale": meant.scale, "label": meant.label, "instance": meant.instance}
    if meant.colors:
        lists["colors"] = [list(color) for color in meant.colors]
    text = yaml.safe_dump(lists, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    path = written(tmp_path_factory.getbasetemp(), text.encode(encoding))
    found = read_class_file(path)
    assert found == ClassFile(**{**vars(meant), "colors": found.colors if not meant.colors else meant.colors})
    assert found.classes == meant.classes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("names: [no, yes, on, 2024-01-15, 0x10, true]", ("no", "yes", "on", "2024-01-15", "0x10", "true")),
        ("names: ground, tree,water body", ("ground", "tree", "water body")),
        ("names: ['1', \"2\"]", ("1", "2")),
        ("names:\n- a\n- b c\n", ("a", "b c")),
        ("\ufeffnames: [größe, 点]\r\n", ("größe", "点")),
    ],
)
def test_names_are_taken_as_typed(tmp_path: Path, text: str, value: tuple[str, ...]) -> None:
    assert read_class_file(written(tmp_path, text)).names == value


def test_numbers_are_decimal(tmp_path: Path) -> None:
    meaning = read_class_file(
        written(tmp_path, NAMES + "ids: {010: ground, 9: tree}\nignore: [011, +7]\nscale: 1e-3\n")
    )
    assert (meaning.ids, meaning.ignore, meaning.scale) == ({10: "ground", 9: "tree"}, (11, 7), 0.001)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [1, 2]", "names: [1, 2] should be a list of names"),
        ("names: [a, null]", "should be a list of names"),
        ("names: {a: 1}", "should be a list of names"),
        ("names: a,,b", "classes: '' is no name"),
        ('names: ["a\\nb"]', r"classes: 'a\nb' is no name"),
        ("names: [' ']", "classes: ' ' is no name"),
        ('names: ["\\e[2J"]', r"is no name"),
        (NAMES + "label: [a]", "label: ['a'] should be a name"),
        (NAMES + "label: 5", "label: 5 should be a name"),
        (NAMES + "label:", "label: None should be a name"),
        (NAMES + "instance: {a: b}", "instance: {'a': 'b'} should be a name"),
        (NAMES + "scale: .inf", "scale: inf should be"),
        (NAMES + "scale: .nan", "scale: nan must be positive"),
        (NAMES + "scale: 1e999", "scale: inf should be"),
        (NAMES + "scale: " + "9" * 400, "scale: 99"),
        (NAMES + "scale: " + "9" * 5000, "not a readable YAML"),
        (NAMES + "scale: -1", "scale: -1 must be positive"),
        (NAMES + "scale: 1e-30", "scale: 1e-30 must be positive"),
        (NAMES + "scale: true", "scale: 'true' should be a number"),
        (NAMES + "scale: abc", "scale: 'abc' should be a number"),
        (NAMES + "scale: [1]", "scale: [1] should be a number"),
        (NAMES + "ids: {true: ground}", "ids: {'true': 'ground'} should be a table of number: name"),
        (NAMES + "ids: {!!bool true: ground}", "ids: {True: 'ground'} should be a table of number: name"),
        (NAMES + "ids: {1.5: ground}", "should be a table of number: name"),
        (NAMES + "ids: {1: 2}", "should be a table of number: name"),
        (NAMES + "ids: {1: [ground]}", "should be a table of number: name"),
        (NAMES + "ids: {[1, 2]: ground}", "not a readable YAML"),
        (NAMES + "ids: {-1: ground}", "-1 always means unlabeled"),
        (NAMES + "ids: {9007199254740992: ground}", "9007199254740992 is too large"),
        (NAMES + "ids: {2: ground}\nignore: [2]", "2 means ground, but it is under ignore, too"),
        (NAMES + "ignore: [1]", "1 means tree, but it is under ignore, too"),
        (NAMES + "ignore: [.inf]", "should be a list of whole numbers"),
        (NAMES + "ignore: [2.5]", "should be a list of whole numbers"),
        (NAMES + "ids: {2: ground, 2: tree}", "line 2: the key 2 is there twice"),
        (NAMES + "ids:\n  2: ground\n  5: tree\n  02: tree\n", "line 5: the key 2 is there twice"),
        (NAMES + "label: a\nlabel: b\n", "line 3: the key label is there twice"),
        (NAMES + "colors: [[.inf, 0, 0], [0, 0, 0], [0, 0, 0]]", "from 0 to 255"),
        (NAMES + "colors: [[1.5, 0, 0], [0, 0, 0], [0, 0, 0]]", "from 0 to 255"),
        (NAMES + "colors: [[true, 0, 0], [0, 0, 0], [0, 0, 0]]", "from 0 to 255"),
        (NAMES + "colors: [[1, 2], [0, 0, 0], [0, 0, 0]]", "from 0 to 255"),
        (NAMES + "colors: [-1, 0, 0]", "from 0 to 255"),
        (NAMES + "colors: {a: 1}", "from 0 to 255"),
        (NAMES + "columns: [x, y, 3]", "columns: ['x', 'y', 3] should be a list of names"),
        (NAMES + "\tlabel: a", "not a readable YAML file (line 2"),
        (NAMES + "x" * 500 + ": 1", "unknown key"),
        ("names: &a [x]\nignore: *a", "line 2: aliases (*name) are not read"),
        ("names: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("names: !!binary x", "not a readable YAML"),
        ("names: !!timestamp x", "not a readable YAML"),
        ("names: !!map [a]", "not a readable YAML"),
        (NAMES + "---\n" + NAMES, "line 2: but found another document"),
        ("names: [\x00]", "not a readable YAML"),
        ("7", "(no keys): unknown key"),
        ("names: [a]\n? [b]\n: c", "not a readable YAML"),
    ],
)
def test_errors_name_the_wrong_value(tmp_path: Path, text: str, message: str) -> None:
    assert message in refused(written(tmp_path, text))


@pytest.mark.parametrize("levels", [5, 7, 9])
def test_an_alias_bomb_is_not_unpacked(tmp_path: Path, levels: int) -> None:
    parts = [f"- &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(levels)]
    assert "aliases" in refused(written(tmp_path, "names:\n- &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(parts)))


@pytest.mark.parametrize("text", ["[" * 21 + "]" * 21, "[" * 60_000, "{a: " * 3000, "- " * 5000, "? " * 5000])
def test_deep_files_are_refused(tmp_path: Path, text: str) -> None:
    assert "too many lists within lists" in refused(written(tmp_path, "names:\n  " + text))


def test_large_files_and_other_encodings_are_refused(tmp_path: Path) -> None:
    assert f"more than {MOST_YAML:,} bytes" in refused(written(tmp_path, "names: [" + "a, " * 50_000 + "b]"))
    assert "is not UTF-8" in refused(written(tmp_path, "names: [Straße]".encode("latin-1")))
    refused(written(tmp_path, bytes(1000)))
    with pytest.raises(InputError, match="cannot be read"):
        read_class_file(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        open_classes("x" * 5000)


SEED = """# a comment
names: [ground, "tree", 'house wall']
colors: [[1, 2, 3], [4, 5, 6], [7, 8, 255]]
label: classification
instance: tree_id
ids: {2: ground, 5: tree, 6: house wall}
ignore: [0, 1]
columns:
- x
- y
scale: 0.001
"""


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    draw = random.Random(5)
    pieces = [
        b"[",
        b"{",
        b"&a",
        b"*a",
        b"!!",
        b"\t",
        b"\x00",
        b"\xff",
        b": ",
        b"- ",
        b"'",
        b'"',
        b"9" * 30,
        b"? ",
        b"<<: ",
    ]
    pieces += [b"!!set", b"!!omap", b"!!pairs", b"!!int", b"!!float", b"!!null", b"|\n", b">\n", b"---\n", b"%YAML 9\n"]
    for _ in range(400):
        raw = bytearray(SEED.encode())
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(raw))
            kind = draw.randrange(4)
            if kind == 0:
                raw[at] ^= 1 << draw.randrange(8)
            elif kind == 1:
                del raw[at : at + draw.randint(1, 40)]
            elif kind == 2:
                raw[at:at] = draw.choice(pieces) * draw.choice([1, 1, 3, 50])
            else:
                raw[at:at] = raw[draw.randrange(len(raw)) :][: draw.randint(1, 40)]
        path = written(tmp_path, bytes(raw))
        try:
            read_class_file(path)
        except InputError:
            refused(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label: kind\n", "names: missing"),
        (NAMES + "palette: []\n", "palette: unknown key"),
        ("names: ground\n", "list of names"),
        ("names: [1, 2]\n", "list of names"),
        ("names: []\n", "empty"),
        ("names: [a, a]\n", "listed twice"),
        (NAMES + "ids: {2: grund}\n", "'grund' is not one of: ground, tree, house"),
        (NAMES + "ids: [ground]\n", "table of number: name"),
        (NAMES + "ids: {'2': ground}\n", "table of number: name"),
        (NAMES + "ignore: 0\n", "list of whole numbers"),
        (NAMES + "colors: [[1, 2, 3]]\n", "3 names but 1 colors"),
        (NAMES + "colors: [[1, 2, 300], [0, 0, 0], [0, 0, 0]]\n", "from 0 to 255"),
        (NAMES + "scale: big\n", "big"),
        (NAMES + "scale: 0\n", "must be positive"),
        ("names: [ground\n", "not a readable YAML"),
        ("", "no keys"),
    ],
)
def test_wrong_keys_and_values_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "classes.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_class_file(tmp_path / "classes.yaml")
    assert str(tmp_path / "classes.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_bare_list_of_names_is_a_class_file(tmp_path: Path) -> None:
    (tmp_path / "classes.yaml").write_text("- ground\n- tree\n")
    assert read_class_file(tmp_path / "classes.yaml") == ClassFile(("ground", "tree"))
