# SPDX-License-Identifier: Apache-2.0
"""The parts of a policy that are plain values: capacity, match, groups, and what to do without a host."""

from services.common.contracts.waking import WAYS
from services.scheduler.capacity import Amounts, Capacity, HostClass, Share
from services.scheduler.groups import MODES, RULES, SCOPES
from services.scheduler.matching import Match
from services.scheduler.policy import DAY_S, Group, OnNoHost, Power, TieBreak
from services.scheduler.policy_text import Section
from services.scheduler.units import DISK, DURATION, MEMORY

SUGGESTS = {
    "size": ("vcpus", "memory_mib", "disk_gib"),
    "zone": ("zone",),
    "hypervisor": ("hypervisor",),
    "host": ("host",),
    "traits": ("traits",),
}
_TIE_BREAKS = ("fewest_vms", "host_id")


def read_capacity(section: Section) -> tuple[Capacity, int]:
    """How much of the hosts vms may have, and how many hosts' loss they must survive."""
    more = section.flag("allow_memory_overcommit")
    share = _share(section, more)
    classes = []
    for entry in section.sections("classes"):
        trait = entry.text("trait")
        if not entry.has("trait"):
            entry.problem("", "'trait' is missing", "name the trait that the hosts of this class have")
        classes.append(HostClass(trait, _share(entry, more)))
        entry.finish()
    if len({c.trait for c in classes}) < len(classes):
        section.problem("classes", "a trait is listed twice: the second would never hold", "keep one of them")
    headroom = section.section("headroom")
    hosts = headroom.whole("hosts", 0, 0, 100)
    headroom.finish()
    section.finish()
    return Capacity(share.cpu, share.memory, share.disk, share.reserve, tuple(classes)), hosts


def _share(section: Section, allow_memory_overcommit: bool) -> Share:
    over, reserve = section.section("overcommit"), section.section("reserve")
    cpu, memory, disk = (over.number(key, 1.0, 0.1, 64) for key in ("cpu", "memory", "disk"))
    kept = Amounts(
        reserve.whole("cpu", 0, 0, 4096),
        int(reserve.measure("memory", 0, MEMORY, 2**30)),
        int(reserve.measure("disk", 0, DISK, 2**30)),
    )
    if not allow_memory_overcommit and memory > 1:
        over.problem("memory", "promises more memory than there is", "use 1.0, or set allow_memory_overcommit: true")
    over.finish()
    reserve.finish()
    return Share(cpu, memory, disk, kept)


def read_match(section: Section) -> Match:
    """For whom the policy is."""
    projects = section.words("projects", ())
    labels = section.section("labels")
    found = {label: labels.words(label, ()) for label in labels.names()}
    section.finish()
    return Match(projects, found)


def read_groups(root: Section) -> tuple[Group, ...]:
    """Where vms with the same label shall be to each other."""
    found: list[Group] = []
    for entry in root.sections("groups"):
        selector = entry.section("selector")
        label = selector.text("label")
        if not label:
            entry.problem("selector", "no label is named", "write selector: {label: app}")
        selector.finish()
        if not entry.has("rule"):
            entry.problem("", "'rule' is missing", f"use one of: {', '.join(RULES)}")
        rule, scope = entry.text("rule", RULES[0], RULES), entry.text("scope", "host", SCOPES)
        mode = entry.text("mode", "hard", MODES)
        multiplier = entry.number("multiplier", 1.0, 0.001, 100)
        if mode == "hard" and entry.has("multiplier"):
            entry.problem("multiplier", "a hard rule has no weight", "remove it, or write mode: soft")
        entry.finish()
        group = Group(label, rule, scope, mode, multiplier)
        other = next((g for g in found if (g.label, g.scope) == (label, scope) and _clash(g, group)), None)
        if other is not None:
            entry.problem("", f"stands against {other.name}, which is listed before it", "keep one of them")
        found.append(group)
    return tuple(found)


def _clash(one: Group, other: Group) -> bool:
    return one.rule == other.rule or "affinity" in (one.rule, other.rule)


def read_tie_break(root: Section) -> TieBreak:
    """Who wins among equals, and whether the request's own seed chooses among the best."""
    if root.is_list("tie_break"):
        return TieBreak(_order(root, "tie_break"))
    section = root.section("tie_break")
    order = _order(section, "order")
    random = section.section("random")
    random.text("seed", "request_id", ("request_id",))
    top = random.whole("among_top", 3, 2, 100) if section.has("random") else 1
    random.finish()
    section.finish()
    return TieBreak(order, top)


def _order(section: Section, key: str) -> tuple[str, ...]:
    order = section.words(key, _TIE_BREAKS, _TIE_BREAKS)
    if order not in (_TIE_BREAKS, _TIE_BREAKS[1:]):
        section.problem(key, "the order must end at what no two hosts share", f"write [{', '.join(_TIE_BREAKS)}]")
    return order


def read_on_no_host(section: Section) -> OnNoHost:
    """What becomes of a vm that no host can take."""
    retry = section.section("retry")
    after = retry.text("after", "", ("capacity_change",))
    deadline = retry.measure("deadline", 600, DURATION, 7 * DAY_S)
    retry.finish()
    words = section.words("suggest", (), SUGGESTS)
    section.text("preempt", "never", ("never",))
    section.finish()
    fields = tuple(field for word in words for field in SUGGESTS.get(word, ()))
    return OnNoHost(after, deadline if after else 0.0, fields)


def read_power(section: Section) -> Power:
    """When hosts may sleep, how they are woken, and how many vms may be moved so that more of them can."""
    idle = section.measure("sleep_after_idle", 0, DURATION, 30 * DAY_S)
    awake = section.section("min_awake")
    hosts, free_cpu = awake.whole("hosts", 0, 0, 100_000), awake.whole("free_cpu", 0, 0, 10_000_000)
    awake.finish()
    wake_by = section.words("wake_by", (), WAYS)
    if idle and not wake_by:
        section.problem("sleep_after_idle", "hosts would sleep and never be woken", "add wake_by: [wol]")
    consolidate = section.section("consolidate")
    moves = consolidate.whole("moves_per_hour", 0, 1, 100_000)
    consolidate.finish()
    section.finish()
    return Power(idle, hosts, free_cpu, wake_by, moves)


def read_explain(section: Section) -> tuple[int, float]:
    """How many candidates and misses are kept, and for how long (seconds)."""
    top = section.whole("top", 5, 1, 50)
    keep = section.measure("keep", 30 * DAY_S, DURATION, 3650 * DAY_S)
    section.finish()
    return top, keep
