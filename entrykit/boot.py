"""The start of a container, top to bottom; everything else serves this story.

    take over     environment bytes as the kernel gave them, signals blocked
    configure     defaults < /etc/entrykit.toml < ENTRYKIT_* < options of `run`
    command       prepend the program to an empty or flag-first command
    init          where it is wanted: stay, and go on in a child
    gate          a command that is not the program's gets no checks and no hooks
    environment   defaults, _FILE secrets, types: all problems reported together
    discover      the search path, an ordered list of hooks, each skipped file with its reason
    run           each hook as a child; its changes are made before the next one starts
    hand off      drop privileges, restore, exec

What runs at every start is paid for at every start: here, in steps/ and in system/ only builtin
modules are imported (re costs 4 ms, subprocess 7, tomllib 9), the rest where the story needs it.
"""

from entrykit.steps import command, configure, environment, gate, handoff, inherited, search
from entrykit.steps.state import Start
from entrykit.system import errors, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from entrykit.steps.configure import BakedConfiguration, Settings
    from entrykit.steps.discover import Discovery, Hook
    from entrykit.steps.handoff import Execute
    from entrykit.steps.inherited import Inherited


def run(
    words: list[bytes],
    baked: "BakedConfiguration | None" = None,
    execute: "Execute" = handoff.execute,
    mask: "set[int] | None" = None,
) -> int:
    """Start with the words after `run`, and become the command; return only where that failed.

    `baked` is what the launcher brings, which has no options: all its words are the command. `mask`
    are the signals that the process was given blocked, where the caller has blocked some more.
    Returns the exit status: 2 usage, 78 configuration or environment, 124 a hook's time limit,
    126 and 127 the command, 128+n a stop signal, a failed hook's own, 70 a defect of entrykit.
    """
    try:
        return start(inherited.take_over(mask), words, baked, execute)
    except StartError as error:
        log.report(error)
        return error.status
    except Exception as error:  # noqa: BLE001 - the only place that catches all
        return _defect(error)


def start(
    given: "Inherited",
    words: list[bytes],
    baked: "BakedConfiguration | None",
    execute: "Execute",
) -> int:
    """Tell the story, after the taking over; end it by an exec, or by raising StartError.

    Where only the plan is wanted, return its exit status.
    """
    settings, wanted = configure_start(given, words, baked)
    if not wanted and not settings.program:
        hint = "give one after the image's name, or set `program` in the configuration"
        raise StartError("there is no command", errors.USAGE, hint)
    this = Start(given, settings, command.complete(wanted, settings.program))
    if settings.plan:
        from entrykit.plan import show  # seldom

        return show.plan(this, [] if baked else words)
    if settings.user:
        from entrykit.steps import step_down  # most starts have no user to step down to

        this.identity = step_down.wanted(settings.user)
    if settings.configuration["init"]:
        from entrykit.steps import init  # only where it is wanted

        init.stay(this)
    try:
        if gate.is_open(this.command, settings.program, settings.other_commands):
            set_up(this)
        else:
            refuse_climbing(this)
            say_what_is_not_run(this)
        environment.hide_from_command(this.environment, settings.configuration, this.secrets)
        handoff.become(this, execute)
    finally:
        # There is no command for whom to keep anything.
        this.abandon()
    return errors.DEFECT


def configure_start(
    given: "Inherited", words: list[bytes], baked: "BakedConfiguration | None"
) -> "tuple[Settings, list[bytes]]":
    """Return the settings and the command that was asked for; ENTRYKIT_* variables are gone."""
    inherited.configure_log(given.environment)
    told, wanted = configure.read_own_variables(given.environment), words
    if not baked:
        from entrykit.settings import options  # a launcher has no options

        more, wanted = options.read_options(words)
        told |= more
    if told:
        from entrykit.settings import options  # loaded already

        log.set_level(options.log_level(told))
        if told.get("plan"):
            import sys  # loaded already

            # A plan writes nothing, and what it loads is not part of what was baked.
            sys.dont_write_bytecode = True
    settings = configure.load(told, baked)
    given.signals.stop_on(settings.configuration["stop_signals"])
    return settings, wanted


def set_up(this: Start) -> None:
    """Check the environment, find the hooks, and run them in order."""
    this.secrets = environment.resolve(this.environment, this.settings.configuration)
    found = find_hooks(this)
    refuse_climbing(this, found)
    if found and found.hooks:
        run_hooks(this, found.hooks)
        follow_user(this, found)


def find_hooks(this: Start) -> "Discovery | None":
    """Return the hooks in order, None where there is nothing to look into; say what is skipped.

    Raises StartError with all faults.
    """
    listings = search.search(this.settings)
    if not (listings or this.settings.skip or this.settings.configuration["hooks"]):
        return None
    from entrykit.steps import discover  # a start without hooks has no need

    found = discover.discover(this.settings, listings, this.search_path())
    discover.report(found, this.settings)
    return found


def refuse_climbing(this: Start, found: "Discovery | None" = None) -> None:
    """Raise StartError where the command's user can write what the start obeys as root."""
    if this.identity and this.identity.uid:
        from entrykit.steps import climbing  # only a step-down gives up privileges

        climbing.check(this.settings, this.identity, found)


def run_hooks(this: Start, hooks: "list[Hook]") -> None:
    """Run the hooks one after the other, each with what those before it have changed."""
    from entrykit.steps import changes, hook  # a start without hooks has no need

    this.directories = changes.Directories()
    environment.protect_secrets(this.environment, this.settings.configuration, this.secrets)
    hook.prepare(this)
    if any(one.user for one in hooks):
        from entrykit.steps import hook_user  # loaded already

        hook_user.prepare(this, hooks)
    for position, one in enumerate(hooks, 1):
        this.following = hooks[position:]
        this.inherited.signals.check()
        hook.run(one, this)


def follow_user(this: Start, found: "Discovery") -> None:
    """Take the command's user as the hooks have left it.

    Raises StartError where it is gone, or can write what is obeyed, now that its ids are others:
    the next start would find the image's user again, and obey.
    """
    if this.identity:
        from entrykit.steps import step_down  # loaded already

        if step_down.look_again(this):
            refuse_climbing(this, found)


def say_what_is_not_run(this: Start) -> None:
    """Say which hooks this command does not get, where there are any."""
    listings = search.search(this.settings)
    if not listings:
        return
    from entrykit.steps import discover  # a start without hooks has no need

    found = discover.discover(this.settings, listings, this.search_path())
    gate.say_what_is_not_run(found.hooks, this.command, this.settings.program)


def _defect(error: Exception) -> int:
    import traceback  # only a defect needs it

    name = type(error).__name__
    place = traceback.extract_tb(error.__traceback__)[-1]
    message = (
        f"defect of entrykit: {name} in {place.name}, line {place.lineno}; the command was not"
        " started (run it with ENTRYKIT_LOG=debug and report what it prints)"
    )
    log.defect(message, "".join(traceback.format_exception(error)))
    return errors.DEFECT
