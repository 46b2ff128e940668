"""Row 14: links and special files, made in the scratch directory to reach what lies outside of it."""

import json

from tests.attack.removals import may_be_root
from tests.attack.vocabulary import Control, Manifest, Outcome, Removal, Row, Target

OUTSIDE = """
import os, stat
reached = []

def attempt(what, action):
    try:
        if action():
            reached.append(what)
    except OSError:
        pass

def through_link(path):
    link = 'link-' + path.replace('/', '_')
    os.symlink(path, link)
    with open(link, 'w') as file:
        file.write('written')
    return True

for folder in ('/', '/tmp', '/etc', '/usr', '/opt', '/var', '/var/tmp', '/run', '/home', '/root', '/srv', '/bin'):
    attempt(f'symlink to {folder}', lambda: through_link(f'{folder}/written-by-a-job'))
for path in ('/etc/hosts', '/etc/resolv.conf', '/etc/passwd', '/dev/kmsg', '/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern',
             '/sys/kernel/uevent_helper', '/proc/1/oom_score_adj', '/proc/1/mem'):
    attempt(f'symlink to {path}', lambda: through_link(path))
for path in ('/etc/passwd', '/etc/hosts', '/usr/bin/env'):
    attempt(f'hard link to {path}', lambda: os.link(path, 'hard') is None)
reached
"""
DEVICES = """
import os, stat
reached = []
for name, kind, major, minor in (('mem', stat.S_IFCHR, 1, 1), ('null', stat.S_IFCHR, 1, 3), ('disk', stat.S_IFBLK, 8, 0),
                                 ('virtual-disk', stat.S_IFBLK, 254, 0), ('loop', stat.S_IFBLK, 7, 0), ('tun', stat.S_IFCHR, 10, 200)):
    try:
        os.mknod(name, 0o666 | kind, os.makedev(major, minor))
        reached.append(f'device {name}')
    except OSError:
        pass
for path in ('/dev/mem', '/dev/kmem', '/dev/sda', '/dev/vda', '/dev/kvm', '/dev/net/tun', '/dev/fuse', '/dev/loop-control'):
    try:
        os.close(os.open(path, os.O_RDWR))
        reached.append(path)
    except OSError:
        pass
reached
"""
MADE_BY_GVISOR = ("/dev/net/tun", "/dev/fuse")
"""Its own kernel's: they lead to nothing of the node."""
MOUNTS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
reached = []
for folder in ('there', 'bound'):
    os.mkdir(folder)
if libc.mount(b'none', b'there', b'tmpfs', 0, None) == 0:
    reached.append('a new tmpfs')
if libc.mount(b'/etc', b'bound', None, 4096, None) == 0:
    reached.append('a bind mount')
if libc.chroot(b'there') == 0:
    reached.append('chroot')
with open('suid', 'w') as file:
    file.write('#!/bin/sh\\n')
try:
    os.chown('suid', 0, 0)
    reached.append('a file of root')
except OSError:
    pass
reached
"""
ARTIFACTS = """
import os, socket
os.chdir('artifacts')
def attempt(action):
    try:
        action()
    except OSError:
        pass
open('plain.txt', 'w').write('plain')
os.mkdir('folder')
open('folder/also-plain.txt', 'w').write('plain')
attempt(lambda: os.symlink('/etc/passwd', 'symbolic'))
attempt(lambda: os.symlink('/proc/1/environ', 'agent'))
attempt(lambda: os.symlink('/etc', 'folder-of-others'))
attempt(lambda: os.symlink('..', 'folder/up'))
open('../outside', 'w').write('a second name')
attempt(lambda: os.link('../outside', 'hard'))
attempt(lambda: os.mkfifo('pipe'))
attempt(lambda: socket.socket(socket.AF_UNIX).bind('socket'))
attempt(lambda: open('line\\nbreak', 'w').close())
attempt(lambda: open('txt.\u202eexe', 'w').close())
attempt(lambda: open('back\\\\slash', 'w').close())
with open('sparse', 'w') as file:
    attempt(lambda: file.truncate(30_000_000))
os.makedirs('/'.join('d' * 20), exist_ok=True)
attempt(lambda: open('/'.join('d' * 20) + '/deep', 'w').close())
'done'
"""
WHOLE_FOLDER = "import os\nos.rmdir('artifacts')\nos.symlink('/etc', 'artifacts')\n'done'"
PLAIN = {"plain.txt", "folder/also-plain.txt"}


async def artifacts(target: Target) -> str | None:
    """Files to be kept that are none, or are somebody else's."""
    outcome = await target.run(ARTIFACTS, timeout_s=8)
    outcome.expect()
    if (kept := _kept(outcome)) != PLAIN:
        return f"kept: {sorted(kept)}"
    outcome = await target.run(WHOLE_FOLDER, timeout_s=8)
    outcome.expect()
    return f"kept: {sorted(kept)}" if (kept := _kept(outcome)) else None


def _kept(outcome: Outcome) -> set[str]:
    """Names of what was taken of the job."""
    if outcome.text:
        return {each["name"] for each in json.loads(outcome.text).get("artifacts", [])}
    return {frame["name"] for frame in outcome.frames if frame["type"] == "artifact"}


async def links(target: Target) -> str | None:
    """Symbolic and hard links out of the scratch directory."""
    return _reached((await target.run(OUTSIDE, timeout_s=8)).expect())


async def devices(target: Target) -> str | None:
    """Device files of one's own, and those that are there."""
    found = (await target.run(DEVICES, timeout_s=8)).expect()
    return _reached([name for name in found if target.isolation != "gvisor" or name not in MADE_BY_GVISOR])


async def mounts(target: Target) -> str | None:
    """Other file systems on top of the scratch directory, and files that belong to root."""
    return _reached((await target.run(MOUNTS, timeout_s=8)).expect())


def _reached(found: list[str]) -> str | None:
    return ", ".join(found) or None


def _writable_root(pod: Manifest) -> None:
    pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = False


def _root_with_capabilities(pod: Manifest) -> None:
    pod["spec"]["securityContext"] = {"seccompProfile": pod["spec"]["securityContext"]["seccompProfile"]}
    pod["spec"]["containers"][0]["securityContext"] = {"readOnlyRootFilesystem": True, "runAsUser": 0}
    may_be_root(pod)


ROW = Row(
    number=14,
    name="links and special files",
    attacks=(links, devices, mounts, artifacts),
    controls=(
        Control(name="readOnlyRootFilesystem", off=Removal(name="writable root", pod=_writable_root)),
        Control(
            name="no root, no capabilities",
            off=Removal(name="root with the default capabilities", pod=_root_with_capabilities),
            attack=devices,
        ),
        Control(
            name="only regular files are taken",
            off=Removal(
                name="whatever has a name",
                agent="import os, mcp_sandbox.outbox as o\nos.O_NOFOLLOW = 0\no.Outbox._why_not = lambda *a: None",
            ),
            attack=artifacts,
        ),
    ),
)
