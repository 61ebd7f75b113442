"""Messages are one line of limited length, without characters that control a terminal."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from pcseg.errors import HEAD, TAIL, InputError, cut


@given(text=st.text(st.characters()) | st.text("a\n\r\t\x1b\u2028\u202e\udcff", min_size=900))
def test_every_message_is_one_printable_line_of_bounded_length(text: str) -> None:
    message = str(InputError(text))
    assert len(message) <= HEAD + TAIL + 3
    assert message.isprintable()
    assert "\n" not in message


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ("file: a  b", "file: a  b"),
        ("größe.ply: label 7 – 点", "größe.ply: label 7 – 点"),
        ("a\nb\r\nc\td\n", "a b  c d"),
        ("x\x1b[31my\x00", "x\\x1b[31my\\x00"),
        ("sc\udce4n.ply", "sc\\udce4n.ply"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
    ],
)
def test_only_unprintable_characters_are_changed(given: str, reported: str) -> None:
    assert str(InputError(given)) == reported


def test_the_middle_of_a_long_message_is_left_out() -> None:
    message = str(InputError("scan.ply: " + "x" * 10**6 + "; write it again"))
    assert message.startswith("scan.ply: xxx")
    assert message.endswith("xxx; write it again")
    assert len(message) == HEAD + TAIL + 3
    assert cut("abcdef", 2, 1) == "ab...f"
    assert cut("abc", 2, 1) == "abc"


def test_an_error_goes_from_one_process_to_another() -> None:
    error = pickle.loads(pickle.dumps(InputError("a\nb" + "x" * 5000)))
    assert isinstance(error, InputError)
    assert str(error) == str(InputError("a\nb" + "x" * 5000))


class Broken(Dataset[int]):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        try:
            return int(np.zeros(3)[9])
        except IndexError as error:
            raise InputError("scene: " + "y" * 2000 + "\nlabel 9; fix it") from error


def test_an_error_of_a_data_loaders_worker_is_its_message_alone() -> None:
    with pytest.raises(InputError) as caught:
        list(DataLoader(Broken(), num_workers=1))
    assert str(caught.value) == str(InputError("scene: " + "y" * 2000 + "\nlabel 9; fix it"))
