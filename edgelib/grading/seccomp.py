"""Which system calls may a submission make? Filters for the Linux kernel (seccomp, classic BPF).

Two stages. `outer` holds for everything in the sandbox: no network, no other process's memory, no new
namespaces, no changed rights on a file (/dev/null is the computer's own). `inner` is added before the first
line of student code: besides, no new process, no other program, no signal, limit or priority to another
process. A refused call fails with EPERM, as if the user lacked the right.

Format: `struct sock_filter` of linux/filter.h. Numbers: asm/unistd_64.h (x86-64) and asm-generic/unistd.h
(AArch64).
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

# name: (x86-64, AArch64); None where the architecture has no such call.
_CALLS: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chmod": (90, None),
    "chown": (92, None),
    "chroot": (161, 51),
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "execveat": (322, 281),
    "fanotify_init": (300, 262),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "fcntl": (72, 25),
    "fork": (57, None),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsetxattr": (190, 7),
    "fsopen": (430, 430),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioprio_set": (251, 30),
    "kcmp": (312, 272),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "kill": (62, 129),
    "lchown": (94, None),
    "lsetxattr": (189, 6),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "prlimit64": (302, 261),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "request_key": (249, 218),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "semget": (64, 190),
    "setns": (308, 268),
    "setpriority": (141, 140),
    "setxattr": (188, 5),
    "shmget": (29, 194),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "sync": (162, 81),
    "syncfs": (306, 267),
    "syslog": (103, 116),
    "tgkill": (234, 131),
    "tkill": (200, 130),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vfork": (58, None),
}
_INNER_ONLY = {"execve", "execveat", "fork", "kill", "tkill", "vfork", "rt_sigqueueinfo", "rt_tgsigqueueinfo"}
_INNER_ONLY |= {"ioprio_set", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler"}
_INNER_ONLY |= {"setpriority"}
_CONDITIONAL = {"clone", "clone3", "fcntl", "prlimit64", "tgkill"}
_ARCHITECTURES = {
    "x86_64": (0, 0xC000003E),
    "aarch64": (1, 0xC00000B7),
}  # column above, AUDIT_ARCH_* of linux/audit.h

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCH, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24  # offsets in struct seccomp_data; low words
_X32_BIT = 0x40000000  # x86-64 calls by their 32-bit-pointer numbers
_UNKNOWN = 451  # from here on the kernel has calls that were not thought of here
_CLONE_THREAD = 0x00010000
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_PR_SET_DUMPABLE = 4
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15


def supported() -> bool:
    """Whether the tables know this machine."""
    return platform.machine() in _ARCHITECTURES


def outer() -> bytes:
    """The filter of the whole sandbox, as `bwrap --seccomp` reads it."""
    return _program(sorted(_CALLS.keys() - _INNER_ONLY - _CONDITIONAL), [])


def inner(pid: int) -> bytes:
    """The filter of the process `pid` that runs student code: threads, but no processes."""
    column, _ = _ARCHITECTURES[platform.machine()]
    calls = {name: numbers[column] for name, numbers in _CALLS.items()}
    conditions = [
        # clone: the flags are the first argument. clone3 has them in memory, where a filter cannot look.
        *_when(
            calls["clone"], [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 1, 0, _CLONE_THREAD)], errno.EPERM
        ),
        *_when(calls["clone3"], [], errno.ENOSYS),
        *_when(calls["tgkill"], [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 1, 0, pid)], errno.EPERM),
        # limits: its own only
        *_when(calls["prlimit64"], [(_LOAD, 0, 0, _FIRST_ARGUMENT), (_EQUAL, 1, 0, 0)], errno.EPERM),
        # fcntl can have any signal sent to anybody when a file is ready
        *_when(
            calls["fcntl"],
            [
                (_LOAD, 0, 0, _SECOND_ARGUMENT),
                *((_EQUAL, skip, 0, command) for skip, command in ((2, _F_SETOWN), (1, _F_SETOWN_EX))),
                (_EQUAL, 0, 1, _F_SETSIG),
            ],
            errno.EPERM,
        ),
    ]
    return _program(sorted(_INNER_ONLY), conditions)


def confine(pid: int) -> None:
    """Put `inner(pid)` on this process, for good.

    Raises
    ------
    OSError : the kernel refused the filter.
    """
    code = inner(pid)
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(text))  # struct sock_fprog
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0
    ):
        raise OSError(ctypes.get_errno(), "the kernel refused the seccomp filter")


def hide() -> None:
    """Close what /proc shows of this process, its memory and files, to others of the same user.

    Raises
    ------
    OSError : the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel does not hide a process")


_Step = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def _when(number: int | None, test: list[_Step], refusal: int) -> list[_Step]:
    """Refuse call `number` unless `test`, which skips one step when it holds."""
    assert number is not None
    body = [*test, (_RETURN, 0, 0, _ERRNO | refusal), (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), number), *body]


def _program(denied: list[str], conditions: list[_Step]) -> bytes:
    column, architecture = _ARCHITECTURES[platform.machine()]
    steps: list[_Step] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if column == 0:
        steps += [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    steps += [(_AT_LEAST, 0, 1, _UNKNOWN), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    for name in denied:
        number = _CALLS[name][column]
        if number is not None:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    steps += [*conditions, (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
