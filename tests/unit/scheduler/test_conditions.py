# SPDX-License-Identifier: Apache-2.0
"""Conditions in policies: what they mean, and that whatever else is written there is refused at its very place."""

import pytest

from services.common.contracts.errors import Invalid
from services.scheduler.expressions.reading import MAX_LENGTH, Misread, read_condition
from services.scheduler.expressions.running import for_host
from services.scheduler.filters.expression import ExpressionFilter
from services.scheduler.policy_file import read_policy
from tests.support.placing import PLAIN, a_host, a_request

VM = a_request(vcpus=4, os="windows-11", labels={"tier": "prod"}, traits=("gpu",))
HOST = a_host(zone="a", traits=("ssd",), used_vcpus=8, cpu_percent=50.0)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("vm.vcpus <= host.vcpus / 2", True),
        ("1 < vm.vcpus < 4", False),
        ("vm.vcpus * 2 - 1 == 7 and abs(-vm.vcpus) == max(1, 4, 2)", True),
        ("starts(vm.os, 'windows') and 'win-dc' not in host.traits", True),
        ("vm.labels.tier == 'prod' or vm.labels.nothing == ''", True),
        ("vm.labels.nothing != ''", False),
        ("'gpu' in vm.traits and host.zone in ['a', 'b']", True),
        ("not (vm.zone == host.zone)", True),
        ("host.watts < 1 or host.watts >= 1 or host.watts == host.watts", False),  # not known
        ("host.watts != 5 and not min(host.watts, 1) <= 5", True),
        ("vm.vcpus / host.failures > 1 or vm.vcpus / host.failures <= 1", False),  # divided by 0
        ("(host.used_vcpus + vm.vcpus) / host.vcpus <= 0.75", True),
        ("True and vm.vcpus > 1", True),
    ],
)
def test_conditions_mean_what_they_say(text: str, holds: bool) -> None:
    assert for_host(read_condition(text))(VM, HOST) is holds


@pytest.mark.parametrize(
    ("text", "detail", "at"),
    [
        ("", "can't be read", 0),
        ("vm.vcpus >", "can't be read", None),
        ("vm.vcpus", "is a number, not a condition", 0),
        ("vm.vcpu > 1", "vm has no 'vcpu'", 0),
        ("1 < host.name", "host has no 'name'", 4),
        ("vm.os > 'a'", "'vm.os' is a text; a number is needed here", 0),
        ("vm.vcpus == '4'", "a number can't be compared with a text", 12),
        ("4 in vm.traits", "a number can't be in a list of texts", 5),
        ("vm.vcpus > 1 and vm.zone", "'vm.zone' is a text; true or false is needed here", 17),
        ("host.zone in host.traits", "can't be looked for in a host's list", 0),
        ("starts(host.zone, 'a')", "starts looks at texts of vm alone", 0),
        ("vm.vcpus ** 99 > 1", "this operator is not admitted", 0),
        ("__import__('os').system('true')", "is no function", 0),
        ("vm.__class__ == 'x'", "vm has no '__class__'", 0),
        ("open('/etc/passwd') == 'x'", "is no function with these arguments", 0),
        ("(lambda: True)()", "is no function", 0),
        ("[x for x in vm.traits] == 'x'", "is not admitted here", 0),
        ("vm.vcpus if True else False", "is not admitted here", 0),
        ("f'{vm.os}' == 'x'", "is not admitted here", 0),
        ("(a := 1) > 0", "is not admitted here", 1),
        ("vm.traits[0] == 'x'", "is not admitted here", 0),
        ("max(vm.vcpus) > 1", "is no function with these arguments", 0),
        ("min(1, 2, key=abs) > 1", "arguments have no names here", 0),
        ("vm.vcpus > 1e999", "is no number", 11),
        ("vm.vcpus > 1j", "is no number", 11),
        ("vm.os in ('a', 1)", "only texts or only numbers", 9),
        ("vm.os is 'a'", "this comparison is not admitted", 9),
        ("vm.vcpus > 1 # yes\nor vm.vcpus < 1", "has a comment within it", 13),
        ("not " * 60 + "vm.vcpus > 1", "nested deeper than", None),
        ("(" * 300 + "1" + ")" * 300 + " < 2", "can't be read", None),
        ("-" * 900 + "1 < 2", "nested deeper than", None),
        ("vm.vcpus > 1" + " " * MAX_LENGTH, "longer than", 0),
        ("'ä' == vm.oss", "vm has no 'oss'", 7),
    ],
)
def test_everything_else_is_refused_where_it_stands(text: str, detail: str, at: int | None) -> None:
    with pytest.raises(Misread) as raised:
        read_condition(text)
    assert detail in raised.value.detail
    assert at is None or raised.value.at == at


BASE = PLAIN.replace("WEIGHER", "spread").lstrip()


@pytest.mark.parametrize(
    ("entry", "position"),
    [
        ("  - {type: expr, name: x, require: vm.vcpus > vm.cpu}", "line 11, column 47"),
        ("  - {type: expr, name: x, require: \"'a' in vm.trait\"}", "line 11, column 44"),
        ("  - type: expr\n    name: x\n    require: |\n      vm.vcpus > 1\n      or vm.cpu > 2", "line 15, column 10"),
        ("  - type: expr\n    name: x\n    require: >-\n      vm.vcpus > 1\n      or vm.cpu > 2", "line 15, column 10"),
    ],
)
def test_a_mistake_is_told_at_its_line_and_column_in_the_policy(entry: str, position: str) -> None:
    with pytest.raises(Invalid) as raised:
        read_policy(BASE.replace("weighers:", entry + "\nweighers:"))
    assert [p.detail.split(":")[0] for p in raised.value.problems] == [position]
    assert raised.value.problems[0].pointer == "/filters/6/require"


@pytest.mark.parametrize(
    ("entry", "detail"),
    [
        ("{type: expr, name: x, require: 1 < 2}", "is always the same"),
        ("{type: expr, name: zone, require: vm.vcpus > 1}", "'zone' is another filter's name"),
        ("{type: expr, name: load, require: vm.vcpus > 1}", "'load' is another filter's name"),
        ("{type: expr, name: x, require: vm.vcpus > 1, unless: vm.vcpus > 2}", "unknown key 'unless'"),
        ("{type: expr, name: x}", "'require' is missing"),
    ],
)
def test_conditions_that_would_mislead_are_refused(entry: str, detail: str) -> None:
    with pytest.raises(Invalid, match=detail):
        read_policy(BASE.replace("weighers:", f"  - {entry}\nweighers:"))


def test_it_is_known_whether_claims_change_what_a_condition_says() -> None:
    def lasting(text: str) -> bool:
        return ExpressionFilter("x", text, read_condition("vm.vcpus > 1"), read_condition(text)).lasting

    assert lasting("'gpu' in host.traits and host.cpu_percent < 50")
    assert not lasting("host.vms < 10")
    assert not lasting("host.used_vcpus + vm.vcpus < host.vcpus")
