# SPDX-License-Identifier: Apache-2.0
"""The vSphere side of the local stack, all of it simulated but the agent: vCenter, guests, and the way these report.

Guests on vSphere report over HTTPS, so the api answers once more, over TLS, with a certificate of this stack's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from deploy.local import ports
from deploy.local.files import read_json, write_json
from deploy.local.home import Home
from deploy.local.servers.base import plain_env
from deploy.local.servers.certificates import Certificates, kept_certificates
from deploy.local.servers.vcsim import PORT_GROUP, Vcsim
from deploy.local.settings import grace
from deploy.local.spec import Spec

DOOR, PLAYERS, AGENT = "api-https", "simulated-guests", "hostagent-vsphere"
PROCESSES = (Vcsim.name, DOOR, PLAYERS, AGENT)
# The port group that is in the simulator from the beginning; the same name is a bridge of this machine's.
LAN, LAN_CIDR = PORT_GROUP, "10.79.0.0/24"


def certificates(home: Home) -> Certificates:
    """Of 127.0.0.1, by an authority that signed nothing else."""
    return kept_certificates(home.server("tls"), time.time())


def vcsim(home: Home) -> Vcsim:
    """The simulator, whether it runs or not."""
    return Vcsim(home.server("vcsim"), certificates(home), home.root / "cache" / "vcsim")


def guest_url(home: Home) -> str:
    """Where guests report."""
    return f"https://127.0.0.1:{_ports(home)[DOOR]}"


def metrics_port(home: Home) -> int:
    """Of the vSphere agent."""
    return _ports(home)[AGENT]


def prepare(home: Home) -> None:
    """Choose ports, write what the processes read, build the simulator. Raises ServerError."""
    simulator = vcsim(home)
    ports.reserve(_ports_file(home), (DOOR, AGENT))
    simulator.prepare()
    authority = str(certificates(home).authority)
    write_json(_players_file(home), {"vsphere": dict(simulator.settings), "lan": LAN_CIDR, "authority": authority})


def specs(home: Home, python: str, env: Mapping[str, str], first: tuple[str, ...]) -> list[Spec]:
    """Its processes; `first` are those that a service of ours comes after."""
    simulator = vcsim(home)
    players = plain_env(PYTHONPATH=env["PYTHONPATH"], PYTHONUNBUFFERED="1", HOME=str(home.root))
    return [
        Spec(
            name=simulator.name,
            argv=simulator.command(),
            env=simulator.env(),
            log=home.log(simulator.name),
            ready=simulator.ready,
            port=simulator.ports["https"],
            cwd=simulator.directory,
            grace=simulator.grace,
        ),
        _door(home, python, env, first),
        Spec(
            name=PLAYERS,
            argv=[python, "-m", "deploy.local.simulated_guests", str(_players_file(home))],
            env=players,
            log=home.log(PLAYERS),
            after=(simulator.name, DOOR),
            cwd=home.checkout,
        ),
        Spec(
            name=AGENT,
            argv=[python, "-m", "services.hostagent"],
            env={
                **env,
                "INNKEEPER_AGENT_CONFIG": str(home.vsphere_agent_config),
                "INNKEEPER_METRICS_PORT": str(metrics_port(home)),
            },
            log=home.log(AGENT),
            ready=questions(home)[AGENT],
            after=(*first, simulator.name),
            needs=home.vsphere_agent_config,
            port=metrics_port(home),
            cwd=home.checkout,
            grace=grace(env),
        ),
    ]


def questions(home: Home) -> dict[str, Callable[[], bool]]:
    """Whether each of them serves right now."""
    return {
        "vcsim": vcsim(home).ready,
        DOOR: partial(ports.answers, _ports(home)[DOOR]),
        AGENT: partial(ports.answers, metrics_port(home)),
    }


def _door(home: Home, python: str, env: Mapping[str, str], first: tuple[str, ...]) -> Spec:
    """The api once more: gunicorn speaks TLS on all of its addresses or on none."""
    made, port = certificates(home), _ports(home)[DOOR]
    tls = ["--certfile", str(made.certificate), "--keyfile", str(made.key)]
    own = {
        "INNKEEPER_API_BIND": f"127.0.0.1:{port}",
        "INNKEEPER_API_WORKERS": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(home.api_metrics.with_name("api-https-metrics")),
    }
    return Spec(
        name=DOOR,
        argv=[python, "-m", "gunicorn", "-c", "services/api/gunicorn.conf.py", *tls, "services.api.wsgi:app"],
        env={**env, **own},
        log=home.log(DOOR),
        ready=questions(home)[DOOR],
        after=first,
        port=port,
        cwd=home.checkout,
        grace=grace(env),
    )


def _ports(home: Home) -> dict[str, int]:
    known: dict[str, int] = read_json(_ports_file(home), {DOOR: 0, AGENT: 0})
    return known


def _ports_file(home: Home) -> Path:
    return home.server("tls") / "ports.json"


def _players_file(home: Home) -> Path:
    return home.root / "run" / "simulated-guests.json"
