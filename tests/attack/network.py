"""What the network rows share: trying many addresses from one job, and asking the witness what arrived."""

import secrets

from .vocabulary import Outcome, Target

REACH = """
import socket, threading
reached = []
own = [line.split()[0] for line in open("/etc/hosts") if line.split() and line[0] != "#"]
def tcp(name, host, port):
    if host in own: return
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(params["patience"])
        try:
            sock.connect((host, port))
            reached.append([name, "tcp"])
            sock.sendall(b"GET /" + params["nonce"].encode() + b" HTTP/1.0\\r\\n\\r\\n")
            if b"credentials" in sock.recv(1000): reached.append([name, "credentials"])
        except OSError:
            pass
def udp(name, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(params["patience"])
        try:
            for _ in range(2): sock.sendto(params["nonce"].encode(), (host, port))
            if sock.recv(100): reached.append([name, "udp"])
        except OSError:
            pass
tries = []
for name, protocol, host, port in params["targets"]:
    tries.append(threading.Thread(target={"tcp": tcp, "udp": udp}[protocol], args=(name, host, port), daemon=True))
for start in range(0, len(tries), 8):
    for each in tries[start:start + 8]: each.start()
    for each in tries[start:start + 8]: each.join()
{"tried": len(tries), "reached": reached}
"""
UNFIT = "unfit"
"""Kind of outcome: the Pod ended by itself before it took a job."""


async def reach(target: Target, targets: list[tuple[str, str, str, int]], *, patience: float = 0.7) -> str | None:
    """Why one of `(name, protocol, host, port)` was reached from a job; a datagram without an answer counts too when the witness saw it."""
    nonce = secrets.token_hex(8)
    outcome: Outcome = await target.run(REACH, timeout_s=38, targets=[list(each) for each in targets], nonce=nonce, patience=patience)
    if outcome.kind == UNFIT:
        return None
    facts = outcome.expect()
    assert facts["tried"] == len(targets)
    seen = [entry for entry in await target.stage.relay.witnessed() if nonce in entry]
    found = [f"{name} ({how})" for name, how in facts["reached"]] + [f"the witness saw {entry[:60]}" for entry in seen]
    return ", ".join(found[:6]) or None
