# SPDX-License-Identifier: Apache-2.0
"""Installation media with room for answers: a master once, then a few KB a vm.

examine  is this a medium a machine could boot?
layout   which slots a master has, and where
master   the vendor's medium with padded slots in it, made once
pack     rendered files into a slot
overlay  a qcow2 on the master that holds nothing but the slots
splice   the same image as one stream, without a copy of it
"""
