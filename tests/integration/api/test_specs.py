# SPDX-License-Identifier: Apache-2.0
"""The whole specification over HTTP: what it becomes, what is refused by field, and what a dry run shows of it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import select

from services.common.contracts.codec import load
from services.common.contracts.ids import new_id
from services.common.contracts.network import BondMode
from services.common.contracts.vm import VmSpec
from services.common.runtime.ask import Answerer
from services.common.store.models import AddressLease, Vm
from services.imagebuilder import preview
from tests.support.front_door import Api
from tests.support.package_sources import KEY_NAME, PUBLIC, RSA
from tests.support.problems import counts, problem

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


@cache
def certificate() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Lab CA")])
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    made = made.serial_number(7).not_valid_before(begin).not_valid_after(begin + timedelta(days=3650))
    return made.sign(KEY, None).public_bytes(Encoding.PEM).decode()


def spec(**more: Any) -> dict[str, Any]:
    return {"name": f"vm-{new_id()[-12:]}", "os": "debian-12", "flavor": "small", **more}


def stored(api: Api, vm_id: str) -> VmSpec:
    with api.database.read() as db:
        return load(VmSpec, db.get_one(Vm, vm_id).spec)


@pytest.fixture
def builder(api: Api) -> Iterator[None]:
    """Somebody who answers what a guest would be set up by, as the image builder does."""
    answerer = Answerer(api.settings.redis_url, preview.TOPIC, preview.preview).start()
    yield
    answerer.stop()


BONDED: dict[str, Any] = {
    "networks": [{"network": "lab", "bond": "bond0"}, {"network": "lab", "bond": "bond0", "name": "uplink1"}],
    "bonds": [{"name": "bond0", "mode": "802.3ad", "addresses": ["10.78.0.90/24"], "mtu": 1400}],
    "vlans": [{"id": 20, "over": "bond0", "addresses": ["192.0.2.9/24", "2001:db8::9/64"], "dns": ["192.0.2.53"]}],
}


def test_bonds_and_vlans_become_links_of_the_vm(api: Api) -> None:
    vm = api.done("member", "POST", "/v1/vms", spec(**BONDED))["vm"]
    model = stored(api, vm["id"]).network
    (bond,), (vlan,) = model.bonds, model.vlans
    assert bond.members == tuple(nic.mac for nic in model.nics)
    assert (bond.mode, bond.addresses) == (BondMode.LACP, ("10.78.0.90/24",))
    assert [nic.mtu for nic in model.nics] == [1400, 1400]
    assert not any(nic.configured for nic in model.nics)
    assert (vlan.name, vlan.id, vlan.over, vlan.dns) == ("vlan20", 20, "bond0", ("192.0.2.53",))
    assert [(nic["name"], nic["bond"]) for nic in vm["nics"]] == [("eth0", "bond0"), ("uplink1", "bond0")]
    assert (vm["bonds"][0]["mode"], vm["vlans"][0]["over"]) == ("802.3ad", "bond0")
    # An address of a bond is the platform's to give, one behind a tag is not.
    with api.database.read() as db:
        leased = db.scalars(select(AddressLease.address).where(AddressLease.vm_id == vm["id"])).all()
    assert leased == ["10.78.0.90"]
    again = spec(networks=[{"network": "lab", "addresses": ["10.78.0.90/24"]}])
    assert problem(api.ask("member", "POST", "/v1/vms", again), 409, "conflict")["errors"][0]["pointer"] == (
        "/networks/0/addresses/0"
    )
    api.done("member", "DELETE", f"/v1/vms/{vm['id']}")


def test_a_vlan_of_a_card_is_a_link_of_its_own(api: Api) -> None:
    networks = [
        {"network": "lab", "vlan": 20, "addresses": ["192.0.2.9/24"], "gateway": "192.0.2.1"},
        {"network": "default", "name": "lan", "default_route": False},
    ]
    vm = api.done("member", "POST", "/v1/vms", spec(networks=networks, vlans=[{"id": 30, "over": "lan"}]))["vm"]
    model = stored(api, vm["id"]).network
    assert [(v.id, v.name, v.over, v.gateway4) for v in model.vlans] == [
        (30, "vlan30", model.nics[1].mac, ""),
        (20, "vlan20", model.nics[0].mac, "192.0.2.1"),
    ]
    assert not model.nics[0].configured
    assert (model.nics[1].dhcp4, model.nics[1].default_route) == (True, False)
    assert [vlan["over"] for vlan in vm["vlans"]] == ["lan", "eth0"]


def test_ipv6_comes_by_dhcp_or_by_advertisement(api: Api) -> None:
    networks = [{"network": "default", "method6": "slaac"}, {"network": "default", "method": "none", "method6": "dhcp"}]
    vm = api.done("member", "POST", "/v1/vms", spec(networks=networks))["vm"]
    links = [(nic.dhcp4, nic.dhcp6, nic.accept_ra) for nic in stored(api, vm["id"]).nics]
    assert links == [(True, False, True), (False, True, False)]
    assert [nic["method6"] for nic in vm["nics"]] == ["slaac", "dhcp"]


def test_the_rest_of_a_spec_is_kept_and_shown(api: Api) -> None:
    wished = {
        "mirror": "https://mirror.example.org/debian",
        "proxy": "http://192.0.2.1:3128",
        "ntp": ["ntp.example.org", "2001:db8::123"],
        "ca_certificates": [f"Subject: Lab CA\n{certificate()}\n"],
        "repositories": [TOOLS],
    }
    vm = api.done("member", "POST", "/v1/vms", spec(**wished))["vm"]
    shown = {"repositories": [{**TOOLS, "key_name": ""}], "ca_certificates": [certificate()]}
    expected = {**wished, **shown, "layout": "whole", "firmware": "bios"}
    assert {key: vm[key] for key in expected} == expected
    kept = stored(api, vm["id"])
    assert (kept.ntp, kept.ca_certificates) == (tuple(wished["ntp"]), (certificate(),))


PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
TOOLS = {
    "name": "tools",
    "url": "https://packages.example.org/x",
    "signed_by": PUBLIC,
    "suite": "stable",
    "components": ["main"],
}
LAB, NAT = {"network": "lab"}, {"network": "default"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "proxy with a password": ({"proxy": "http://me:hunter22@proxy.example.org"}, "/proxy"),
    "mirror by ftp": ({"mirror": "ftp://mirror.example.org"}, "/mirror"),
    "mirror with a line end": ({"mirror": "http://mirror.example.org/\nDeb x"}, "/mirror"),
    "time server": ({"ntp": ["ntp.example.org", "a b"]}, "/ntp/1"),
    "no certificate": ({"ca_certificates": ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END"]}, "/ca_certificates/0"),
    "two certificates": ({"ca_certificates": [certificate() * 2]}, "/ca_certificates/0"),
    "a private key": ({"ca_certificates": [PRIVATE + certificate()]}, "/ca_certificates/0"),
    "layout": ({"layout": "zfs"}, "/layout"),
    "layout of a cloud image": ({"layout": "lvm"}, "/layout"),
    "firmware": ({"firmware": "coreboot"}, "/firmware"),
    "firmware the os has not": ({"os": "mini", "flavor": "tiny", "firmware": "uefi"}, "/firmware"),
    "users of the mini guest": ({"os": "mini", "flavor": "tiny", "users": [{"name": "ann"}]}, "/users"),
    "a vlan of the mini guest": (
        {"os": "mini", "flavor": "tiny", "networks": [{**LAB, "vlan": 5, "addresses": ["192.0.2.5/24"]}]},
        "/networks/0/vlan",
    ),
    "a script too large": ({"first_boot": "#!/bin/sh\n" + "x" * 65536}, "/first_boot"),
    "an unknown bond": ({"networks": [{**LAB, "bond": "bond0"}]}, "/networks/0/bond"),
    "a bond of nothing": ({"networks": [NAT], "bonds": [{"name": "bond0", "method": "none"}]}, "/bonds/0/name"),
    "a bond's mode": ({"networks": [NAT], "bonds": [{"name": "bond0", "mode": "balance-rr"}]}, "/bonds/0/mode"),
    "a card of a bond with an address": (
        {
            "networks": [{**LAB, "bond": "b0", "addresses": ["10.78.0.91/24"]}],
            "bonds": [{"name": "b0", "method": "none"}],
        },
        "/networks/0/addresses",
    ),
    "a bond across networks": (
        {"networks": [{**LAB, "bond": "b0"}, {**NAT, "bond": "b0"}], "bonds": [{"name": "b0", "method": "none"}]},
        "/networks/1/network",
    ),
    "a bond's address outside its network": (
        {"networks": [{**LAB, "bond": "b0"}], "bonds": [{"name": "b0", "addresses": ["10.79.0.5/24"]}]},
        "/bonds/0/addresses/0",
    ),
    "a vlan on nothing": ({"networks": [NAT], "vlans": [{"id": 5, "over": "eth7"}]}, "/vlans/0/over"),
    "a vlan's number": ({"networks": [NAT], "vlans": [{"id": 4095, "over": "eth0"}]}, "/vlans/0/id"),
    "a vlan on a card of a bond": (
        {"networks": [{**LAB, "bond": "b0", "vlan": 5}], "bonds": [{"name": "b0", "method": "none"}]},
        "/networks/0/vlan",
    ),
    "the same vlan twice": (
        {"networks": [{**LAB, "vlan": 5}], "vlans": [{"id": 5, "over": "eth0", "name": "other"}]},
        "/networks/0/vlan",
    ),
    "a wrong address behind a tag": (
        {"networks": [{**LAB, "vlan": 5, "addresses": ["192.0.2.0/24"]}]},
        "/networks/0/addresses/0",
    ),
    "vlans without a card": ({"networks": [{"network": "none"}], "vlans": [{"id": 5, "over": "eth0"}]}, "/vlans"),
    "a link's name": ({"networks": [{**NAT, "name": "../x"}]}, "/networks/0/name"),
    "two links of one name": ({"networks": [NAT, {**NAT, "name": "eth0"}]}, "/networks/1/name"),
    "a gateway that is not to be used": (
        {"networks": [{**LAB, "addresses": ["10.78.0.92/24"], "gateway": "10.78.0.1", "default_route": False}]},
        "/networks/0/gateway",
    ),
    "a source without a suite": ({"repositories": [{**TOOLS, "suite": "", "components": []}]}, "/repositories/0/suite"),
    "a suite without components": ({"repositories": [{**TOOLS, "components": []}]}, "/repositories/0/components"),
    "a key that is cut off": (
        {"repositories": [{**TOOLS, "signed_by": PUBLIC.replace("JZ0GD8sN\n", "")}]},
        "/repositories/0/signed_by",
    ),
    "a key of apk's for apt": ({"repositories": [{**TOOLS, "signed_by": RSA}]}, "/repositories/0/signed_by"),
    "a key's name for apt": ({"repositories": [{**TOOLS, "key_name": KEY_NAME}]}, "/repositories/0/key_name"),
    "a key that is none": ({"repositories": [{**TOOLS, "signed_by": "mDME"}]}, "/repositories/0/signed_by"),
    "two sources of one name": ({"repositories": [TOOLS, TOOLS]}, "/repositories/1/name"),
    "a source with a password": (
        {"repositories": [{**TOOLS, "url": "https://me:hunter22@packages.example.org"}]},
        "/repositories/0/url",
    ),
    "sources of the mini guest": ({"os": "mini", "flavor": "tiny", "repositories": [TOOLS]}, "/repositories"),
    "a locale that is not UTF-8": ({"locale": "de_DE"}, "/locale"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_can_t_be_is_refused_with_field_reason_and_fix(api: Api, case: str) -> None:
    changes, pointer = REFUSED[case]
    for path in ("/v1/vms", "/v1/images:preview"):
        answer = api.ask("member", "POST", path, spec(**changes))
        errors = problem(answer, 422, "invalid")["errors"]
        assert [error["pointer"] for error in errors] == [pointer]
        assert all(error["detail"] and error["fix"] for error in errors)
        assert "hunter22" not in answer.text


def test_a_dry_run_shows_the_files_with_secrets_masked(api: Api, builder: None) -> None:
    body = spec(
        **{**BONDED, "bonds": [{"name": "bond0", "mode": "802.3ad", "addresses": ["10.78.0.93/24"]}]},
        users=[{"name": "ann", "password": "correct horse battery"}],
        first_boot="#!/bin/sh\necho t0p-secret\n",
        ntp=["ntp.example.org"],
    )
    answer = api.ask("member", "POST", "/v1/vms?dry_run=true", body)
    files = {file["path"]: file["text"] for file in answer.json["files"]}
    assert sorted(files) == ["meta-data", "network-config", "user-data"]
    assert "bond0" in files["network-config"]
    assert "t0p-secret" not in answer.text
    assert "correct horse" not in answer.text
    shown = api.done("member", "POST", "/v1/images:preview", body)["files"]
    assert [file["path"] for file in shown] == sorted(files)
    assert next(f["text"] for f in shown if f["path"] == "network-config").count("802.3ad") == 1


def test_a_dry_run_without_an_image_builder_says_nothing_of_files(api: Api) -> None:
    assert api.done("member", "POST", "/v1/vms?dry_run=true", spec())["files"] is None


def test_what_only_the_templates_know_is_refused_by_the_request_s_own_field(api: Api, builder: None) -> None:
    networks = [{**LAB, "vlan": 20, "addresses": ["192.0.2.9/24"], "mtu": 9000}]
    size = {"vcpus": 2, "memory_mib": 4096, "disk_gib": 64}
    body = {"name": "w", "os": "windows-server-2025", "networks": networks, **size}
    answer = api.ask("member", "POST", "/v1/images:preview", body)
    pointers = {error["pointer"] for error in problem(answer, 422, "invalid")["errors"]}
    assert "/networks/0" in pointers
    assert not any(pointer.startswith("/vlans") for pointer in pointers)


def test_what_an_installer_s_templates_refuse_is_refused_before_anything_is_written(api: Api, builder: None) -> None:
    networks = [{**NAT, "method6": "slaac", "default_route": False}]
    before = counts(api)
    answer = api.ask("member", "POST", "/v1/vms", spec(os="debian-12-image", networks=networks))
    assert [e["pointer"] for e in problem(answer, 422, "invalid")["errors"]] == ["/networks/0/default_route"]
    assert counts(api) == before


def test_a_vm_with_an_installer_can_be_asked_for_while_no_image_builder_runs(api: Api) -> None:
    assert api.ask("member", "POST", "/v1/vms", spec(os="debian-12-image")).status_code == 202
