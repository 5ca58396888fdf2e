from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.yaml.builder import YamlLimits
from domain.yaml.mistakes import YamlError
from domain.yaml.reader import read_yaml, split_documents

GOLDEN = Path(__file__).parents[3] / ".." / "shared" / "golden" / "yaml-scalars.jsonl"

RESOLVED_HERE = {
    "a: &x 1\nv: *x": {"a": 1, "v": 1},
    "a: &x {b: 1}\nv:\n  <<: *x\n  c: 2": {"a": {"b": 1}, "v": {"c": 2, "b": 1}},
}
"""Differences on purpose: aliases and merge keys mean what YAML says, not the anchor's name."""


def _lines() -> list[Any]:
    return [json.loads(line) for line in GOLDEN.read_text().splitlines()]


@pytest.mark.parametrize("line", _lines(), ids=lambda line: line["yaml"][:40])
def test_every_observed_document_reads_as_it_was_observed(line: dict[str, Any]) -> None:
    text = line["yaml"]
    if "error" in line:
        with pytest.raises(YamlError):
            read_yaml(text)
        return
    value = read_yaml(text).value
    if line.get("javaType") == "byte[]":
        assert value == {"v": b"hi"}
        return
    expected = RESOLVED_HERE.get(text, line["value"])
    assert value == expected
    assert json.dumps(value) == json.dumps(expected)


def test_positions_of_keys_and_values_are_kept() -> None:
    document = read_yaml("id: a\ntasks:\n  - id: x\n    message: hi\n")
    spot = document.spot.at(("tasks", 0, "message"))
    assert (spot.line, spot.column) == (4, 14)
    assert (spot.key_line, spot.key_column) == (4, 5)


def test_a_repeated_key_is_refused_with_its_place() -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml("id: a\nid: b\n")
    assert caught.value.message == (
        "YAML parsing error: Duplicate field 'id'\n"
        " at [Source: (StringReader); line: 2, column: 3] (at line 2)"
    )
    assert (caught.value.line, caught.value.column) == (2, 1)


def test_a_syntax_error_reads_as_clients_know_it() -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml("id: a\n  namespace: [b\n")
    assert caught.value.message == (
        "YAML parsing error: mapping values are not allowed here\n"
        " in 'reader', line 2, column 12:\n      namespace: [b\n               ^\n\n"
        " at [Source: (StringReader); line: 2, column: 12] (at line 2)"
    )


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(YamlError, match="No content to map due to end-of-input"):
        read_yaml("")


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for previous, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{previous}'] * 10)}]")
    with pytest.raises(YamlError, match="too many values"):
        read_yaml("\n".join(lines))


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    with pytest.raises(YamlError, match="inside what it names"):
        read_yaml("a: &a [*a]")


def test_depth_is_limited() -> None:
    with pytest.raises(YamlError, match="nested deeper"):
        read_yaml("[" * 5_000)


def test_size_is_limited() -> None:
    with pytest.raises(YamlError, match="characters"):
        read_yaml("a" * 11, YamlLimits(characters=10))


def test_keys_written_out_win_over_merged_ones() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\n"
    assert read_yaml(text).value["z"] == {"a": 0, "b": 1, "c": 2}


def test_documents_are_split_at_lines_of_dashes() -> None:
    assert split_documents("a: 1\n---\nb: 2\n") == ["a: 1", "b: 2\n"]
    assert split_documents("---\na: 1\n") == ["a: 1\n"]
    assert split_documents("a: x---y") == ["a: x---y"]


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:{}[]-&*!|>'\"#%@`,?~ \n\t01.<"), max_size=80))
def test_no_text_does_anything_but_read_or_be_refused(text: str) -> None:
    with contextlib.suppress(YamlError):
        read_yaml(text)


def test_characters_that_json_writes_in_two_halves_are_joined() -> None:
    assert read_yaml('{"a": "\\ud83d\\ude80!"}').value == {"a": "\U0001f680!"}
    with pytest.raises(YamlError):
        read_yaml('{"a": "\\ud83d"}')


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("a: 1\nb: \x07", 2, 4), ("a: x\x00", 1, 5), ("a:\n  - \ud83d", 2, 5), ("a: \x7f", 1, 4)],
)
def test_a_character_that_yaml_does_not_take_is_told_with_its_place(
    text: str, line: int, column: int
) -> None:
    with pytest.raises(YamlError, match=r"unacceptable character U\+") as caught:
        read_yaml(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a: */5 * * * *", "Put the value in quotes."),
        ("a: @daily", "Put the value in quotes."),
        ("a:\n\tb: 1", "Indent with blanks, not with tabs."),
        ("a: {{ x }}", 'Put quotes around an expression: "{{ ... }}".'),
    ],
)
def test_a_usual_mistake_is_told_with_what_mends_it(text: str, remedy: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert caught.value.remedy == remedy


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("\ufeffid: a", ("id",), (1, 5)),
        ("id: a\r\ntasks:\r\n  - id: x\r\n", ("tasks", 0, "id"), (3, 9)),
        ("a: \U0001f600\nb: {c: \U0001f600, d: 1}\n", ("b", "d"), (2, 14)),
        ("x: &a {k: 1}\ny:\n  <<: *a\n  z: 2\n", ("y", "k"), (1, 11)),
        ("x: &a {k: 1}\nl: [*a, *a]\n", ("l", 1), (2, 9)),
        (f"a: '{'x' * 100_000}'\nb: 1", ("b",), (2, 4)),
    ],
)
def test_places_count_letters_whatever_the_text_is_made_of(
    text: str, path: tuple[str | int, ...], place: tuple[int, int]
) -> None:
    spot = read_yaml(text).spot.at(path)
    assert (spot.line, spot.column) == place
