from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from domain.expression import ExpressionError, Scope, compile_template

VARIABLES: dict[str, Any] = {
    "list": [3, 1, 2],
    "maps": [{"a": 1}, {"a": 1.0}, {"a": 2}],
    "date": "2024-02-29T13:05:09Z",
    "day": date(2024, 2, 29),
    "lines": "a\nb",
    "decimal": Decimal("2.50"),
    "moment": datetime(2024, 2, 29, 13, tzinfo=UTC),
}


def render(text: str) -> str:
    return compile_template("{{ " + text + " }}").render(Scope(VARIABLES))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("'12.3' | number | className", "java.lang.Float"),
        ("'0.123456789012' | number | className", "java.lang.Double"),
        ("'12345678.9' | number", "1.23456789E7"),
        ("'0x1F' | number", "31"),
        ("'010' | number", "8"),
        ("'5L' | number", "5"),
        ("'99999999999999999999' | number | className", "java.math.BigInteger"),
        ("('0.1' | number) + ('0.2' | number)", "0.3"),
        ("'1.10' | number('BIGDECIMAL')", "1.10"),
        ("'7' | number('INT') | className", "java.lang.Integer"),
        ("'%s-%05d-%.2f-%x' | format('a', 42, 1.005, 255)", "a-00042-1.00-ff"),
        ("'%2$s %1$s %% %n' | format('a', 'b')", "b a % \n"),
        (
            "'%-5s|%5s|%,d|%+d|%b|%S' | format('a', 'b', 1234567, 5, null, 'x')",
            "a    |    b|1,234,567|+5|false|X",
        ),
        ("2.5 | numberFormat('0')", "2"),
        ("3.5 | numberFormat('0')", "4"),
        ("1234.5 | numberFormat('#,##0.00', locale='de')", "1.234,50"),
        ("decimal | numberFormat", "2.5"),
        ("99.995 | numberFormat('0.00')", "100.00"),
        ("1234567 | numberFormat('##0.##E0')", "1.2346E6"),
        ("0.07 | numberFormat('0%')", "7%"),
        ("-5 | numberFormat('0;(0)')", "(5)"),
        ("0.5 | numberFormat('#.00')", ".50"),
        ("1234.5 | numberFormat('$#,##0.00')", "$1,234.50"),
        ("1234567.5 | numberFormat('')", "1,234,567.5"),
        ("'%#x %#o %g %5d|' | format(255, 8, 1234.5678, null)", "0xff 010 1234.57  null|"),
        ("maps | distinct | length", "3"),
        ("['1', 1, 1.0, true] | distinct", '["1",1,true]'),
        ("[true, false] | sort", "[false,true]"),
        ("[2.5, 1, 3] | rsort", "[3,2.5,1]"),
        ("[1, 2] | reverse", "[2,1]"),
        ("{'a': 1, 'b': null} | values", "[1,null]"),
        ("list | keys", "[0,1,2]"),
        ("{'a': {'b': 1}} | merge({'a': 2})", '{"a":2}'),
        ("[] | first ?? 'none'", "none"),
        ("null | length", "0"),
        ("'a-b-c' | substringBeforeLast('-') ~ 'a-b' | substringAfter('-')", "ba-b"),
        ("'Héllo Wörld_x!' | slugify", "hello-world-x"),
        ('"it\'s" | sh', "'it'\\''s'"),
        ("'a1b2' | regexExtract('([a-z])([0-9])', 2)", "1"),
        ("'a1b2' | regexExtract('z') ?? 'none'", "none"),
        ("'a1b2' | regexMatch('[0-9]')", "true"),
        ("null | regexMatch('.*')", "false"),
        ("'a1b2' | regexReplace('([0-9])', '<$1>')", "a<1>b<2>"),
        ("'john smith' | regexReplace('(?<f>\\w+) (?<l>\\w+)', '${l} ${f}')", "smith john"),
        ("'a' | sha512 | length", "128"),
        ("'a' | base64encode | base64decode", "a"),
        ("lines | indent(2)", "a\n  b"),
        ("{'a': [1, null], 'b': null} | toJson", '{"a":[1,null]}'),
        ("{'a b': 1, 'c': 'x', 'd': 1.5, 'e': null} | toIon", "{'a b':1,c:\"x\",d:1.5e0,e:null}"),
        ("{'a': 'x', 'b': [1, 'true']} | yaml", 'a: x\nb:\n - 1\n - "true"\n'),
        (
            "{'a': {'b': {'c': [1, [2]]}}} | yaml",
            "a:\n  b:\n    c:\n     - 1\n     -\n       - 2\n",
        ),
        ("[{'a': 1, 'b': null}] | yaml", " -\n  a: 1\n  b: null\n"),
        ("{'k': lines} | yaml", "k: |-\n  a\n  b\n"),
        ("{'a b': ' x', 'y': 'a: b', '1': '1'} | yaml", 'a b: \' x\'\n"y": "a: b"\n"1": 1\n'),
        ("lines | yaml", "|-\n  a\n  b\n"),
        ("null | toJson ~ ''", "null"),
        ("day | date('iso_local_date_time')", "2024-02-29T12:00:00"),
        ("date | date('HH:mm', timeZone='Asia/Tokyo')", "22:05"),
        ("date | dateAdd(-1, 'HOURS', 'iso_sec')", "2024-02-29T12:05:09Z"),
        ("date | dateAdd('2', 'HOURS', 'HH') ~ (date | dateAdd(1.9, 'HOURS', 'HH'))", "1514"),
        ("'2024-02-29T13:05:09+02' | date", "2024-02-29T11:05:09.000000Z"),
        ("moment | timestamp", "1709211600"),
        ("moment", "2024-02-29T13:00:00Z"),
        ("moment.plusDays(1).dayOfMonth", "1"),
        ("moment.isBefore(moment)", "false"),
        ("decimal + 1", "3.5"),
        ("decimal.intValue()", "2"),
        ("'abc'.substring(1, 2) ~ list.get(0)", "b3"),
        ("'a😀' | length", "3"),
    ],
)
def test_a_filter_gives_its_value(text: str, result: str) -> None:
    assert render(text) == result


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 | nope", "Filter [nope] does not exist."),
        ("1 is nope", "Test [nope] does not exist."),
        ("'a' | abbreviate", "The 'abbreviate' filter expects an argument 'length'."),
        ("'a' | abbreviate(wrong=1)", "named argument does not exist: wrong"),
        ("'a' | number", 'For input string: "a"'),
        ("'99999999999' | number('INT')", "For input string"),
        ("1 | number", "'number' filter can only be applied to String"),
        ("'%d' | format('a')", "d != java.lang.String"),
        ("'%s' | format", "Format specifier '%s'"),
        ("'%q' | format(1)", "UnknownFormatConversionException: Conversion = 'q'"),
        ("'a' | join", "expects that the input is a list"),
        ("[1, 'a'] | sort", "different types"),
        ("'a' | date", "could not be parsed"),
        ("date | date('QQQQQQ')", "Too many pattern letters: Q"),
        ("date | date(timeZone='EST')", "Unknown time-zone ID: EST"),
        ("date | dateAdd(1, 'days')", "No enum constant"),
        ("date | dateAdd('x', 'DAYS')", "a number as argument 'amount'"),
        ("'a' | split('(')", "Invalid regular expression"),
        ("'a' | regexExtract('a', 3)", "No group 3"),
        ("'a' | regexReplace('a', '$9')", "No group 9"),
        ("'%zz' | urldecode", "Illegal hex characters"),
        ("'*' | base64decode", "correctly Base64 encoded"),
        ("list | chunk(0)", "above zero"),
        ("list | slice(2, 1)", "toIndex must be greater"),
        ("1 | flatten", "'flatten' filter can only be applied to List"),
        ("'a' | escapeChar('html')", "either 'single', 'double', or 'shell'"),
        ("'a' | indent(-1)", "at least zero"),
        ("null | startsWith('a')", "cannot be applied to null"),
        ("1 | jq", "expects an argument 'expression'"),
        ("1 | numberFormat(5)", "expects a short text"),
        ("1 | numberFormat('0.0.0')", "Multiple decimal separators in pattern"),
        ("1 | numberFormat('0#')", "Malformed pattern"),
        ("1 | numberFormat('0 x 0')", "Unquoted special character '0'"),
        ("1 | numberFormat('0,.0')", "Malformed pattern"),
        ("1 | numberFormat('0E')", "Malformed exponential pattern"),
        ("'%-d' | format(1)", "MissingFormatWidthException: %-d"),
    ],
)
def test_a_filter_says_what_it_cannot_take(text: str, reason: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(text)
    assert reason in str(caught.value)
