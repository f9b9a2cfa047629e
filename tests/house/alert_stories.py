# SPDX-License-Identifier: Apache-2.0
"""For each alert a course of things in which it fires, and one, as like it as can be, in which it must not.

Values are in promtool's notation, a sample a minute: `0+3x60` rises by 3 for an hour, `5x60` stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Series = Mapping[str, str]


@dataclass(frozen=True)
class Story:
    """What Prometheus sees, and after how many minutes the alert must be firing, or must not."""

    fires: Series
    quiet: Series
    after: int = 60


def _requests(good: str, bad: str) -> Series:
    """Beside them what asks whether the api is there, and is told that it isn't ready: that is nobody's error."""
    name = "innkeeper_api_request_seconds_count"
    users = {f'{name}{{route="/v1/vms",status="{status}"}}': told for status, told in (("200", good), ("500", bad))}
    return {**users, f'{name}{{route="/readyz",status="503"}}': "0+50x420", f'{name}{{route="/healthz"}}': "0+900x420"}


def _reads(within: str, every: str, method: str = "GET") -> Series:
    name = "innkeeper_api_request_seconds"
    return {
        f'{name}_bucket{{method="{method}",le="1.0"}}': within,
        f'{name}_count{{method="{method}"}}': every,
    }


def _counts(name: str, bad: str, **values: str) -> Series:
    return {f'{name}{{{bad}="{outcome}"}}': course for outcome, course in values.items()}


def _ended(failed: str, succeeded: str, name: str = "innkeeper_job_seconds_count") -> Series:
    return _counts(name, "outcome", failed=failed, succeeded=succeeded)


def _parts(**up: str) -> Series:
    return {f'innkeeper_part_up{{part="{part}",instance="{part[:1]}"}}': course for part, course in up.items()}


_OLD, _NEW = str(400 * 86400), str(30 * 86400)
_QUEUE = 'innkeeper_queue_age_seconds_bucket{queue="worker",le="%s"}'
_FREE, _SIZE = 'innkeeper_image_store_bytes{what="free"}', 'innkeeper_image_store_bytes{what="size"}'

STORIES: Mapping[str, Story] = {
    # 3 % of the requests of the last hour; a burst that is over for ten minutes
    "ApiErrorsFast": Story(_requests("0+97x70", "0+3x70"), _requests("0+97x70", "0+3x55 165x15")),
    "ApiErrorsSlow": Story(_requests("0+99x420", "0+1x420"), _requests("0+999x420", "0+1x420"), 400),
    "ApiSlow": Story(_reads("0+70x70", "0+100x70"), _reads("0+70x70", "0+100x70", "POST")),
    "SignInsRefused": Story(
        _counts("innkeeper_api_sign_ins_total", "outcome", refused="0+60x60"),
        _counts("innkeeper_api_sign_ins_total", "outcome", refused="0+6x60", accepted="0+600x60"),
    ),
    "ProcessDown": Story(
        {'up{job="innkeeper-api"}': "0x60"}, {'up{job="innkeeper-api"}': "0x2 1x60", 'up{job="x"}': "0x60"}
    ),
    "PartAway": Story(
        _parts(redis="0x60"), {'innkeeper_part_up{part="redis",instance="a"}': "0x60", **_parts(redis="1x60")}
    ),
    "NoConductor": Story({"up": "1x60"}, _parts(broker="0x60")),
    "RoleVacant": Story(
        {'innkeeper_leads{role="keeper",instance="a"}': "0x60", 'innkeeper_leads{role="keeper",instance="b"}': "0x60"},
        {'innkeeper_leads{role="keeper",instance="a"}': "0x60", 'innkeeper_leads{role="keeper",instance="b"}': "1x60"},
    ),
    # the first of its kind begins at 1: there is nothing it could have increased from
    "UnforeseenErrors": Story(
        {'innkeeper_unforeseen_errors_total{what="relaying failed"}': "_x50 1x10"},
        {'innkeeper_unforeseen_errors_total{what="relaying failed"}': "1x60"},
    ),
    "KeysOld": Story(
        {'innkeeper_key_age_seconds{file="jwt.json"}': f"{_OLD}x120"},
        {
            'innkeeper_key_age_seconds{file="jwt.json"}': f"{_NEW}x120",
            'innkeeper_key_age_seconds{file="seal.key"}': f"{_OLD}x120",
        },
        90,
    ),
    "JobsStalled": Story(
        {'innkeeper_jobs{state="stalled"}': "1x60"},
        {'innkeeper_jobs{state="stalled"}': "1x3 0x57", 'innkeeper_jobs{state="running"}': "9x60"},
    ),
    "JobsOverdue": Story(
        {'innkeeper_jobs_overdue{queue="worker"}': "3x60"}, {'innkeeper_jobs_overdue{queue="worker"}': "0x59 3x1"}
    ),
    "JobsFail": Story(_ended("0+1x60", "0+2x60"), _ended("0+1x60", "0+9x60")),
    "StepsFail": Story(
        _ended("0+1x60", "0+2x60", "innkeeper_step_seconds_count"),
        # two of two: too few to say anything
        _ended("0x40 2x20", "0x60", "innkeeper_step_seconds_count"),
    ),
    "LeasesLost": Story({"innkeeper_leases_lost_total": "0+1x60"}, {"innkeeper_leases_lost_total": "0x40 5x20"}),
    "GuestsSilent": Story(
        {'innkeeper_guest_verdicts_total{step="boot",outcome="stalled"}': "0x20 5x60"},
        {'innkeeper_guest_verdicts_total{step="boot",outcome="failed"}': "0x20 5x60"},
    ),
    "OutboxStuck": Story({"innkeeper_outbox_oldest_seconds": "0+60x60"}, {"innkeeper_outbox_oldest_seconds": "20x60"}),
    "QueueSlow": Story(
        {_QUEUE % "10.0": "0+5x60", _QUEUE % "30.0": "0+10x60", _QUEUE % "+Inf": "0+10x60"},
        {_QUEUE % "1.0": "0+10x60", _QUEUE % "30.0": "0+10x60", _QUEUE % "+Inf": "0+10x60"},
    ),
    "MessagesLost": Story(
        {'innkeeper_rerung_total{kind="command"}': "0+30x60"}, {'innkeeper_rerung_total{kind="command"}': "0x30 30x30"}
    ),
    "HostSilent": Story(
        {'innkeeper_host_silence_seconds{host="alpha"}': "0+60x60"},
        {'innkeeper_host_silence_seconds{host="alpha"}': "4x60"},
    ),
    "HostsDown": Story(
        {'innkeeper_hosts{state="down"}': "3x60", 'innkeeper_hosts{state="up"}': "7x60"},
        {'innkeeper_hosts{state="down"}': "3x60", 'innkeeper_hosts{state="up"}': "97x60"},
    ),
    "HostsDontWake": Story(
        _counts("innkeeper_host_wakes_total", "outcome", failed="_x50 1x10"),
        _counts("innkeeper_host_wakes_total", "outcome", done="0+1x60"),
    ),
    "CommandsFail": Story(
        _ended("0+1x60", "0+2x60", "innkeeper_agent_commands_total"),
        _ended("0+1x60", "0+9x60", "innkeeper_agent_commands_total"),
    ),
    "CommandsRejected": Story(
        {"innkeeper_agent_rejected_total": "0x55 1x5"}, {"innkeeper_agent_rejected_total": "1x60"}
    ),
    "PowerMeterSilent": Story(
        {'innkeeper_agent_meter_failures_total{meter="ipmi"}': "0+1x60"},
        {'innkeeper_agent_meter_failures_total{meter="ipmi"}': "0x50 2x10"},
    ),
    "VmsMissing": Story({'innkeeper_vms{state="missing"}': "1x60"}, {'innkeeper_vms{state="failed"}': "1x60"}),
    "VmsDrifted": Story({"innkeeper_vms_drifted": "2x90"}, {"innkeeper_vms_drifted": "2x50 0x40"}, 80),
    "OrphansCollected": Story(
        {"innkeeper_orphans_collected_total": "0x30 9x30"}, {"innkeeper_orphans_collected_total": "0x30 1x30"}
    ),
    "ClaimsLeak": Story({"innkeeper_claims_repaired_total": "0x30 1x30"}, {"innkeeper_claims_repaired_total": "1x60"}),
    "NoRoom": Story(
        {
            'innkeeper_decisions_total{outcome="no-host"}': "0+1x60",
            'innkeeper_decisions_total{outcome="placed"}': "0+4x60",
        },
        {
            'innkeeper_decisions_total{outcome="no-host"}': "0+1x60",
            'innkeeper_decisions_total{outcome="placed"}': "0+20x60",
        },
    ),
    "CapacityShort": Story(
        {
            'innkeeper_host_claimed{host="a",resource="vcpus"}': "95x60",
            'innkeeper_host_capacity{host="a",resource="vcpus"}': "100x60",
        },
        {
            'innkeeper_host_claimed{host="a",resource="vcpus"}': "95x60",
            'innkeeper_host_capacity{host="a",resource="vcpus"}': "100x60",
            'innkeeper_host_capacity{host="b",resource="vcpus"}': "100x60",
        },
    ),
    "PolicyBroken": Story({"innkeeper_policy_problem": "1x60"}, {"innkeeper_policy_problem": "0x60"}),
    "PolicySplit": Story(
        {'innkeeper_policy_activation{instance="a"}': "7x60", 'innkeeper_policy_activation{instance="b"}': "8x60"},
        {'innkeeper_policy_activation{instance="a"}': "8x60", 'innkeeper_policy_activation{instance="b"}': "8x60"},
    ),
    "ImageStoreFull": Story({_FREE: "5x60", _SIZE: "100x60"}, {_FREE: "20x60", _SIZE: "100x60"}),
    "ImageStoreFilling": Story({_FREE: "1000-2x480"}, {_FREE: "100000-2x480"}, 470),
    "ImportsFail": Story(
        _counts("innkeeper_image_imports_total", "outcome", failed="0x30 5x30"),
        _counts("innkeeper_image_imports_total", "outcome", again="0x30 5x30"),
    ),
}
