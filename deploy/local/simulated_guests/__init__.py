# SPDX-License-Identifier: Apache-2.0
"""Simulated guests: who stands in for the systems inside of the simulated vCenter's vms, where nothing ever boots.

They are no guests. They read the installation image or the seed that was really put on the vm's datastore, as its
firmware or its system would, and tell the api, with the token that is in it, what an installer and the guest agent
would tell.
"""
