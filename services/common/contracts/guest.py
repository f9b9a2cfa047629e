# SPDX-License-Identifier: Apache-2.0
"""The guest protocol: JSON lines over virtio-serial (or HTTPS), from a guest that is not trusted.

Every line is one object with "type". Lines longer than MAX_LINE, unknown types, and values out of bounds are
dropped and counted; nothing a guest says is ever executed, interpolated or trusted as an identity.

guest -> host
  hello      {"type","agent","boot_id","hostname","os"}
  phase      {"type","name","percent"?}            a step of the boot or of the installation
  report     {"type","boot_id","hostname","interfaces":[{"name","mac","mtu","up","addresses":["192.0.2.5/24"]}],
              "routes":[{"to","via","dev","metric"?}],"dns":["192.0.2.1"]}
  load       {"type","load1","memory_total_mib","memory_free_mib","disks":[{"mount","total_mib","free_mib"}]}
  heartbeat  {"type","uptime_s"}
  failed     {"type","phase","log"}                 log: the tail, at most 8 KiB
host -> guest
  ask        {"type":"ask"}                         say hello and report again
"""

PORT_NAME = "org.innkeeper.guest.0"
MAX_LINE = 65536
MAX_INTERFACES = 64
MAX_LOG = 8192
TYPES = ("hello", "phase", "report", "load", "heartbeat", "failed")
