"""The rendered files of the stock hook `40-templates.py`: a directory of templates, each a file.

All is rendered before anything is written, and written before anything takes its place. What is
there already with the same content, mode and owner is left alone. A file whose template is gone is
not removed: it may be somebody else's.
"""

import os

from entrykit.stock import rendering, section
from entrykit.system import batch, descent, errors, files, log, runtime, writing
from entrykit.system.errors import StartError, os_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from entrykit.steps.python_hook import HookStart

# In a word of `check`, the directory with the new files.
_PLACE = "{}"


class Tree:
    """One table of the section: its templates, what they became, and what of it is new.

    `templates` maps the path of a file, below `to`, to its template's path and status, `parents`
    the directories that files go into, outer ones first, to that of the templates' own, which are
    among `directories`. `changed` are those of `files` that are not there as they are to be.
    """

    def __init__(self, table: "dict[str, Any]") -> None:
        self.source = os.fsencode(table["from"]).rstrip(b"/") or b"/"
        self.target = os.fsencode(table["to"]).rstrip(b"/") or b"/"
        self.table = table
        self.templates: dict[bytes, tuple[bytes, os.stat_result]] = {}
        self.directories: dict[bytes, os.stat_result] = {}
        self.parents: dict[bytes, os.stat_result] = {}
        self.files: list[batch.File] = []
        self.changed: list[batch.File] = []

    def place(self, path: bytes) -> bytes:
        """Return the whole path of a file below `to`."""
        return self.target.rstrip(b"/") + b"/" + path


def set_up(start: "HookStart") -> str:
    """Render all templates and put in place what has changed; return what was done, for the log.

    Raises StartError, status 78, with all problems, where a template cannot be read or rendered, a
    variable is missing, a check fails or a file cannot be written; nothing has changed then,
    unless that is for a file that cannot be replaced.
    """
    config = section.of(start)
    trees = [Tree(table) for table in config.get("tables", [config])]
    problems = rendering.Problems()
    for tree in trees:
        find(tree, problems)
        tree.parents = _parents(tree)
    _find_clashes(trees, problems)
    variables = {os.fsencode(name): os.fsencode(value) for name, value in start.env.items()}
    named = {name.encode() for tree in trees for name in tree.table["secrets"]}
    for tree in trees:
        others = named - {name.encode() for name in tree.table["secrets"]}
        given = {name: value for name, value in variables.items() if name not in others}
        _render(tree, given, problems)
    if problems.count():
        raise errors.together(
            # A hook's problems are shown behind its own name.
            [
                ("", f"{place}: {message}" if place else message, hint)
                for place, message, hint in problems.all()
            ]
        )
    for tree in trees:
        tree.changed = _changed(tree)
    for tree in trees:
        if tree.changed and tree.table["check"]:
            _check(tree, start.runtime_directory)
    for tree in trees:
        _put(tree)
        _remove_leftovers(tree)
    return "; ".join(_said(tree) for tree in trees)


def _said(tree: Tree) -> str:
    count, changed = len(tree.files), len(tree.changed)
    if not count:
        suffixes = " or ".join(f"*{suffix.decode()}" for suffix in rendering.FORMATS)
        return f"no {suffixes} in {log.text(tree.source)}"
    said = f"{count} file{'s' if count > 1 else ''} in {log.text(tree.target)}"
    if not changed:
        return f"{said}, unchanged"
    return said if changed == count else f"{said}, {changed} changed"


def find(tree: Tree, problems: rendering.Problems) -> None:
    """Find the templates of a tree, links followed; note what cannot be read."""
    pending: list[tuple[bytes, tuple[tuple[int, int], ...]]] = [(b"", ())]
    while pending:
        below, around = pending.pop()
        directory = tree.source + (b"/" + below if below else b"")
        try:
            status = os.stat(directory)
            names = sorted(os.listdir(directory))
        except OSError as error:
            _, message, hint = files.cannot("read the templates in", directory, error).problems[0]
            hint = hint or "it is `from` in [templates]: make it, or name another"
            problems.add("", message, hint)
            continue
        identity = (status.st_dev, status.st_ino)
        if identity in around:
            problems.add(log.text(directory), "it is a link to a directory around it", "remove it")
            continue
        if below:
            tree.directories[below] = status
        for name in names:
            path = below + b"/" + name if below else name
            # Directories `..data` and the like are how Kubernetes keeps a volume's versions: what
            # is in them is linked to from outside.
            if _add(tree, problems, path) and not name.startswith(b".."):
                pending.append((path, (*around, identity)))


def _add(tree: Tree, problems: rendering.Problems, path: bytes) -> bool:
    """Add what lies at a path, if it is a template; tell whether it is a directory."""
    whole = tree.source + b"/" + path
    suffix = rendering.suffix_of(path.rpartition(b"/")[2])
    try:
        status = os.stat(whole)
    except OSError as error:
        if suffix:
            _, message, hint = files.cannot("read", whole, error).problems[0]
            problems.add("", message, hint)
        return False
    if files.is_directory(status.st_mode):
        return True
    target = path.removesuffix(suffix)
    if suffix and target in tree.templates:
        other = log.text(tree.templates[target][0])
        message = f"it and {other} would become the same file"
        problems.add(log.text(whole), message, "rename one of them")
    elif suffix:
        tree.templates[target] = (whole, status)
    return False


def _find_clashes(trees: list[Tree], problems: rendering.Problems) -> None:
    """Note what two tables, or a file and a directory, would put into the same place."""
    taken: dict[bytes, bytes] = {}
    for tree in trees:
        for path, (template, _) in tree.templates.items():
            place = os.path.normpath(tree.place(path))
            message = f"it would become {log.text(place)}"
            if place in taken:
                message += f", and so would {log.text(taken[place])}"
                problems.add(log.text(template), message, "rename one of them")
            elif path in tree.parents:
                message += ", where others need a directory"
                problems.add(log.text(template), message, "rename it or the directory")
            taken[place] = template


def _parents(tree: Tree) -> dict[bytes, os.stat_result]:
    found = {}
    for path in tree.templates:
        parts = path.split(b"/")[:-1]
        for length in range(1, len(parts) + 1):
            parent = b"/".join(parts[:length])
            found[parent] = tree.directories[parent]
    return found


def _render(tree: Tree, variables: dict[bytes, bytes], problems: rendering.Problems) -> None:
    names = tree.table["secrets"]
    hidden = [variables[name.encode()] for name in names if name.encode() in variables]

    def find_secret(name: str) -> bytes | None:
        if name not in names:
            message = f"{name} is not among the secrets that the templates are given"
            raise StartError(message, hint=f'add "{name}" to the section\'s `secrets`')
        # An empty one is as none.
        return variables.get(name.encode()) or None

    given = rendering.Given(variables, find_secret, hidden)
    this = rendering.Rendering(
        tree.source, given, problems, tree.table["names"], tree.table["required"]
    )
    for path, (template, status) in sorted(tree.templates.items()):
        form = rendering.FORMATS[rendering.suffix_of(template)]
        content = this.read_and_render(template, form)
        tree.files.append((path, content, *rendering.kept_owner(status)))


def _changed(tree: Tree) -> "list[batch.File]":
    """Return the files that are not there as they are to be."""
    try:
        root = descent.open_directory(tree.target)
    except FileNotFoundError:
        return tree.files
    except OSError as error:
        raise files.cannot("write into", tree.target, error) from None
    try:
        return [file for file in tree.files if not _stands(tree, root, file)]
    finally:
        os.close(root)


def _stands(tree: Tree, root: int, file: "batch.File") -> bool:
    path, content, mode, owner, group = file
    parent = path.rpartition(b"/")[0]
    try:
        directory = writing.open_below(root, parent)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _cannot_enter(tree, parent, error) from None
    try:
        return is_same(directory, tree.place(path), content, (mode, owner, group))
    finally:
        os.close(directory)


def is_same(directory: int, path: bytes, content: bytes, kept: tuple[int, int, int]) -> bool:
    """Tell whether a file is there with this content, and mode, uid and gid; no link is.

    `directory` is the descriptor of the one that it lies in. Raises StartError where a directory
    is there instead.
    """
    name = path.rpartition(b"/")[2]
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    if files.is_directory(status.st_mode):
        raise StartError(f"cannot write {log.text(path)}: a directory of that name is there")
    if not files.is_regular(status.st_mode) or status.st_size != len(content):
        return False
    if (status.st_mode & 0o7777, status.st_uid, status.st_gid) != kept:
        return False
    try:
        return files.read(name, len(content), within=directory, follow=False) == content
    except StartError:
        # It may not be readable; it is replaced then.
        return False


def _cannot_enter(tree: Tree, parent: bytes, error: OSError) -> StartError:
    shown = log.text(tree.place(parent))
    hint = "if a directory on the way is a link: none below `to` is followed"
    return StartError(f"cannot write into {shown}: {os_reason(error)}", hint=hint)


def _put(tree: Tree) -> None:
    """Put what has changed into its place."""
    if not tree.changed:
        return
    try:
        root = descent.open_directory(tree.target, make_mode=0o755)
    except OSError as error:
        raise files.cannot("make", tree.target, error) from None
    try:
        _make_directories(tree, root)
        batch.write(root, tree.place(b""), tree.changed)
    finally:
        os.close(root)


def _remove_leftovers(tree: Tree) -> None:
    """Remove what earlier starts left that were killed while they wrote."""
    try:
        root = descent.open_directory(tree.target)
    except OSError:
        return
    try:
        batch.remove_leftovers(root, tree.templates)
    finally:
        os.close(root)


def _make_directories(tree: Tree, root: int) -> None:
    """Make the directories of a tree, each as the templates' is, but for others' right to write."""
    for parent, status in tree.parents.items():
        mode, owner, group = rendering.kept_owner(status)
        try:
            batch.make_directory(root, parent, mode & 0o755 | 0o700, owner, group)
        except OSError as error:
            raise files.cannot("make", tree.place(parent), error) from None


def _check(tree: Tree, runtime_directory: str) -> None:
    """Run the section's check on the new files, in a directory that looks as `to` will.

    Raises StartError, status 78, where it does not end with 0; its output stands in the log.
    """
    if not runtime_directory:
        message = "there is no place for the files to check in /run, /dev/shm or /tmp"
        raise StartError(message, hint=runtime.mend())
    staging = os.fsencode(f"{runtime_directory}/templates-{os.urandom(8).hex()}")
    try:
        writing.make_directory(staging, 0o700)
        root = writing.open_directory(staging)
    except OSError as error:
        raise files.cannot("make", staging, error) from None
    try:
        _stage(tree, root, staging)
        _run_check([word.replace(_PLACE, os.fsdecode(staging)) for word in tree.table["check"]])
    finally:
        os.close(root)
        _remove(staging)


def _remove(staging: bytes) -> None:
    try:
        writing.remove_tree(staging)
    except OSError as error:
        raise files.cannot("remove", staging, error) from None


def _stage(tree: Tree, root: int, staging: bytes) -> None:
    """Write all files of a tree, and link to what else lies beside their places."""
    _make_directories(tree, root)
    batch.write(root, staging + b"/", tree.files, sync=False)
    ours = {*tree.templates, *tree.parents}
    for parent in (b"", *tree.parents):
        place = tree.place(parent).rstrip(b"/")
        try:
            names = os.listdir(place)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise files.cannot("read", place, error) from None
        for name in names:
            path = parent + b"/" + name if parent else name
            if path not in ours:
                try:
                    os.symlink(place + b"/" + name, path, dir_fd=root)
                except OSError as error:
                    raise files.cannot("make", staging + b"/" + path, error) from None


def _run_check(words: list[str]) -> None:
    import subprocess  # only what has changed is checked

    shown = " ".join(words)
    nothing = "nothing has changed"
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    except OSError as error:
        message = f"cannot run the check `{shown}`: {os_reason(error)}; {nothing}"
        raise StartError(message, hint="`check` names a program and its words") from None
    if done.returncode:
        code = done.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"failed with exit status {code}"
        message = f"the check `{shown}` {how}; {nothing}"
        raise StartError(message, hint="what it said stands above")
