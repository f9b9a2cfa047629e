# SPDX-License-Identifier: Apache-2.0
"""Seeds of Debian's and Ubuntu's cloud images: all of a spec, read back as YAML and by cloud-init's own words."""

import pytest
import yaml

from services.common.catalog import systems
from services.common.catalog.entries import Delivery
from services.imagebuilder.masters.debian import read_recipe
from tests.support.answers import rows_of
from tests.support.cloud_seeds import ASKED, PEM, user_data

CLOUD = [*rows_of("debian"), *rows_of("ubuntu")]
ROWS = [row for row in CLOUD if systems()[row].delivery == Delivery.CLOUD_IMAGE]
MIRROR = "http://mirror.example.org/archive"


@pytest.mark.parametrize("row", ROWS)
def test_all_that_was_asked_for_is_read_back(row: str) -> None:
    document = user_data(
        row,
        **ASKED,
        mirror=MIRROR,
        timezone="Europe/Berlin",
    )
    assert document["ntp"] == {"enabled": True, "servers": ["time.example.org", "192.0.2.123"]}
    assert document["apt"]["proxy"] == "http://proxy.example.org:3128"
    assert document["apt"]["primary"] == [{"arches": ["default"], "uri": MIRROR}]
    key = "ca-certs" if row == "debian-11" else "ca_certs"
    assert document[key] == {"trusted": [PEM, PEM]}
    assert (document["packages"], document["timezone"]) == (["nginx"], "Europe/Berlin")
    assert (document["hostname"], document["fqdn"]) == ("web-1", "web-1.example.org")


@pytest.mark.parametrize("row", ROWS)
def test_a_mirror_leaves_security_where_it_is_to_be_had(row: str) -> None:
    (security,) = user_data(row, mirror=MIRROR)["apt"]["security"]
    assert security["uri"] == (MIRROR if row.startswith("ubuntu") else "http://security.debian.org/debian-security")


@pytest.mark.parametrize("row", ROWS)
def test_nothing_is_said_of_what_was_not_asked_for(row: str) -> None:
    assert not {"apt", "ntp", "ca_certs", "ca-certs", "packages", "package_update"} & set(user_data(row))


@pytest.mark.parametrize("row", ROWS)
def test_users_are_made_with_their_keys_hash_and_sudo(row: str) -> None:
    ops, guest = user_data(row)["users"]
    assert (ops["name"], ops["ssh_authorized_keys"]) == ("ops", ["ssh-ed25519 AAAAC3Nz ops@desk"])
    assert (ops["sudo"], ops["lock_passwd"], ops["passwd"]) == (
        "ALL=(ALL) NOPASSWD:ALL",
        False,
        "$6$salt$aVeryLongHash./0",
    )
    assert (guest["name"], guest["lock_passwd"]) == ("guest", True)
    assert not {"sudo", "passwd", "ssh_authorized_keys"} & set(guest)


# Key of a cloud-config -> the module of cloud-init that reads it; those not named need none.
MODULES = {
    "apt": "apt-configure",
    "ca_certs": "ca-certs",
    "fqdn": "set_hostname",
    "hostname": "set_hostname",
    "locale": "locale",
    "manage_etc_hosts": "update_etc_hosts",
    "ntp": "ntp",
    "package_update": "package-update-upgrade-install",
    "packages": "package-update-upgrade-install",
    "runcmd": "runcmd",
    "ssh_pwauth": "set-passwords",
    "timezone": "timezone",
    "users": "users-groups",
    "write_files": "write-files",
}


def test_our_own_image_runs_every_module_that_its_seed_has_words_for() -> None:
    recipe = read_recipe("debian-12")
    config = yaml.safe_load(recipe.files["/etc/cloud/cloud.cfg.d/90-innkeeper.cfg"])
    listed = {name for stage in ("init", "config", "final") for name in config[f"cloud_{stage}_modules"]}
    everything = user_data(
        "debian-12",
        packages=("nginx",),
        ntp=("time.example.org",),
        mirror=MIRROR,
        ca_certificates=(PEM,),
        keyboard="de",
        guest_agent=False,
    )
    unread = {"disable_root"}
    assert {MODULES[key] for key in set(everything) - unread} <= listed
    assert "ConditionPathExists" in recipe.files["/etc/systemd/system/systemd-timesyncd.service.d/innkeeper.conf"]
