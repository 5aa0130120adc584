"""The inits whose promises are compared: entrykit's two forms, and those that Debian has.

The same tests run with each, so that one which nothing can pass is noticed. What a peer is known
not to do stands in its `known`, by the name of a test, and is expected to fail.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .starts import Entrypoint

WITNESS = (sys.executable, "-IS", str(Path(__file__).with_name("witness.py")))
# What is known not to come is not waited for as long as what is to come.
_SHORT_PATIENCE_SECONDS = 3.0
_PR_SET_CHILD_SUBREAPER = 36

# Makes a way to start by an init: from what is wanted of it, as PID 1 unless told otherwise.
Make = Callable[..., Entrypoint]


@dataclass(frozen=True)
class Init:
    """One init; `options` are its words for what a test wants of it, or lines of a configuration.

    `known` are tests that a peer is known to fail, and why; `at_times` those that may pass.
    """

    name: str
    words: Sequence[str]
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    at_times: Mapping[str, str] = field(default_factory=dict)

    def entrypoint(
        self, scratch: Path, launcher: Path, wanted: Sequence[str], *, is_pid1: bool
    ) -> Entrypoint:
        """Return a way to start a command by it, with what is wanted."""
        told = [word for want in wanted for word in self.options.get(want, ())]
        if self.words:
            return Entrypoint([*self.words, *told, "--"], scratch, is_pid1=is_pid1)
        entrypoint = Entrypoint([str(launcher)], scratch, is_pid1=is_pid1)
        entrypoint.configure("init = true", *told)
        return entrypoint


OWN = (
    Init(
        "run",
        (sys.executable, "-m", "entrykit", "run", "--init"),
        {
            "group": ("--forward", "group"),
            "rewrites": ("--rewrite", "TERM=QUIT", "--rewrite=USR1=0,HUP=USR2"),
            "ok": ("--ok-status", "7", "--ok-status", "143"),
            "death signal": ("--parent-death-signal", "USR1"),
            "user": ("--user", "65534:65533"),
        },
    ),
    Init(
        "baked",
        (),
        {
            "group": ('forward = "group"',),
            "rewrites": ('rewrite = ["TERM=QUIT", "USR1=0", "HUP=USR2"]',),
            "ok": ("ok-status = [7, 143]",),
            "death signal": ('parent-death-signal = "USR1"',),
            "user": ('user = "65534:65533"',),
        },
    ),
)
_IN_DIRECTORY = "it stays in the directory that it was started in"
_NO_OPTION = "it has no such option"
_NO_SUBREAPER = "it never is a subreaper"
_NO_TERM = "what is left gets no TERM: the kernel kills it with the namespace"
_OWN_STATUS = "its own status says that it could not run the command, not why"
_SIGCHLD = "it takes every SIGCHLD for one of the kernel's"
_NOT_SUSPENDED = "it goes on when the command is suspended, so that a shell sees nothing"
_KEEPS_TERMINAL = "it ends with the terminal in nobody's foreground"
_STOPPED = "the command stands still for ever: nobody is there to let it go on"
_NOBODY = "the kernel hands out no more statuses: it waits for ever"
PEERS = (
    Init(
        "tini",
        ("tini",),
        {
            "group": ("-g",),
            "ok": ("-e", "7", "-e", "143"),
            "subreaper": ("-s",),
            "death signal": ("-p", "SIGUSR1"),
        },
        known={
            "test_a_script_behind_it_has_the_terminal_again": _KEEPS_TERMINAL,
            "test_a_shell_suspends_it_and_lets_it_go_on": _NOT_SUSPENDED,
            "test_ctrl_z_does_not_stop_a_container_for_ever": _STOPPED,
            "test_in_the_background_it_leaves_the_terminal_to_the_shell": "it takes the terminal",
            "test_one_in_the_background_that_reads_waits_for_the_foreground": _NOT_SUSPENDED,
            "test_a_closed_stdin_does_not_matter": "a closed stdin is fatal",
            "test_a_fault_that_was_sent_arrives": "it leaves them to the kernel",
            "test_a_signal_is_rewritten_or_dropped_as_told": _NO_OPTION,
            "test_it_does_not_wake_up_while_it_waits": "it wakes up every second",
            "test_it_keeps_no_directory_busy": _IN_DIRECTORY,
            "test_it_suspends_itself_with_the_command_and_goes_on_with_it": _NOT_SUSPENDED,
            "test_sigchld_that_was_inherited_ignored_does_not_matter": _NOBODY,
            "test_sigchld_that_was_sent_arrives": _SIGCHLD,
            "test_stop_signals_arrive_at_a_command_that_takes_them": "it ignores TTIN and TTOU",
            "test_what_is_left_gets_term_and_the_time_to_clean_up": _NO_TERM,
        },
    ),
    Init(
        "dumb-init",
        ("dumb-init",),
        {
            "child": ("--single-child",),
            "rewrites": ("-r", "15:3", "-r", "10:0", "-r", "1:12"),
        },
        known={
            "test_one_in_the_background_that_reads_waits_for_the_foreground": _NOT_SUSPENDED,
            "test_a_command_that_cannot_run_has_the_status_of_a_shell": _OWN_STATUS,
            "test_a_signal_that_waits_already_reaches_the_command": "it unblocks all first",
            "test_its_parents_end_sends_the_signal_that_was_asked_for": _NO_OPTION,
            "test_orphans_are_reaped_by_one_that_is_not_pid1": _NO_SUBREAPER,
            "test_sigchld_that_was_sent_arrives": _SIGCHLD,
            "test_statuses_that_are_as_good_as_0_are_0": _NO_OPTION,
            "test_stop_signals_arrive_at_a_command_that_takes_them": "it sends STOP in their place",
            "test_the_command_gets_the_mask_and_the_ignored_signals_that_were_given": (
                "it unblocks all, and ignores none"
            ),
            "test_what_is_left_gets_term_and_the_time_to_clean_up": "it does not wait for it",
        },
        at_times={
            "test_a_shell_suspends_it_and_lets_it_go_on": (
                "the command, in another session, may read what is typed for the shell"
            ),
            "test_a_signal_before_the_commands_exec_is_not_lost": (
                "between its fork and the exec a handler that does nothing takes it"
            ),
        },
    ),
    Init(
        "catatonit",
        ("catatonit",),
        {"group": ("-g",)},
        known={
            "test_an_interactive_shell_has_job_control": "it blocks TSTP, for jobs too",
            "test_a_script_behind_it_has_the_terminal_again": _KEEPS_TERMINAL,
            "test_a_shell_suspends_it_and_lets_it_go_on": _NOT_SUSPENDED,
            "test_ctrl_z_does_not_stop_a_container_for_ever": _STOPPED,
            "test_in_the_background_it_leaves_the_terminal_to_the_shell": "it takes the terminal",
            "test_one_in_the_background_that_reads_waits_for_the_foreground": _NOT_SUSPENDED,
            "test_a_command_that_cannot_run_has_the_status_of_a_shell": _OWN_STATUS,
            "test_a_fault_that_was_sent_arrives": "it leaves them to the kernel",
            "test_a_signal_is_rewritten_or_dropped_as_told": _NO_OPTION,
            "test_it_keeps_no_directory_busy": _IN_DIRECTORY,
            "test_it_suspends_itself_with_the_command_and_goes_on_with_it": _NOT_SUSPENDED,
            "test_its_parents_end_sends_the_signal_that_was_asked_for": _NO_OPTION,
            "test_sigchld_that_was_inherited_ignored_does_not_matter": _NOBODY,
            "test_sigchld_that_was_sent_arrives": _SIGCHLD,
            "test_statuses_that_are_as_good_as_0_are_0": _NO_OPTION,
            "test_stop_signals_arrive_at_a_command_that_takes_them": "it leaves them to the kernel",
            "test_the_command_gets_the_mask_and_the_ignored_signals_that_were_given": (
                "it blocks TSTP, TTIN and TTOU"
            ),
            "test_the_command_starts_with_no_signal_blocked": "it blocks TSTP, TTIN and TTOU",
            "test_what_is_left_gets_term_and_the_time_to_clean_up": _NO_TERM,
        },
    ),
)
INITS = (*OWN, *PEERS)


def parameter(init: Init) -> "object":
    """Return an init as a parameter of tests."""
    marks = [] if init in OWN else [pytest.mark.inits]
    return pytest.param(init, marks=marks, id=init.name)


def ways(request: pytest.FixtureRequest, scratch: Path, launcher: Path) -> "Iterator[Make]":
    """Yield what makes ways to start by an init; a test that it is known to fail must fail."""
    init: Init = request.param
    name = request.function.__name__
    made: list[Entrypoint] = []
    if name in init.known:
        request.applymarker(pytest.mark.xfail(strict=True, reason=init.known[name]))
    if name in init.at_times:
        request.applymarker(pytest.mark.xfail(strict=False, reason=init.at_times[name]))

    def make(*wanted: str, is_pid1: bool = True) -> Entrypoint:
        entrypoint = init.entrypoint(scratch, launcher, wanted, is_pid1=is_pid1)
        if name in init.known:
            entrypoint.patience_seconds = _SHORT_PATIENCE_SECONDS
        made.append(entrypoint)
        return entrypoint

    before = take_orphans()
    yield make
    for one in made:
        one.close()
    end_children(before)


def take_orphans() -> set[int]:
    """Be the parent of what loses its own, so that it can be ended; return the children so far."""
    assert ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    return set(children(os.getpid()))


def end_children(before: set[int]) -> None:
    """End all children but those that were there before, and so what descends from them."""
    while left := set(children(os.getpid())) - before:
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
