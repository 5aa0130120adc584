"""Finds the variables that a shell script takes from its environment, without running it.

The scanner knows quotes, comments, here-documents, substitutions and what assigns a name (POSIX
XCU 2, and bash's own); it is no parser. Where it cannot tell, it tells nothing: a name that the
file assigns anywhere is the file's own, unless `${NAME:-…}` and the like ask for it before, or
each assignment makes it from itself (`NAME=${NAME%/}`).
"""

import re
from bisect import bisect_left
from collections import Counter
from typing import NamedTuple

# Set by shells themselves, or said by engines and login to everybody (near_misses has those too).
_SHELLS_OWN = {
    "BASH", "BASHPID", "BASH_COMMAND", "BASH_ENV", "BASH_LINENO", "BASH_REMATCH", "BASH_SOURCE",
    "BASH_SUBSHELL", "BASH_VERSINFO", "BASH_VERSION", "COLUMNS", "COPROC", "DIRSTACK", "ENV",
    "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "FUNCNAME", "GROUPS", "HOSTTYPE", "IFS", "LINENO",
    "LINES", "MACHTYPE", "MAPFILE", "OPTARG", "OPTERR", "OPTIND", "OSTYPE", "PIPESTATUS", "PPID",
    "PS1", "PS2", "PS3", "PS4", "RANDOM", "REPLY", "SECONDS", "SHELLOPTS", "SRANDOM", "TMPDIR",
    "UID", "_",
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^]\n]*\])?\+?=")
_WORD = re.compile(r"[^\s;&|<>()'\"`$\\#{}=]+")
_HERE = re.compile(r"<<(-?)[ \t]*((?:\\.|'[^'\n]*'|\"[^\"\n]*\"|[^\s;&|<>()'\"\\])+)")
_EXPANSION = re.compile(r"\{[!#]?([A-Za-z_][A-Za-z0-9_]*)")
_GIVEN = re.compile(r"\$\{?ENTRYKIT_ENV\}?\"?/([A-Za-z_][A-Za-z0-9_]*)")
# `exec {NAME}>FILE`: the descriptor's number.
_DESCRIPTOR = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}[<>]")
# `[[ -v NAME`, and what may stand before `-v` there; `command -v` asks for another thing.
_IS_SET = re.compile(r"(?:\[|\btest|!|&&|\|\||-a|-o|\()[ \t]+-v[ \t]+$")
# In an arithmetic expression: a name, and what gives it a value.
_OPERAND = re.compile(
    r"(?<![A-Za-z0-9_$#{])([A-Za-z_][A-Za-z0-9_]*)(?:\[[^\]\n]*\])?"
    r"(\s*(?:\+\+|--|(?:[-+*/%&|^]|<<|>>)?=(?!=)))?"
)
_EXPRESSION = re.compile(r"([^\n]*?)\)\)")
_EVALUATED = re.compile(r"\beval[ \t]+[\"']?([A-Za-z_][A-Za-z0-9_]*)=")
_BRACED = re.compile(r"\$\{[^}]*\}")
_SOURCES = re.compile(r"(?m)(?:^|[;&|])\s*(?:\.|source)[ \t]+[^\s#]")
# Their words are names that get a value, or lose it.
_ASSIGNING = {
    "read", "for", "select", "local", "declare", "typeset", "getopts", "mapfile", "readarray",
    "unset", "let", "printf", "coproc",
}  # fmt: skip
_DEEPEST = 100
# The context of a here-document: a closer that no text has, decoded as Latin-1.
_HERE_DOCUMENT = "\ue000"


class Uses(NamedTuple):
    """What a file takes from its environment, with lines from 1; and what it gives to others."""

    reads: list[tuple[str, int]]
    gives: set[str]


class _Scanner:
    """One text on its way to its uses.

    `reads` are names, places, and whether an operator follows; `assigned` the first place of each.
    The stack holds what closes each context: `"`, `}`, `)`, "))", "`"; "" for a text's end.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.reads: list[tuple[str, int, bool]] = []
        self.assigned: dict[str, int] = {}
        # Of each name how often it is assigned, and how often from what it holds: `A=${A%/}`.
        self._assignments: Counter[str] = Counter()
        self._renewals: Counter[str] = Counter()
        self._stack: list[str] = []
        self._cases = [0]
        self._heres: list[tuple[str, bool, bool]] = []
        self._collects = self._asks = False
        # The name whose value is being read, and how deep in the stack.
        self._value: tuple[str, int] | None = None

    def makes(self, name: str) -> bool:
        """Tell whether the text gives a name a value that it does not take from the name itself."""
        return self._renewals[name] < self._assignments[name]

    def scan(self, place: int, end: int, context: str) -> None:
        """Scan from a place to an end, in a context."""
        depth = len(self._stack)
        self._stack.append(context)
        while place < end:
            place = self._step(place, end)
            if len(self._stack) > _DEEPEST:
                break
        del self._stack[depth:]

    def _step(self, place: int, end: int) -> int:  # noqa: PLR0911 - a return for each kind
        """Take what stands at a place; return the next one."""
        text, context = self.text, self._stack[-1]
        character = text[place]
        if character == "$":
            return self._dollar(place, end)
        if character == "\n" and self._heres:
            self._end_word(character)
            return self._here_documents(place + 1, end)
        if context and text.startswith(context, place) and not self._is_pattern(context):
            self._pop()
            return place + len(context)
        if character == "`" or (character == '"' and context != _HERE_DOCUMENT):
            self._push(character)
            return place + 1
        if character == "'" and not self._is_quoted():
            closing = text.find("'", place + 1)
            return closing + 1 if 0 <= closing < end else end
        if context in ("", ")", "`"):
            return self._plain(place, end)
        return place + 1 + (character == "\\")

    def _plain(self, place: int, end: int) -> int:  # noqa: PLR0911 - a return for each kind
        """Take a piece of a command outside of quotes."""
        text = self.text
        character = text[place]
        if character == "\\":
            return place + 2
        self._end_word(character)
        if character == "(":
            return self._parenthesis(place)
        if character in "\n;&|":
            return place + 1
        if character == "#" and self._is_word_start(place):
            closing = text.find("\n", place)
            return closing if 0 <= closing < end else end
        if text.startswith("<<<", place):
            return place + 3
        if character == "<" and (here := _HERE.match(text, place)):
            closing_line = re.sub(r"['\"\\]", "", here[2])
            self._heres.append((closing_line, closing_line != here[2], bool(here[1])))
            return here.end()
        word = _WORD.match(text, place)
        if descriptor := _DESCRIPTOR.match(text, place):
            self.assign(descriptor[1], place)
        if word is None:
            return place + 1
        if self._is_word_start(place):
            self._note_word(place, word)
        return word.end()

    def _end_word(self, character: str) -> None:
        """Forget what a character ends: the value of an assignment, the words of a command."""
        if character in " \t\n;&|" and self._value and self._value[1] == len(self._stack):
            self._value = None
        if character in "\n;&|(":
            self._collects = False
        if character in "\n;&|(<>":
            self._asks = False

    def _parenthesis(self, place: int) -> int:
        if self.text.startswith("((", place) and self._note_operands(place + 2, is_read=False):
            self._push("))")
            return place + 2
        self._push(")")
        return place + 1

    def _note_operands(self, place: int, *, is_read: bool) -> bool:
        """Note the names of an arithmetic expression; tell whether it is one that ends on its line.

        Else it may be a subshell in a substitution, `$((cd x; ls) | wc)`.
        """
        found = _EXPRESSION.match(self.text, place)
        if found is None:
            return False
        expression = found[1]
        is_read = is_read and not any(mark in expression for mark in ("$(", "`", "'", '"'))
        expression = _BRACED.sub(lambda found: "0" * len(found[0]), expression)
        for operand in _OPERAND.finditer(expression):
            name, is_given = operand[1], operand[2]
            if is_given or expression[: operand.start()].endswith(("++", "--")):
                self.assign(name, place)
            elif is_read:
                self._read(name, place + operand.start())
        return True

    def assign(self, name: str, place: int) -> None:
        """Note that a name is given a value."""
        self.assigned.setdefault(name, place)
        self._assignments[name] += 1

    def _read(self, name: str, place: int, *, has_operator: bool = False) -> None:
        self.reads.append((name, place, has_operator))
        if self._value and self._value[0] == name:
            self._renewals[name] += 1
            self._value = None

    def _note_word(self, place: int, word: "re.Match[str]") -> None:
        is_name = _NAME.fullmatch(word[0]) is not None
        if assignment := _ASSIGNMENT.match(self.text, place):
            self.assign(assignment[1], place)
            self._value = assignment[1], len(self._stack)
        elif self._collects and is_name:
            self.assign(word[0], place)
        elif is_name and (self._asks or _IS_SET.search(self.text, max(place - 20, 0), place)):
            self._read(word[0], place)
        if word[0] in _ASSIGNING:
            self._collects = True
        elif word[0] == "printenv":
            self._asks = True
        elif word[0] in ("in", "do"):
            self._collects = False
        elif word[0] in ("case", "esac"):
            self._cases[-1] += 1 if word[0] == "case" else -1

    def _dollar(self, place: int, end: int) -> int:
        text = self.text
        if text.startswith("$((", place):
            self._note_operands(place + 3, is_read=True)
            self._push("))")
            return place + 3
        if text.startswith("$(", place):
            self._push(")")
            return place + 2
        if text.startswith("$'", place) and not self._is_quoted():
            closing = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL).match(text, place + 2, end)
            return closing.end() + 1 if closing else end
        if text.startswith("${", place):
            name = _EXPANSION.match(text, place + 1)
            if name:
                after = text[name.end() : name.end() + 2].lstrip(":")[:1]
                self._read(name[1], place, has_operator=bool(after) and after in "-=?+")
            self._push("}")
            return name.end() if name else place + 2
        if name := _NAME.match(text, place + 1):
            self._read(name[0], place)
            return name.end()
        return place + 2

    def _here_documents(self, place: int, end: int) -> int:
        """Take the here-documents whose bodies begin at a place; return where the last ends."""
        heres, self._heres = self._heres, []
        for word, is_literal, strips in heres:
            begin = place
            while place < end:
                stop = self.text.find("\n", place, end)
                stop = end if stop < 0 else stop
                line = self.text[place:stop]
                if (line.lstrip("\t") if strips else line) == word:
                    if not is_literal:
                        self.scan(begin, place, _HERE_DOCUMENT)
                    place = stop + 1
                    break
                place = stop + 1
        return place

    def _push(self, closer: str) -> None:
        self._stack.append(closer)
        self._cases.append(0)

    def _pop(self) -> None:
        if len(self._cases) > 1:
            self._cases.pop()
        self._stack.pop()
        self._asks = False
        if self._value and self._value[1] > len(self._stack):
            self._value = None

    def _is_pattern(self, context: str) -> bool:
        """Tell whether a `)` ends a pattern of `case` rather than a substitution."""
        return context == ")" and self._cases[-1] > 0

    def _is_quoted(self) -> bool:
        """Tell whether a single quote is a character as others."""
        for context in reversed(self._stack):
            if context in ('"', _HERE_DOCUMENT, "))"):
                return True
            if context in ("", ")", "`"):
                return False
        return False

    def _is_word_start(self, place: int) -> bool:
        return place == 0 or self.text[place - 1] in " \t\n;&|()`"


def uses(content: bytes) -> Uses:
    """Return what a shell script takes from its environment, and gives by `$ENTRYKIT_ENV`.

    Of each name the first place. Where it sources other files, which may set anything, only what
    has an operator counts.
    """
    text = content.decode("latin-1")
    scanner = _Scanner(text)
    scanner.scan(0, len(text), "")
    for evaluated in _EVALUATED.finditer(text):
        scanner.assign(evaluated[1], evaluated.start())
    ends = [found.start() for found in re.finditer("\n", text)]
    sources = _SOURCES.search(text) is not None
    reads: dict[str, int] = {}
    for name, place, has_operator in scanner.reads:
        line = bisect_left(ends, place) + 1
        assigned = scanner.assigned.get(name)
        if name in _SHELLS_OWN or name in reads:
            continue
        if has_operator:
            is_own = assigned is not None and bisect_left(ends, assigned) + 1 < line
        else:
            is_own = scanner.makes(name) or sources
        if not is_own:
            reads[name] = line
    return Uses(list(reads.items()), set(_GIVEN.findall(text)))


def assigned(content: bytes) -> set[str]:
    """Return the names that a script assigns: a sourced one may give each of them to others."""
    text = content.decode("latin-1")
    scanner = _Scanner(text)
    scanner.scan(0, len(text), "")
    return set(scanner.assigned)
