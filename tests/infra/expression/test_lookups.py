from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from domain.expression import ExpressionError, Limits, Scope, compile_template
from domain.expression.chance import ksuid
from domain.expression.errors import Fault, LimitFault
from infra.expression import JqPool, Place, RuntimeLookups
from tests.support.expressions import StubWorld

VARIABLES: Mapping[str, Any] = {
    "flow": {"id": "my_flow", "namespace": "a.b"},
    "execution": {"id": "e1"},
    "trigger": {"namespace": "x.y", "flowId": "source", "executionId": "s1"},
    "key": "I6EGNzRESu3X3pKZidrqCGOHQFUFC0yK",
}


@pytest.fixture
def world() -> Iterator[StubWorld]:
    pool = JqPool()
    yield StubWorld(pool)
    pool.close()


def render(world: StubWorld, template: str, **others: Any) -> str:
    place = Place.of(VARIABLES, **others)
    scope = Scope(VARIABLES, RuntimeLookups(world.ports(envs={"home": "h"}), place))
    return compile_template(template).render(scope)


def fails(world: StubWorld, template: str, reason: str, **others: Any) -> None:
    with pytest.raises(ExpressionError, match=re.escape(reason)):
        render(world, template, **others)


def test_a_secret_is_looked_for_in_the_namespace_and_those_above_it(world: StubWorld) -> None:
    world.secrets["a", "K"] = "above"
    world.secrets["z", "J"] = '{"user": "u"}'
    assert render(world, "{{ secret('K') }}") == "above"
    assert render(world, "{{ secret('J', namespace='z', subkey='user') }}") == "u"
    assert render(world, "{{ secret('K', full=true).value }}") == "above"
    fails(world, "{{ secret('NONE') }}", "Cannot find secret for key 'NONE'")
    fails(world, "{{ secret('J', namespace='z', subkey='none') }}", "sub-key")
    fails(world, "{{ secret('NONE') ?? 'x' }}", "Cannot find secret")


def test_a_key_is_looked_for_above_unless_a_namespace_is_named(world: StubWorld) -> None:
    world.entries["a", "k"] = {"n": 1}
    assert render(world, "{{ kv('k').n }}") == "1"
    fails(world, "{{ kv('k', 'a.b') }}", "does not exist in the namespace 'a.b'")
    assert render(world, "{{ kv('k', 'a.b', errorOnMissing=false) ?? 'none' }}") == "none"


def test_files_of_the_execution_and_of_the_one_that_started_it_can_be_read(
    world: StubWorld,
) -> None:
    own = "kestra:///a/b/my-flow/executions/e1/x.txt"
    source = "kestra:///x/y/source/executions/s1/y.txt"
    world.blobs |= {own: b"own", source: b""}
    assert render(world, f"{{{{ read('{own}') }}}}{{{{ fileSize('{own}') }}}}") == "own3"
    assert render(world, f"{{{{ isFileEmpty('{source}') }}}}") == "true"
    assert render(world, f"{{{{ fileExists('{own}2') }}}}") == "false"
    fails(world, f"{{{{ read('{own}2') }}}}", "does not exist")
    fails(world, "{{ read('kestra:///a/b/my-flow/executions/e2/x.txt') }}", "not a file of this")


def test_files_of_executions_in_the_same_namespace_can_be_read(world: StubWorld) -> None:
    """A parent reads what its Subflow hands out; tasks take such files, too."""
    child = "kestra:///a/b/child/executions/c1/x.txt"
    below = "kestra:///a/b/c/child/executions/c1/x.txt"
    above = "kestra:///a/child/executions/c1/x.txt"
    cache = "kestra:///a/b/child/_cache/t/cache.zip"
    called_so = "kestra:///a/b/c/executions/executions/c1/x.txt"
    world.blobs |= {child: b"done", below: b"", above: b"", cache: b"", called_so: b""}
    assert render(world, f"{{{{ read('{child}') }}}}") == "done"
    for other in (below, above, cache, called_so):
        fails(world, f"{{{{ read('{other}') }}}}", "not a file of this execution")


def test_namespace_files_are_found_by_path_and_by_uri(world: StubWorld) -> None:
    world.files["a.b", "/d/f.txt"] = "kestra:///a/b/_files/d/f.txt"
    world.files["o", "/f.txt"] = "kestra:///o/_files/f.txt"
    world.blobs |= {"kestra:///a/b/_files/d/f.txt": b"in", "kestra:///o/_files/f.txt": b"out"}
    for path in ("d/f.txt", "/d/f.txt", "nsfile:///d/f.txt", "kestra:///a/b/_files/d/f.txt"):
        assert render(world, f"{{{{ read('{path}') }}}}") == "in"
    for call in ("read('nsfile://o/f.txt')", "read('f.txt', 'o')", "read('f.txt', 'o', 1)"):
        assert render(world, f"{{{{ {call} }}}}") == "out"
    assert render(world, "{{ fileURI('none.txt') }}") == "kestra:///a/b/_files/none.txt"
    assert render(world, "{{ fileURI('d/f.txt') }}") == "kestra:///a/b/_files/d/f.txt"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../x", "Path must not contain '../'"),
        ("kestra:///a/b/../c", "Path must not contain '../'"),
        ("file:///etc/passwd", "is not authorized"),
        ("s3://bucket/key", "scheme is not supported"),
        ("", "A path or URI is expected"),
    ],
)
def test_other_files_are_refused(world: StubWorld, path: str, reason: str) -> None:
    for function in ("read", "fileSize", "fileExists", "isFileEmpty"):
        fails(world, f"{{{{ {function}('{path}') }}}}", reason)


def test_a_file_larger_than_the_output_may_be_is_refused(world: StubWorld) -> None:
    uri = "kestra:///a/b/my-flow/executions/e1/x.txt"
    world.blobs[uri] = b"x" * 11
    lookups = RuntimeLookups(world.ports(), Place.of(VARIABLES))
    scope = Scope(VARIABLES, lookups, Limits(output_characters=10))
    with pytest.raises(ExpressionError, match="too large"):
        compile_template(f"{{{{ read('{uri}') }}}}").render(scope)


def test_what_is_encrypted_is_decrypted_with_the_same_key_only(world: StubWorld) -> None:
    assert render(world, "{{ decrypt(key, encrypt(key, 'toto')) }}") == "toto"
    assert render(world, "{{ encrypt(key, '') }}{{ encrypt(key, null) }}") == ""
    fails(world, "{{ decrypt(key, 'AAAA') }}", "cannot be decrypted")
    fails(world, "{{ encrypt('short', 'x') }}", "The key must be")


def test_the_clock_gives_now(world: StubWorld) -> None:
    assert render(world, "{{ now() }}") == "2024-02-29T13:05:09.123456Z"
    assert render(world, "{{ now('HH:mm', timeZone='Asia/Tokyo') }}") == "22:05"
    fails(world, "{{ now(timeZone='No/Where') }}", "Unknown time-zone")


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("{{ uuid() }}", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("{{ id() }}", r"[0-9A-Za-z]{15,22}"),
        ("{{ ksuid() }}", r"[0-9A-Za-z]{27}"),
        ("{{ nanoId(5, 'ab') }}", r"[ab]{5}"),
        ("{{ randomInt(-3, -1) }}", r"-[23]"),
        ("{{ randomPort() }}", r"\d{4,5}"),
        ("{{ env('HOME') }}{{ env('none', 'd') }}", r"hd"),
    ],
)
def test_functions_of_chance_have_their_form(world: StubWorld, template: str, pattern: str) -> None:
    assert re.fullmatch(pattern, render(world, template))


def test_ksuids_sort_by_time(world: StubWorld) -> None:
    clock = world.ports().clock
    later = clock.now().replace(year=2032)
    assert ksuid(clock.now(), secrets.randbelow) < ksuid(later, secrets.randbelow)


def test_bad_arguments_of_chance_are_refused(world: StubWorld) -> None:
    fails(world, "{{ nanoId(length=1001) }}", "must be lower than: 1000")
    fails(world, "{{ nanoId(-1) }}", "zero or more")
    fails(world, "{{ randomInt(10, 1) }}", "upper is less than lower")
    fails(world, "{{ randomInt('a', 1) }}", "whole numbers")


def test_error_logs_and_subflows_are_there_only_where_they_can_be(world: StubWorld) -> None:
    logs = [{"message": "boom"}]
    assert render(world, "{{ errorLogs()[0].message }}", error_logs=lambda: logs) == "boom"
    fails(world, "{{ errorLogs() }}", "only be used inside a task")
    fails(
        world,
        "{{ subflow('n', 'f') }}",
        "can only be used at flow-input render time",
        subflow=lambda _arguments: {},
    )


def test_what_a_server_does_not_offer_fails_by_name(world: StubWorld) -> None:
    fails(world, "{{ credential('c') }}", "Function [credential] is not available")
    fails(world, "{{ http(method='GET') }}", "The 'http' function expects an argument 'uri'.")
    fails(world, "{{ http('ftp://x') }}", "http:// or https://")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("date='2026-12-25', country='FR'", "true"),
        ("date='2026-12-24', country='FR'", "false"),
        ("date='2026-01-06', country='DE', subDivision='DE-BY'", "true"),
        ("date='2026-01-06', country='DE', subDivision='DE-HH'", "false"),
        ("'2026-12-25T08:00:00Z', countryCode='FR'", "true"),
        ("'2026-12-25', 'FR', ''", "true"),
        ("'2026-12-25', 'FR', 'nowhere'", "true"),
    ],
)
def test_public_holidays_are_those_of_the_country_and_its_part(
    world: StubWorld, arguments: str, expected: str
) -> None:
    assert render(world, f"{{{{ isPublicHoliday({arguments}) }}}}") == expected


def test_a_public_holiday_is_asked_for_a_day_and_a_country(world: StubWorld) -> None:
    fails(world, "{{ isPublicHoliday() }}", "expects an argument 'date'")
    fails(world, "{{ isPublicHoliday('2026-01-01') }}", "expects an argument 'country'")


def test_a_country_nobody_knows_is_told(world: StubWorld) -> None:
    fails(world, "{{ isPublicHoliday(date='2026-01-01', country='XX') }}", "XX")


FILE = "kestra:///a/b/my-flow/executions/e1/values.ion"


def looking(world: StubWorld, content: str = "a\nb\n\nlonger\nd") -> RuntimeLookups:
    world.blobs[FILE] = content.encode()
    return RuntimeLookups(world.ports(), Place.of(VARIABLES))


def test_a_line_of_ion_is_its_value_as_text_and_any_other_line_itself(world: StubWorld) -> None:
    content = '"one two"\r\n{a:1,b:["x"]}\n\n[1, 2]\nplain text, {as} it is\n{broken\n3.0'
    lookups = looking(world, content)
    values = [
        "one two",
        '{"a":1,"b":["x"]}',
        "[1,2]",
        "plain text, {as} it is",
        "{broken",
        "3.0",
    ]
    assert lookups.lines(FILE, 0, 10, 1_000) == (values, len(content))
    assert lookups.line_count(FILE, 10, 1_000) == len(values)


def test_lines_are_read_in_parts_from_where_the_part_before_ended(world: StubWorld) -> None:
    lookups = looking(world)
    assert lookups.lines(FILE, 0, 2, 100) == (["a", "b"], 4)
    assert lookups.lines(FILE, 4, 1, 100) == (["longer"], 12)
    assert lookups.lines(FILE, 0, 9, 8) == (["a", "b"], 4)
    assert lookups.lines(FILE, 12, 9, 100) == (["d"], 13)
    with pytest.raises(Fault, match="no value at byte 13"):
        lookups.lines(FILE, 13, 9, 100)


def test_a_file_of_too_many_values_is_refused_with_what_to_do(world: StubWorld) -> None:
    lookups = looking(world)
    assert lookups.line_count(FILE, 4, 100) == 4
    with pytest.raises(LimitFault, match=r"has more than 3 values.*Split"):
        lookups.line_count(FILE, 3, 100)
    with pytest.raises(LimitFault, match="a line of more than 5 bytes"):
        lookups.line_count(FILE, 4, 5)


def test_lines_of_a_file_of_somebody_else_are_refused(world: StubWorld) -> None:
    other = "kestra:///z/f/executions/e9/values.ion"
    world.blobs[other] = b"a"
    with pytest.raises(Fault, match="not a file of this execution"):
        looking(world).line_count(other, 10, 100)
