"""Code that more than one attack sends: the socket between a job and its agent, and all that processes of one user may do to each other."""

CHANNEL = """
import json, os, socket, stat, struct

def _channel(fd):
    try:
        return socket.socket(fileno=os.dup(fd)) if stat.S_ISSOCK(os.fstat(fd).st_mode) else None
    except OSError:
        return None

channel = next(found for fd in range(3, 100) if (found := _channel(fd)) is not None)

def write(body, length=None):
    channel.sendall(struct.pack('>I', length or len(body)) + body)

def send(frame):
    write(json.dumps(frame).encode())
"""
REACH = """
import ctypes, fcntl, os, resource, signal, socket
agent, libc, reached = os.getppid(), ctypes.CDLL(None, use_errno=True), {}

def attempt(name, action):
    try:
        if action() == -1:
            raise OSError(ctypes.get_errno(), name)
        reached[name] = 'done'
    except OSError as error:
        reached[name] = error.errno

for number in (0, signal.SIGCHLD, signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
    attempt(f'signal {number}', lambda: os.kill(agent, number))
attempt('signal through /proc', lambda: signal.pidfd_send_signal(os.open(f'/proc/{agent}', os.O_DIRECTORY), 0))
attempt('signal by a file', lambda: fcntl.fcntl(socket.socket(), fcntl.F_SETOWN, agent))
attempt('pidfd', lambda: os.pidfd_open(agent))
attempt('limits', lambda: resource.prlimit(agent, resource.RLIMIT_NOFILE, (50, 50)))
attempt('limits by thread', lambda: resource.prlimit(int(max(os.listdir(f'/proc/{agent}/task'))), resource.RLIMIT_CPU, (1, 1)))
attempt('priority', lambda: os.setpriority(os.PRIO_PROCESS, agent, 19))
attempt('priority of the user', lambda: os.setpriority(os.PRIO_USER, 0, 19))
attempt('scheduler', lambda: os.sched_setscheduler(agent, os.SCHED_IDLE, os.sched_param(0)))
attempt('processors', lambda: os.sched_setaffinity(agent, {0}))
attempt('namespace', lambda: libc.unshare(0x10000000))
attempt('trace', lambda: libc.ptrace(16, agent, 0, 0))
attempt('memory read', lambda: libc.process_vm_readv(agent, 0, 0, 0, 0, 0))
attempt('memory written', lambda: libc.process_vm_writev(agent, 0, 0, 0, 0, 0))
reached
"""
"""Its result is a dict: each way, and the errno it ended with, or `done`."""
