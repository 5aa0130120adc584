"""The system calls that a start in a sandbox is refused, as engines refuse them to a container.

No namespace keeps apart what these reach: the keys of the machine's users (keyrings(7)), sockets to
the hypervisor (vsock(7)), and what root of one more user namespace may mount, such as the machine's
control groups, writable. io_uring(7) makes sockets that no filter sees. A filter of classic BPF
(seccomp(2)) looks at each call's number, and at its first argument.
"""

import ctypes
import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    Instruction = tuple[int, int, int, int]

# As audit(7) numbers architectures: a process may use the numbers of each that its machine has.
# The numbers of add_key, request_key and keyctl; of unshare and clone; of socket and socketcall,
# whose arguments lie in memory, where a filter cannot look.
_ARCHITECTURES = (
    (0xC000003E, (248, 249, 250), (272, 56), 41, ()),  # x86_64
    (0x40000003, (286, 287, 288), (310, 120), 359, (102,)),  # i386
    (0xC00000B7, (217, 218, 219), (97, 220), 198, ()),  # aarch64
    (0x40000028, (309, 310, 311), (337, 120), 281, ()),  # arm
    (0xC00000F3, (217, 218, 219), (97, 220), 198, ()),  # riscv64
    (0xC0000102, (217, 218, 219), (97, 220), 198, ()),  # loongarch64
)
# One number on every architecture. clone3(2) has its flags in memory: who gets ENOSYS calls clone.
_IO_URING_SETUP, _CLONE3 = 425, 435
# x86_64's numbers with this bit are those of x32.
_X32 = 0x40000000
_NEW_USER, _AF_VSOCK = 0x10000000, 40
# Of classic BPF, as linux/filter.h has them.
_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in struct seccomp_data; the low half of the first argument.
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


def refuse() -> None:
    """Refuse them to this process and all that it starts. Raises OSError."""
    instructions = _program()
    code = b"".join(struct.pack("=HBBI", *one) for one in instructions)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(instructions), ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.c_char_p(program), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "seccomp")


def _program() -> "list[Instruction]":
    program: list[Instruction] = []
    for architecture, keys, namespaces, socket, unseen in _ARCHITECTURES:
        rules: list[Instruction] = [(_LOAD, 0, 0, _NUMBER)]
        if architecture == _ARCHITECTURES[0][0]:
            rules += [(_AT_LEAST, 0, 1, _X32), _answer(errno.EPERM)]
        for number in (*keys, *unseen, _IO_URING_SETUP):
            rules += [(_EQUAL, 0, 1, number), _answer(errno.EPERM)]
        rules += [(_EQUAL, 0, 1, _CLONE3), _answer(errno.ENOSYS)]
        for number in namespaces:
            rules += _by_argument(number, _HAS_BITS, _NEW_USER)
        rules += _by_argument(socket, _EQUAL, _AF_VSOCK)
        rules.append((_RETURN, 0, 0, _ALLOW))
        program += [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 0, len(rules), architecture), *rules]
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _by_argument(number: int, test: int, value: int) -> "list[Instruction]":
    """Return what refuses a call by its first argument, and allows it with any other."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _ARGUMENT),
        (test, 0, 1, value),
        _answer(errno.EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]


def _answer(number: int) -> "Instruction":
    return _RETURN, 0, 0, _REFUSE | number
