# SPDX-License-Identifier: Apache-2.0
"""What each verb does, as one table. Every verb may be repeated, whole or half-done."""

from collections.abc import Callable, Mapping

from services.common.contracts import survey
from services.common.contracts.commands import Command, Verb
from services.common.contracts.errors import HostFailed, InnkeeperError
from services.common.contracts.evidence import told
from services.hostagent import card_verbs, clone_verbs, powering, sizing, snapshot_verbs, volume_verbs
from services.hostagent.artifacts import artifacts_of
from services.hostagent.drivers.base import Owner, Power
from services.hostagent.fetching import teller
from services.hostagent.hands import Facts, Hands


def _deploy(hands: Hands, command: Command) -> Facts:
    plan = command.plan
    if plan is None:
        raise HostFailed("a deploy command without a plan")

    files = hands.artifacts.resolve(command.vm, artifacts_of(plan), teller(hands, command))
    for base in (disk.begins_as for disk in plan.disks):
        if base is not None:
            copied = clone_verbs.teller(hands, command, "bringing the disk image to the hypervisor")
            hands.driver.bring_image(command.vm, base, files[base.sha256], copied)
    for network in dict.fromkeys(nic.network for nic in plan.nics):
        hands.driver.ensure_network(network)
    hands.driver.deploy(plan, Owner(command.platform, command.vm, command.fence), files)
    return {"uuid": plan.uuid, "name": plan.name}


def _wipe(hands: Hands, command: Command) -> Facts:
    # Done again after the vm was made anew, it would take what was installed since.
    if not hands.ledger.rebooted(command.vm, command.id):
        hands.driver.wipe(command.vm)
        hands.ledger.note_reboot(command.vm, command.id)
    return {"power": Power.ABSENT}


def _erase(hands: Hands, command: Command) -> Facts:
    hands.ledger.bury(command.vm, command.fence)
    hands.driver.erase(command.vm)
    for volume in command.volumes:
        hands.driver.drop_volume(volume.id, volume.datastore)
    hands.board.forget(command.vm)
    return {"power": Power.ABSENT}


def _inventory(hands: Hands, _command: Command) -> Facts:
    hands.tell_all()
    return {}


def _evidence(hands: Hands, command: Command) -> Facts:
    """Told whatever comes of it: somebody may wait for it before the vm is erased."""
    try:
        found = hands.driver.evidence(command.vm)
        hands.show(command, told(found.console, found.screenshot))
    except InnkeeperError as error:
        hands.show(command, told("", b"", f"the hypervisor did not show the vm: {error.detail}"))
    return {}


def _drop_network(hands: Hands, command: Command) -> Facts:
    hands.driver.drop_network(command.vm)
    return {}


def _survey(hands: Hands, command: Command) -> Facts:
    """Told whatever comes of it: somebody waits for it."""
    try:
        hands.list_all(command, survey.told(hands.driver.survey()))
    except InnkeeperError as error:
        hands.list_all(command, survey.told((), f"it could not be read: {error.detail}"))
    return {}


def _sleep(hands: Hands, command: Command) -> Facts:
    # Its answer may be lost when the host sleeps at once; sent again after it has woken, it must not sleep again.
    if hands.ledger.rebooted(command.vm, command.id):
        return {"slept": True}
    running = hands.driver.usage().running_vms
    if running:
        raise HostFailed(f"{running} vms run on this host")
    hands.sleep()
    hands.ledger.note_reboot(command.vm, command.id)
    return {"slept": True}


VERBS: Mapping[Verb, Callable[[Hands, Command], Facts]] = {
    Verb.DEPLOY: _deploy,
    Verb.CLONE: clone_verbs.clone,
    Verb.START: powering.start,
    Verb.STOP: powering.stop,
    Verb.FORCE_STOP: powering.force_stop,
    Verb.REBOOT: powering.reboot,
    Verb.RESET: powering.reset,
    Verb.SUSPEND: powering.suspend,
    Verb.RESUME: powering.resume,
    Verb.RESIZE: sizing.resize,
    Verb.SNAPSHOT: snapshot_verbs.take,
    Verb.REVERT: snapshot_verbs.revert,
    Verb.DROP_SNAPSHOT: snapshot_verbs.drop,
    Verb.WIPE: _wipe,
    Verb.ERASE: _erase,
    Verb.INVENTORY: _inventory,
    Verb.EVIDENCE: _evidence,
    Verb.DROP_NETWORK: _drop_network,
    Verb.SURVEY: _survey,
    Verb.SLEEP: _sleep,
    Verb.ATTACH_NIC: card_verbs.attach_nic,
    Verb.DETACH_NIC: card_verbs.detach_nic,
    Verb.ATTACH_VOLUME: volume_verbs.attach_volume,
    Verb.GROW_VOLUME: volume_verbs.grow_volume,
    Verb.DETACH_VOLUME: volume_verbs.detach_volume,
    Verb.DROP_VOLUME: volume_verbs.drop_volume,
}
