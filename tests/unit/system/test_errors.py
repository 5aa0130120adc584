"""An error says where, what and the mend; several are one."""

import errno
import os

from entrykit.system import errors
from entrykit.system.errors import StartError


def test_an_error_is_one_of_configuration_unless_it_says_otherwise() -> None:
    assert StartError("x").status == 78
    assert StartError("x", errors.USAGE).status == 2


def test_an_error_is_a_line_of_where_what_and_mend() -> None:
    error = StartError("it is broken", hint="mend it", where="10.sh")
    assert list(error.problems) == [("10.sh", "it is broken", "mend it")]


def test_several_problems_are_one_error() -> None:
    problems = [("a", "b", "c"), ("d", "e", "")]
    error = errors.together(problems, errors.USAGE)
    assert (list(error.problems), error.status) == (problems, 2)


def test_what_the_system_said_stands_in_the_middle_of_a_sentence() -> None:
    error = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    assert errors.os_reason(error) == "no such file or directory"
