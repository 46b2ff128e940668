"""Row 8: a job looks for a credential of its Pod's service account."""

import base64
import json

from tests.attack.vocabulary import Control, Manifest, Removal, Row, Target

SEARCH = r"""
import os, re
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}")
found, looked = [], 0
def look(path):
    global looked
    try:
        with open(path, "rb") as file:
            text = file.read(200_000)
    except OSError:
        return
    looked += 1
    for match in TOKEN.findall(text)[:2]:
        found.append([path, match.decode()])
for top in ("/var/run", "/run", "/var/spool", "/etc", "/work", "/mnt", "/home", "/root", "/secrets", "/dev/shm"):
    for folder, folders, files in os.walk(top):
        for name in files:
            if looked < 5000:
                look(os.path.join(folder, name))
for line in open("/proc/mounts").read().splitlines():
    point = line.split()[1]
    if "secret" in point or "serviceaccount" in point:
        found.append([point, "a mounted secret"])
for name, value in os.environ.items():
    if TOKEN.search(value.encode()):
        found.append([name, value])
look("/proc/self/environ"); look("/proc/1/environ"); look("/proc/1/cmdline")
{"found": found[:10], "looked": looked}
"""


async def search(target: Target) -> str | None:
    """Files, mounts and environment, by name and by the shape of a token."""
    facts = (await target.run(SEARCH, timeout_s=38)).expect()
    assert facts["looked"] > 20, f"only {facts['looked']} files could be looked into"
    return f"credentials at {[path for path, _ in facts['found']]}: {_who(facts['found'][0][1])}" if facts["found"] else None


def _who(token: str) -> str:
    """Whose it is, without showing it."""
    try:
        body = token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sub"])
    except (ValueError, KeyError, IndexError):
        return "unreadable"


def _mount_token(pod: Manifest) -> None:
    pod["spec"]["automountServiceAccountToken"] = True


ROW = Row(
    number=8,
    name="service account token theft",
    attacks=(search,),
    controls=(Control(name="automountServiceAccountToken: false", off=Removal(name="token mounted", pod=_mount_token)),),
)
