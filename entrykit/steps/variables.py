"""Variables: each declared one gets its value, and all that is wrong is reported together.

    links       of Kubernetes' services, which are as if not set
    sources     env-dirs and env-files, where there are any (entrykit.steps.sources)
    given       the variable's own value, its `_FILE`'s, or those of its deprecated names
    types       of what is given
    groups      at most one of a group is given
    defaults    constant ones, then those that refer to other variables, which are checked too
    required    and what is required with another

An empty value counts as unset throughout; where nothing gives another it passes unchanged.

Imported by a start with declared variables: builtin modules only.
"""

from entrykit.system import errors, log
from entrykit.system.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from entrykit.settings.record import Configuration, Variable
    from entrykit.steps.inherited import Environment

    # By a variable's name where its value comes from, unless it was just given: how (one of the
    # words below), and the name or path of it.
    Origins = dict[bytes, tuple[str, bytes]]

DEFAULT, FROM_FILE, OLD_NAME, SERVICE_LINK = "default", "file", "deprecated", "service-link"
ENV_DIR, ENV_FILE = "env-dir", "env-file"
_SERVICE_LINKS = (b"tcp://", b"udp://", b"sctp://")
_NOT_SHOWN = "a value that is not shown: it is secret"


def resolve(
    environment: "Environment", configuration: "Configuration", origins: "Origins"
) -> set[bytes]:
    """Give each declared variable its value; return the names of all secrets.

    Those are the declared ones and what env-dirs have given. `origins` is told where the values
    come from. Raises StartError, status 78, with
    all problems; an invalid value of a secret is not in them.
    """
    this = Resolution(environment, configuration, origins)
    # First: what is as if not set stands in the way of no source.
    this.drop_service_links()
    if configuration["env_dirs"] or configuration["env_files"]:
        from entrykit.steps import sources  # few have some

        this.secrets |= sources.read(environment, configuration, this.problems, origins)
    this.take_given()
    this.check_given()
    this.check_groups()
    this.set_defaults()
    this.check_required()
    this.say_near_misses()
    if this.problems:
        raise errors.together(this.sorted_problems())
    return this.secrets


class Resolution:
    """The variables of one start on their way to their values.

    `given` are those that the user has set; `broken` those whose value cannot be known.
    """

    __slots__ = ("_configuration", "_declared", "_environment", "_origins", "broken", "given",
                 "problems", "secrets")  # fmt: skip

    def __init__(
        self, environment: "Environment", configuration: "Configuration", origins: "Origins"
    ) -> None:
        self._origins = origins
        self._environment = environment
        self._configuration = configuration
        self._declared = configuration["env"]
        self.problems: list[errors.Problem] = []
        self.given: set[str] = set()
        self.broken: set[str] = set()
        self.secrets = {
            name.encode() for name, variable in self._declared.items() if variable.get("secret")
        }

    def drop_service_links(self) -> None:
        """Unset, for variables with a type, what Kubernetes has set for a service; say so once."""
        links = [
            spelling
            for name, variable in self._declared.items()
            if "type" in variable
            for spelling in (name, *variable.get("deprecated", ()))
            if self._drop_service_link(spelling.encode())
        ]
        if links:
            what = "is a link" if len(links) == 1 else "are links"
            log.info(f"{what} to a service of Kubernetes: as if not set", ", ".join(links))

    def take_given(self) -> None:
        """Find what the user has set, in whatever place, and put it under the variable's name."""
        for name, variable in self._declared.items():
            try:
                value = self._own_or_from_file(name, variable)
                if "deprecated" in variable:
                    value = self._take_from_old_names(name, variable, value)
            except StartError as error:
                self.problems.extend((name, *problem[1:]) for problem in error.problems)
                self.broken.add(name)
                self.given.add(name)
                continue
            if value:
                self.given.add(name)

    def _own_or_from_file(self, text_name: str, variable: "Variable") -> bytes | None:
        """Return what a name holds, taken from the file that `NAME_FILE` names where it is given.

        Raises StartError.
        """
        name = text_name.encode()
        value = self._environment.get(name)
        if not has_file(variable):
            return value
        file_name = name + b"_FILE"
        path = self._environment.get(file_name)
        if not path:
            return value
        if value:
            message = f"is set, and so is {file_name.decode()}"
            raise StartError(message, hint="set one of the two")
        from entrykit.system import secrets  # most variables have no file

        value = secrets.read_value(path, file_name.decode())
        self._environment.unset(file_name)
        self._environment.set(name, value)
        self._origins[name] = FROM_FILE, path
        return value

    def _take_from_old_names(
        self, name: str, variable: "Variable", value: bytes | None
    ) -> bytes | None:
        """Move what a deprecated name holds to the variable; no old name reaches the command.

        Raises StartError where two names hold different values.
        """
        holder = name
        for old in variable["deprecated"]:
            old_value = self._own_or_from_file(old, variable)
            self._environment.unset(old.encode())
            if not old_value:
                continue
            log.warn("is a deprecated name", old, f"set {name} instead")
            if not value:
                holder, value = old, old_value
                self._environment.set(name.encode(), value)
                self._origins[name.encode()] = OLD_NAME, old.encode()
            elif value != old_value:
                both = f"{holder} and {old}, its deprecated names,"
                if holder == name:
                    both = f"it and {old}, its deprecated name,"
                raise StartError(f"{both} are set to different values", hint=f"leave out {old}")
        return value

    def _drop_service_link(self, name: bytes) -> bool:
        """Unset a variable that Kubernetes has set for a service that is named like it.

        `APP_PORT=tcp://10.0.0.1:80` beside `APP_SERVICE_HOST`, for each service of the namespace
        (https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables).
        """
        value = self._environment.get(name) or b""
        service, port, rest = name.rpartition(b"_PORT")
        if not (port and rest[:1] in (b"", b"_") and value.startswith(_SERVICE_LINKS)):
            return False
        if self._environment.get(service + b"_SERVICE_HOST") is None:
            return False
        self._environment.unset(name)
        self._origins[name] = SERVICE_LINK, b""
        return True

    def check_given(self) -> None:
        """Check the types of what is given."""
        for name in self.given - self.broken:
            if "type" in self._declared[name]:
                self._check_type(name, self._declared[name])

    def check_groups(self) -> None:
        """Note where more than one of a group is given."""
        for members in self._configuration["groups"].values():
            first, *others = [name for name in members if name in self.given] or [""]
            if others:
                so = "so is" if len(others) == 1 else "so are"
                group = " and ".join((", ".join(members[:-1]), members[-1]))
                message = f"is set, and {so} {' and '.join(others)}: of {group} only one can be"
                self.problems.append((first, message, "unset the others"))

    def set_defaults(self) -> None:
        """Set what is not given, and whose group is not, to its default."""
        for name, variable in self._declared.items():
            if variable.get("default") and "parts" not in variable and self._may_default(name):
                value = variable["default"].encode("utf-8", "surrogateescape")
                self._environment.set(name.encode(), value)
                self._origins[name.encode()] = DEFAULT, b""
        for name in self._configuration["composed"]:
            if self._may_default(name):
                self._compose(name, self._declared[name])

    def _may_default(self, name: str) -> bool:
        if name in self.given:
            return False
        group = self._declared[name].get("exclusive")
        members = self._configuration["groups"].get(group, ()) if group else ()
        return not any(member in self.given for member in members)

    def _compose(self, name: str, variable: "Variable") -> None:
        """Make a default from the variables that it refers to."""
        pieces = []
        for position, part in enumerate(variable["parts"]):
            raw = part.encode("utf-8", "surrogateescape")
            if not position % 2:
                pieces.append(raw)
                continue
            value = self._environment.get(raw)
            if part in self.broken:
                self.broken.add(name)
            elif not value:
                self.broken.add(name)
                message = f"its default refers to {part}, which is not set"
                self.problems.append((name, message, f"set {part} or {name}"))
            elif raw in self.secrets and name.encode() not in self.secrets:
                self.broken.add(name)
                message = f"its default refers to {part}, which an env-dir gives, as a secret"
                self.problems.append((name, message, f"declare {name} secret, or set it"))
            pieces.append(value or b"")
        if name not in self.broken:
            self._environment.set(name.encode(), b"".join(pieces))
            self._origins[name.encode()] = DEFAULT, b""
            if "type" in variable:
                self._check_type(name, variable)

    def _check_type(self, name: str, variable: "Variable") -> None:
        from entrykit.settings import typed  # only what has a type needs it

        value = self._environment.get(name.encode()) or b""
        details = typed.misfit(value, variable)
        if details is None:
            return
        self.broken.add(name)
        found = _NOT_SHOWN
        if name.encode() not in self.secrets:
            found = typed.quoted(value) + (f": {details}" if details else "")
        message = f"expected {variable['expects']}, found {found}"
        self.problems.append((name, message, variable.get("help", "")))

    def check_required(self) -> None:
        """Note what is required and has no value."""
        for name, variable in self._declared.items():
            if name in self.broken or self._environment.get(name.encode()):
                continue
            other = variable.get("required_with", "")
            if variable.get("required"):
                message = "is required and not set"
            elif other and (other in self.given or self._environment.get(other.encode())):
                message = f"is required with {other}, which is set, and is not set"
            else:
                continue
            self.problems.append((name, message, self._how_to_set(name, variable)))

    def _how_to_set(self, name: str, variable: "Variable") -> str:
        ways = ["it"]
        if has_file(variable):
            ways.append(f"{name}_FILE")
        how = "set " + " or ".join(ways)
        directories = self._configuration["env_dirs"]
        if directories and variable.get("secret"):
            how += ", or mount " + " or ".join(f"{directory}/{name}" for directory in directories)
        return f"{how}: {variable['help']}" if variable.get("help") else how

    def say_near_misses(self) -> None:
        """Warn of what is set and named almost like a variable that is not."""
        unset = [name for name in self._declared if name not in self.given]
        if unset:
            from entrykit.steps import near_misses  # a start that is given all has no need

            for found, meant in near_misses.find(self._environment, self._declared, unset):
                log.warn("is set, but not known", found, f"did you mean {meant}?")

    def sorted_problems(self) -> "list[errors.Problem]":
        """Return the problems in the order in which the variables are declared."""
        order = {name: position for position, name in enumerate(self._declared)}
        return sorted(self.problems, key=lambda problem: order.get(problem[0], -1))


def has_file(variable: "Variable") -> bool:
    """Tell whether a variable's `NAME_FILE` is read."""
    return variable.get("secret", False) or variable.get("file", False)


def spellings(name: str, variable: "Variable") -> "Iterator[str]":
    """Yield the names under which a variable can be given."""
    for spelling in (name, *variable.get("deprecated", ())):
        yield spelling
        if has_file(variable):
            yield f"{spelling}_FILE"
