"""Renders `*.j2` templates with Jinja2, and goes on after what is missing, to name all of it.

No sandbox: a template is the image's, and may do what a hook may. No HTML either: values stand in
the output as they are.
"""

import sys
from typing import TYPE_CHECKING, Any

from jinja2 import (
    BaseLoader,
    Environment,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    Undefined,
    pass_context,
)
from jinja2.loaders import split_template_path
from jinja2.utils import missing, object_type_repr

from entrykit.stock import filters, rendering
from entrykit.system import files, log
from entrykit.system.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from jinja2.runtime import Context

FILE_LIMIT_BYTES = 1 << 20
_ENCODING = ("utf-8", "surrogateescape")
_DEFAULT_HINT = 'set it, or write for instance {{ NAME | default("…") }}'
# The class's name, which stands in Python's errors about types.
_MISSING = "a name that is not set"
# Exceptions whose text is about types and forms; others' may hold a value.
_TELLING = (TemplateError, TypeError, ZeroDivisionError)
_UNPACKING = ("not enough values to unpack", "too many values to unpack")


class Renderer:
    """Renders the templates of one directory: the one that includes and imports start from."""

    def __init__(
        self, directory: bytes, given: rendering.Given, problems: rendering.Problems
    ) -> None:
        self._directory = directory
        self._given = given
        self._problems = problems
        self._hidden = {raw.decode(*_ENCODING) for raw in given.hidden}
        self._current = ""
        self._environ = {
            name.decode(*_ENCODING): value.decode(*_ENCODING)
            for name, value in given.variables.items()
        }
        environment = Environment(
            undefined=type(_MISSING, (_Missing,), {"__slots__": (), "note": self.note_missing}),
            loader=_Loader(directory),
            autoescape=False,  # noqa: S701 - the output is no HTML
            keep_trailing_newline=True,
            auto_reload=False,
            # Nothing is computed ahead, in branches that are never run: it has no line yet.
            optimized=False,
            finalize=_as_it_is,
        )
        environment.filters |= {**filters.FILTERS, "required": self._required}
        environment.globals |= {"env": self._environ, "file": self._file, "secret": self._secret}
        self._environment = environment
        # The functions keep their names, whatever the variables are called.
        self._names = {
            name: value
            for name, value in self._environ.items()
            if name.isidentifier() and name not in environment.globals
        }

    def render(self, path: bytes, content: bytes) -> bytes:
        """Return what a template's content becomes; note what is wrong, and return anything."""
        self._current = log.text(path)
        environment = self._environment
        if b"\r\n" in content and content.count(b"\r\n") == content.count(b"\n"):
            # Jinja writes all line ends alike. Its overlay() takes them as an argument since 3.1.2.
            environment = environment.overlay()
            environment.newline_sequence = "\r\n"
        before = self._problems.count()
        try:
            code = environment.compile(content.decode(*_ENCODING), None, self._current)
            template = Template.from_code(environment, code, environment.make_globals(None))
            context = template.new_context(self._names)
            return "".join(template.root_render_func(context)).encode(*_ENCODING)
        except Exception as error:  # noqa: BLE001 - a template may raise anything
            if isinstance(error, TemplateSyntaxError) or self._problems.count() == before:
                # Else it most likely comes of what is missing.
                self._note_error(error)
            return b""

    def note_missing(self, undefined: Undefined) -> None:
        """Note a use of what is undefined, at the template's line that runs."""
        within = undefined._undefined_obj  # noqa: SLF001
        name: object = undefined._undefined_name  # noqa: SLF001
        if isinstance(name, Undefined):
            # Asked for by a name that is itself not set.
            self.note_missing(name)
            return
        hint = _DEFAULT_HINT if self._is_variable(undefined) else ""
        if undefined._undefined_hint or not (within is missing or self._may_show(name)):  # noqa: SLF001
            message = undefined._undefined_hint or f"{object_type_repr(within)} has no such element"  # noqa: SLF001
        elif hint:
            message = f"{name} is not set"
        else:
            message = undefined._undefined_message  # noqa: SLF001
        self._note(_place(sys._getframe()), message, hint)  # noqa: SLF001

    def _may_show(self, name: object) -> bool:
        """Tell whether what was asked for is the template's own word, or tells nothing secret."""
        if _is_written(name, sys._getframe()):  # noqa: SLF001
            return True
        text = str(name).lower()
        hidden = [value.lower() for value in self._hidden if value.strip()]
        return not any(text in value or value in text for value in hidden)

    def _is_variable(self, undefined: Undefined) -> bool:
        within = undefined._undefined_obj  # noqa: SLF001
        is_name = within is missing or within is self._environ
        return is_name and not undefined._undefined_hint  # noqa: SLF001

    def _note(self, place: str, message: str, hint: str) -> None:
        for form in sorted(self._hidden_forms(), key=len, reverse=True):
            # The longest first: one may be the beginning of another.
            message = message.replace(form, "***")
        message = log.text(" ".join(message.split()).encode("utf-8", "surrogateescape"))
        self._problems.add(place or self._current, message, hint)

    def _hidden_forms(self) -> set[str]:
        """Return the hidden values as messages write them: as they are, and with escapes."""
        values = [value for value in self._hidden if value.strip()]
        return {
            form
            for value in values
            for form in (value, repr(value)[1:-1], log.text(value.encode(*_ENCODING)))
        }

    def _note_error(self, error: Exception) -> None:
        place = ""
        trace = error.__traceback__
        while trace is not None:
            place = _place(trace.tb_frame, trace.tb_lineno, outwards=False) or place
            trace = trace.tb_next
        if isinstance(error, TemplateSyntaxError):
            place = f"{error.filename or self._current}:{error.lineno}"
            self._note(place, error.message or "it is no template", "")
        elif isinstance(error, TemplateNotFound):
            message = f"cannot find the template {error.name}"
            hint = f"its path starts from {log.text(self._directory)}, and does not leave it"
            self._note(place, message, hint)
        elif isinstance(error, StartError):
            for what, message, hint in error.problems:
                self._note(place, f"{what} {message}" if what else message, hint)
        elif isinstance(error, _TELLING) or (
            isinstance(error, ValueError)
            and (_is_from_filters(error) or str(error).startswith(_UNPACKING))
        ):
            self._note(place, str(error), "")
        else:
            self._note(place, f"ends in {type(error).__name__}", "")

    @pass_context
    def _required(self, _: "Context", value: Any, message: str = "") -> Any:
        if isinstance(value, Undefined) or value is None or value == "":
            said = message or "a value that is required is not set"
            if isinstance(value, Undefined) and self._is_variable(value):
                name = value._undefined_name  # noqa: SLF001
                said = f"{name} is not set" + (f": {message}" if message else "")
            self._note(_place(sys._getframe()), said, "")  # noqa: SLF001
            return ""
        return value

    def _file(self, path: str) -> str:
        raw = str(path).encode(*_ENCODING)
        if not raw.startswith(b"/"):
            raw = self._directory + b"/" + raw
        text = files.read(raw, FILE_LIMIT_BYTES).decode(*_ENCODING)
        # It may be a secret.
        self._hidden |= {text, text.strip()}
        return text

    def _secret(self, name: object) -> Any:
        if isinstance(name, Undefined):
            return name
        value = self._given.find_secret(str(name))
        if value is None:
            return self._environment.undefined(name=str(name))
        text = value.decode(*_ENCODING)
        self._hidden.add(text)
        return text


@pass_context
def _as_it_is(_: "Context", value: object) -> object:
    """Return a value that is to be written; what wants the context is not called ahead."""
    return value


class _Missing(Undefined):
    """What jinja2's StrictUndefined is, but it notes its use, and then goes on as nothing."""

    __slots__ = ()

    @staticmethod
    def note(undefined: Undefined) -> None:
        """Note a use; each Renderer has its own."""

    def _go_on(self, *_: object, **__: object) -> Any:
        self.note(self)
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._go_on()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _go_on
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = _go_on
    __mod__ = __rmod__ = __pos__ = __neg__ = __pow__ = __rpow__ = _go_on
    __call__ = __getitem__ = _go_on

    def __bool__(self) -> bool:
        self.note(self)
        return False

    def _compare(self, _: object) -> bool:
        return bool(self)

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _compare  # type: ignore[assignment]

    def __len__(self) -> int:
        self.note(self)
        return 0

    __hash__ = __int__ = __len__  # type: ignore[assignment]

    def __float__(self) -> float:  # type: ignore[override]
        return float(int(self))

    def __str__(self) -> str:
        self.note(self)
        return ""

    def __iter__(self) -> "Iterator[Any]":
        self.note(self)
        return iter(())


class _Loader(BaseLoader):
    """Finds what templates include and import: below the directory, in any bytes."""

    def __init__(self, directory: bytes) -> None:
        self._directory = directory

    def get_source(self, _: Environment, template: str) -> tuple[str, str, None]:
        pieces = [piece.encode(*_ENCODING) for piece in split_template_path(template)]
        path = b"/".join((self._directory, *pieces))
        try:
            content = files.read(path, rendering.LIMIT_BYTES)
        except StartError as error:
            if "no such file" in str(error):
                raise TemplateNotFound(template) from None
            raise
        return content.decode(*_ENCODING), log.text(path), None


def _place(frame: "FrameType | None", line: int = 0, *, outwards: bool = True) -> str:
    """Return path and line of the innermost template in a frame and those around it, or ""."""
    while frame is not None:
        template = frame.f_globals.get("__jinja_template__")
        if template is not None:
            number = template.get_corresponding_lineno(line or frame.f_lineno)
            return f"{template.filename}:{number}"
        if not outwards:
            return ""
        frame = frame.f_back
    return ""


def _is_written(name: object, frame: "FrameType | None") -> bool:
    """Tell whether a name stands in a template that runs, alone or in a path of attributes."""
    while frame is not None:
        if "__jinja_template__" in frame.f_globals and _holds(frame.f_code.co_consts, name):
            return True
        frame = frame.f_back
    return False


def _holds(constants: tuple[object, ...], name: object) -> bool:
    return any(
        constant == name
        or (isinstance(constant, str) and name in constant.split("."))
        or (isinstance(constant, tuple) and _holds(constant, name))
        for constant in constants
    )


def _is_from_filters(error: Exception) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__") == filters.__name__
