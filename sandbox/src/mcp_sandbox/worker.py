"""The one process that runs the job. Forked while the Pod warms up, with everything imported, so that a claim costs no import and no fork."""

import base64  # noqa: F401 -- imported for the job: see the module's docstring
import bisect  # noqa: F401
import collections  # noqa: F401
import concurrent.futures.thread  # noqa: F401
import contextlib  # noqa: F401
import copy  # noqa: F401
import csv  # noqa: F401
import dataclasses
import datetime  # noqa: F401
import decimal  # noqa: F401
import difflib  # noqa: F401
import enum  # noqa: F401
import fractions  # noqa: F401
import functools  # noqa: F401
import gc
import hashlib  # noqa: F401
import heapq  # noqa: F401
import html  # noqa: F401
import io
import itertools  # noqa: F401
import math  # noqa: F401
import operator  # noqa: F401
import os
import pathlib
import random
import re  # noqa: F401
import socket
import statistics  # noqa: F401
import string  # noqa: F401
import sys
import tempfile  # noqa: F401
import textwrap  # noqa: F401
import threading
import time  # noqa: F401
import types
import typing  # noqa: F401
import urllib.parse  # noqa: F401
import uuid  # noqa: F401
import zoneinfo  # noqa: F401
from dataclasses import dataclass
from typing import Any, NoReturn

from . import inbox, outbox
from .frames import encode
from .hardening import bind_to_agent, limit_job
from .memory import container_limit, job_memory, oom_kills
from .program import Report, run
from .request import JobRequest, ProcessLimits, RunLimits, RunRequest
from .toolcalls import CallChannel

JOB_NICENESS = 5
THREAD_STACK_BYTES = 2 * 1024 * 1024
REHEARSAL = "import json\n_ = json.loads(json.dumps({'a': [1, 2.5, 'x', None]}))\nprint(end='')\nundefined_name"


@dataclass(frozen=True)
class Worker:
    """The agent's side of the worker: its process and the ends of its pipes."""

    pid: int
    channel: socket.socket
    stdout: int
    stderr: int
    workdir: str
    memory_limit: int | None
    """Of the container, see `memory`; read while the Pod warms up, as is what follows: under gVisor a file takes a millisecond."""
    oom_kills: int


def prefork(workdir: str) -> Worker:
    """Fork the worker. Must be called before the agent starts a loop or a thread."""
    for folder in (inbox.FOLDER, outbox.FOLDER):
        os.makedirs(os.path.join(workdir, folder), exist_ok=True)
    ours, theirs = socket.socketpair()
    (stdout_read, stdout_write), (stderr_read, stderr_write) = os.pipe(), os.pipe()
    gc.collect()
    gc.freeze()
    pid = os.fork()
    if pid == 0:
        _worker_main(theirs, stdout_write, stderr_write, workdir)
    for descriptor in (stdout_write, stderr_write):
        os.close(descriptor)
    theirs.close()
    for descriptor in (stdout_read, stderr_read):
        os.set_blocking(descriptor, False)
    ours.setblocking(False)
    return Worker(
        pid=pid,
        channel=ours,
        stdout=stdout_read,
        stderr=stderr_read,
        workdir=workdir,
        memory_limit=container_limit(),
        oom_kills=oom_kills(),
    )


def start_frame(request: JobRequest, memory_limit: int | None) -> bytes:
    """What the agent tells the worker first: the job, without the token, within the memory there really is."""
    processes = {**dataclasses.asdict(request.processes), "memory_bytes": job_memory(request.processes.memory_bytes, memory_limit)}
    session = request.session
    life = request.first.limits.timeout_seconds if session is None else session.max_seconds
    terms = {"processes": processes, "life_seconds": life}
    return encode({"type": "start", "terms": terms, "run": _fields(request.first)})


def run_frame(request: RunRequest) -> bytes:
    """What it tells the worker of a session next."""
    return encode({"type": "run", "run": _fields(request)})


def _fields(request: RunRequest) -> dict[str, Any]:
    """What the worker is to know of it. Files are the agent's."""
    limits = dataclasses.asdict(request.limits)
    return {"number": request.number, "code": request.code, "params": request.params, "limits": limits, "seed": request.seed}


def _worker_main(sock: socket.socket, stdout: int, stderr: int, workdir: str) -> NoReturn:
    status = 1
    try:
        os.setsid()
        bind_to_agent()
        _connect_standard_streams(stdout, stderr)
        _close_all_but(sock.fileno())
        os.chdir(workdir)
        threading.stack_size(THREAD_STACK_BYTES)
        _rehearse()
        channel = CallChannel(sock)
        channel.send(encode({"type": "ready"}))
        _serve(channel)
        status = 0
    except (EOFError, OSError):
        pass
    finally:
        # No interpreter shutdown: atexit hooks and threads of the job have no say any more.
        os._exit(status)


def _serve(channel: CallChannel) -> None:
    frame = channel.receive()
    terms = frame["terms"]
    processes = ProcessLimits(**terms["processes"])
    os.nice(JOB_NICENESS)
    limit_job(processes, terms["life_seconds"])
    namespace = _namespace()
    # Without a session nobody sends a second one. This waits all the same: taking its memory down would take the processor from its own result.
    while _run_one(frame["run"], channel, namespace, processes.memory_bytes):
        frame = channel.next_run()


def _run_one(run_fields: dict[str, Any], channel: CallChannel, namespace: dict[str, Any], memory_bytes: int) -> bool:
    """Run and report; whether this still is the worker."""
    request = _request_of(run_fields)
    worker = os.getpid()
    if request.seed is not None:
        random.seed(request.seed)
    report = run(request, channel, namespace, memory_bytes)
    # A child that the job forked comes out of its code here as well; only the worker speaks for the job.
    if os.getpid() != worker:
        return False
    _flush_output()
    channel.send(_result_frame(request.number, report))
    return True


def _request_of(fields: dict[str, Any]) -> RunRequest:
    return RunRequest(**{**fields, "limits": RunLimits(**fields["limits"])})


def _namespace() -> dict[str, Any]:
    """That of a fresh `__main__`, where dataclasses and type hints of the job look themselves up, with the job's folders."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    here = pathlib.Path.cwd()
    vars(module).update(files=here / inbox.FOLDER, artifacts=here / outbox.FOLDER)
    return vars(module)


def _result_frame(number: int, report: Report) -> bytes:
    head = {"type": "result", "run": number}
    try:
        return encode({**head, **report})
    except (ValueError, TypeError, RecursionError) as error:
        return encode({**head, "ok": False, "error": {"kind": "result_not_json", "message": str(error)[:1000], "traceback": ""}})


def _rehearse() -> None:
    """Have an inert job come, run and be reported: the first pass through the decoder, the compiler and the traceback formatter is the slow one."""
    limits = RunLimits(timeout_seconds=1, max_calls=0, max_output_bytes=0, max_result_bytes=1000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = CallChannel(theirs)
        for code in (REHEARSAL, "1+1"):
            ours.sendall(run_frame(RunRequest(number=1, code=code, params={}, limits=limits)))
            _run_one(channel.receive()["run"], channel, _namespace(), memory_bytes=0)


def _connect_standard_streams(stdout: int, stderr: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 -- lives as long as the process
    sys.stdout, sys.stderr = _text_stream(1), _text_stream(2)


def _text_stream(descriptor: int) -> io.TextIOWrapper:
    """Line-buffered, so that a job that is killed has its whole lines delivered."""
    raw = io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))
    return io.TextIOWrapper(raw, encoding="utf-8", errors="replace", line_buffering=True)


def _close_all_but(keep: int) -> None:
    os.closerange(3, keep)
    os.closerange(keep + 1, 4096)


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # the job may have closed or replaced it
            pass
