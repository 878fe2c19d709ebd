"""Where the value that an instruction yields is put: read from the bytecode that follows it.

No source is needed, nothing is run, and what is found is the same in each run. The instructions after the
one at hand are gone through with a stack of texts on which the value is marked, until it is stored, returned or
lost. What has been put on the stack since the beginning of the statement is known as well, so that the receiver of
``self.queues.append(...)`` is.
"""

from __future__ import annotations

import dis
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any

from bpexporter.naming.targets import (
    NULL,
    PASSING,
    UNKNOWN,
    VALUE,
    Constant,
    Target,
    argument_of,
    key_of,
    placed,
    text_of,
)

MOST_STEPS = 120
# Instructions after which a new statement begins.
ENDS = ("STORE_", "POP_TOP", "RETURN_", "RESUME", "DELETE_", "RAISE_", "IMPORT_")
NOTHING = {"CACHE", "EXTENDED_ARG", "NOP", "NOT_TAKEN", "PRECALL", "RESUME", "MAKE_CELL", "COPY_FREE_VARS", "END_SEND"}
# Where a coroutine that waits stands: from 3.13 on after the instruction that has yielded.
WAITS = (("RESUME", "YIELD_VALUE"), ("YIELD_VALUE", "SEND"))
# Entries that a call takes besides its arguments.
CALLS = {"CALL": 2, "CALL_KW": 3}
ENTER = "__enter__"  # the function on the stack that begins a ``with``
LAST = {"RETURN_VALUE", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "RETURN_CONST"}


@lru_cache(maxsize=8)
def instructions_of(code: CodeType) -> tuple[list[dis.Instruction], list[int]]:
    """The instructions of `code`, and at which offset each is; kept, for a long function may make many objects."""
    instructions = list(dis.get_instructions(code))
    return instructions, [instruction.offset for instruction in instructions]


class Walk:
    """The way of one value through the instructions of `code`."""

    def __init__(self, code: CodeType, offset: int, inside: int | None) -> None:
        self.code = code
        self.instructions, self.offsets = instructions_of(code)
        self.at = max(0, bisect_right(self.offsets, offset) - 1)
        for waits, before in WAITS:
            if self.instructions[self.at].opname == waits and self.instructions[self.at - 1].opname == before:
                self.at -= 1
        self.stack: list[Any] = []
        self.inside = inside
        self.key = ""
        self.names: tuple[str, ...] = ()
        self.lost = False
        self.entering = False  # the value is about to be awaited, and gives itself

    def target(self) -> Target | None:
        """Where the value is put; ``None`` where that cannot be told."""
        found = self._begin()
        for _ in range(MOST_STEPS):
            if found is not None or self.lost or self.at >= len(self.instructions):
                break
            found = self._step()
        return found._replace(key=found.key or self.key) if found is not None else None

    # The statement so far -----------------------------------------------------------------------

    def _begin(self) -> Target | None:
        yielding = self.instructions[self.at]
        before, self.at = self.at, self._statement()
        while self.at < before and not self.lost:
            self._approach(before)
        self.at = before
        owner = text_of(self._entry(2))
        self._yield(yielding)
        if yielding.opname == "SEND":
            self._jump(yielding.argval)
        else:
            self.at += 1
        subscript = yielding.opname == "BINARY_SUBSCR" or yielding.argrepr == "[]"
        return placed(owner, "") if subscript and owner != UNKNOWN else None

    def _yield(self, instruction: dis.Instruction) -> None:
        if instruction.opname in CALLS:
            self.pop(CALLS[instruction.opname] + (instruction.arg or 0))
        else:
            self.pop(2 if instruction.opname == "SEND" or instruction.opname.startswith("BINARY_") else 1)
        self.lost, self.names = False, ()
        self.stack.append(VALUE)

    def _statement(self) -> int:
        at = self.at
        while at and not self.instructions[at - 1].opname.startswith(ENDS):
            at -= 1
        return at

    def _approach(self, end: int) -> None:
        instruction = self.instructions[self.at]
        jump = self._index(instruction)
        if jump is None:
            self._step()
        elif jump > end and instruction.opname not in LAST:  # not taken, or we were not here
            self._consume(instruction)
            self.at += 1
        elif jump > self.at and self.instructions[jump - 1].opname in LAST:
            self._consume(instruction)
            self.at = jump
        else:
            self.stack.clear()
            self.at += 1

    def _index(self, instruction: dis.Instruction) -> int | None:
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            return max(0, bisect_right(self.offsets, instruction.argval) - 1)
        return None

    # One instruction ----------------------------------------------------------------------------

    def _step(self) -> Target | None:
        instruction = self.instructions[self.at]
        self.at += 1
        if instruction.opname in NOTHING:
            return None
        handler = HANDLERS.get(instruction.opname)
        if handler is not None:
            return handler(self, instruction)
        self._consume(instruction)
        return None

    def _consume(self, instruction: dis.Instruction) -> None:
        """What an instruction without a handler does to the stack, as far as that counts here."""
        argument = instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None
        effect = dis.stack_effect(instruction.opcode, argument, jump=False)
        if effect >= 0:
            self.stack += [UNKNOWN] * effect
        else:
            self.lost |= VALUE in self.pop(-effect)

    def call(self, entries: int) -> list[Any]:
        """Take what a call takes, and put its result."""
        taken = self.pop(entries)
        self.stack.append(UNKNOWN)
        return taken

    def pop(self, entries: int = 1) -> list[Any]:
        """The uppermost entries, lowest first; below what is known is what is not."""
        if not entries:
            return []
        taken = self.stack[-entries:]
        del self.stack[-entries:]
        return [UNKNOWN] * (entries - len(taken)) + taken

    def _entry(self, depth: int) -> Any:
        return self.stack[-depth] if depth <= len(self.stack) else UNKNOWN

    def _jump(self, offset: int) -> None:
        self.at = max(0, bisect_right(self.offsets, offset) - 1)

    # Handlers -----------------------------------------------------------------------------------

    def load(self, instruction: dis.Instruction) -> None:
        """A name."""
        names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
        self.stack += names
        if instruction.opname == "LOAD_GLOBAL" and instruction.arg is not None and instruction.arg & 1:
            self.stack.append(NULL)

    def load_constant(self, instruction: dis.Instruction) -> None:
        """A constant."""
        self.stack.append(Constant(instruction.argval))

    def load_attribute(self, instruction: dis.Instruction) -> None:
        """An attribute, or a method and what it is bound to."""
        owner = self.pop()[0]
        if owner is VALUE:
            self.lost = True
            return
        self.stack.append(f"{text_of(owner)}.{instruction.argval}")
        is_method = instruction.opname == "LOAD_METHOD" or "NULL|self" in instruction.argrepr
        if is_method:
            self.stack.append(text_of(owner))

    def load_super(self, instruction: dis.Instruction) -> None:
        """An attribute of ``super()``, or a method and what it is bound to."""
        self.pop(3)
        self.stack.append(f"{UNKNOWN}.{instruction.argval}")
        if "NULL|self" in instruction.argrepr:
            self.stack.append(UNKNOWN)

    def push_null(self, instruction: dis.Instruction) -> None:
        """The mark of a call that is bound to nothing."""
        self.stack.append(NULL)

    def store(self, instruction: dis.Instruction) -> Target | None:
        """One name, or two."""
        names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
        if self.pop()[0] is VALUE:
            how = "global" if instruction.opname == "STORE_GLOBAL" else "name"
            return Target(how, names[0])
        if instruction.opname == "STORE_FAST_LOAD_FAST":
            self.stack.append(names[1])
        elif len(names) == 2 and self.pop()[0] is VALUE:
            return Target("name", names[1])
        return None

    def store_attribute(self, instruction: dis.Instruction) -> Target | None:
        """An attribute."""
        value, owner = self.pop(2)
        return Target("attribute", instruction.argval, text_of(owner)) if value is VALUE else None

    def store_element(self, instruction: dis.Instruction) -> Target | None:
        """An element of a container."""
        value, owner, key = self.pop(3)
        return placed(text_of(owner), key_of(key)) if value is VALUE else None

    def copy(self, instruction: dis.Instruction) -> None:
        """An entry once more."""
        self.stack.append(self._entry(instruction.arg or 1))

    def swap(self, instruction: dis.Instruction) -> None:
        """Two entries change places."""
        entries = self.pop(instruction.arg or 1)
        entries[0], entries[-1] = entries[-1], entries[0]
        self.stack += entries

    def build(self, instruction: dis.Instruction) -> None:
        """A list, a tuple or a set: what holds the value goes on as the value."""
        entries = self.pop(instruction.arg or 0)
        if VALUE in entries and instruction.opname == "BUILD_TUPLE" and len(entries) > 1:
            self.inside = entries.index(VALUE)
        self.stack.append(VALUE if VALUE in entries else UNKNOWN)

    def build_map(self, instruction: dis.Instruction) -> None:
        """A mapping; a constant key tells its values apart."""
        count = instruction.arg or 0
        if instruction.opname == "BUILD_MAP":
            entries = self.pop(2 * count)
            keys, values = entries[::2], entries[1::2]
        else:
            names = self.pop()[0]
            keys = [Constant(name) for name in names.value] if isinstance(names, Constant) else []
            values = self.pop(count)
        if VALUE in values and len(keys) == len(values):
            self.key = key_of(keys[values.index(VALUE)])
        self.stack.append(VALUE if VALUE in values else UNKNOWN)

    def insert(self, instruction: dis.Instruction) -> None:
        """An element more, in a display or in a comprehension, whose end is looked for."""
        entries = self.pop(2 if instruction.opname == "MAP_ADD" else 1)
        if VALUE not in entries:
            return
        self.stack = [VALUE]
        if instruction.arg != 1:
            later = range(self.at, len(self.instructions))
            self.at = next((n for n in later if self.instructions[n].opname.startswith("JUMP_BACKWARD")), self.at)

    def merge(self, instruction: dis.Instruction) -> None:
        """All elements of one container into another."""
        if self.pop()[0] is VALUE:
            self.pop(instruction.arg or 1)
            self.stack.append(VALUE)

    def unpack(self, instruction: dis.Instruction) -> None:
        """The elements of a tuple, the first uppermost."""
        count = instruction.arg or 0
        held = self.pop()[0] is VALUE
        self.lost |= held and self.inside is None
        self.stack += [VALUE if held and number == self.inside else UNKNOWN for number in reversed(range(count))]
        self.inside = None if held else self.inside

    def keyword_names(self, instruction: dis.Instruction) -> None:
        """The names of the last arguments of the call that follows."""
        self.names = self.code.co_consts[instruction.arg or 0]

    def function_call(self, instruction: dis.Instruction) -> Target | None:
        """A call: a keyword argument names the value, a method of a container puts it there."""
        count = instruction.arg or 0
        if instruction.opname == "CALL_KW":
            names = self.pop()[0]
            self.names = names.value if isinstance(names, Constant) else ()
        (first, second, *arguments), names = self.call(count + 2), self.names
        self.names = ()
        if first == ENTER:
            self.stack[-1] = second
        if VALUE not in arguments:
            return None
        function, bound = (second, NULL) if first == NULL else (first, second)
        if text_of(function).rpartition(".")[2] in PASSING and (not names or function == "dict"):
            self.key = dict(zip(reversed(arguments), reversed(names), strict=False)).get(VALUE, self.key)
            self.stack[-1] = VALUE
            return None
        self.lost = True
        return argument_of(text_of(function), text_of(bound), arguments, names)

    def returned(self, instruction: dis.Instruction) -> Target | None:
        """The end of the function."""
        if self.pop()[0] is VALUE:
            return Target("returned", inside=self.inside)
        self.lost = True
        return None

    def yielded(self, instruction: dis.Instruction) -> Target | None:
        """An element of a generator expression; what other generators yield is anybody's."""
        self.lost = self.code.co_name != "<genexpr>"
        return self.returned(instruction) if not self.lost else None

    def awaited(self, instruction: dis.Instruction) -> None:
        """Something else is awaited on the way, as the end of ``async with`` is."""
        taken = self.pop(2)
        self.lost |= VALUE in taken and not self.entering
        self.stack.append(VALUE if VALUE in taken else UNKNOWN)
        self.entering = False
        self._jump(instruction.argval)

    def entered(self, instruction: dis.Instruction) -> None:
        """``with`` or ``async with``: what it gives is taken to be the manager itself, as clients and pools do."""
        manager = self.pop()[0]
        self.stack += [UNKNOWN, manager]
        self.entering = manager is VALUE and "ASYNC" in instruction.opname

    def load_special(self, instruction: dis.Instruction) -> None:
        """The same from 3.14 on: the methods that begin and end it, each with the manager to which it is bound."""
        manager = self.pop()[0]
        enters = "enter" in instruction.argrepr
        self.stack += [ENTER if enters else UNKNOWN, manager if enters else UNKNOWN]
        self.entering |= manager is VALUE and "aenter" in instruction.argrepr

    def jump(self, instruction: dis.Instruction) -> None:
        """On; at the end of a loop, out of it."""
        self._jump(instruction.argval)
        here = self.instructions[self.at]
        if here.opname == "FOR_ITER":
            self._jump(here.argval)
            self._leave()

    def _leave(self) -> None:
        while self.instructions[self.at].opname in ("END_FOR", "POP_ITER") or (
            self.instructions[self.at].opname == "POP_TOP" and self.instructions[self.at - 1].opname == "END_FOR"
        ):
            self.at += 1


HANDLERS: dict[str, Callable[[Walk, dis.Instruction], Target | None]] = {
    **dict.fromkeys(("LOAD_FAST", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF", "LOAD_FAST_CHECK"), Walk.load),
    **dict.fromkeys(("LOAD_CLASSDEREF", "LOAD_FAST_AND_CLEAR", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW"), Walk.load),
    **dict.fromkeys(("LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_CLOSURE"), Walk.load),
    **dict.fromkeys(("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT"), Walk.load_constant),
    **dict.fromkeys(("LOAD_ATTR", "LOAD_METHOD"), Walk.load_attribute),
    **dict.fromkeys(("STORE_NAME", "STORE_FAST", "STORE_GLOBAL", "STORE_DEREF"), Walk.store),
    **dict.fromkeys(("STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST"), Walk.store),
    **dict.fromkeys(("BUILD_LIST", "BUILD_TUPLE", "BUILD_SET"), Walk.build),
    **dict.fromkeys(("BUILD_MAP", "BUILD_CONST_KEY_MAP"), Walk.build_map),
    **dict.fromkeys(("LIST_APPEND", "SET_ADD", "MAP_ADD"), Walk.insert),
    **dict.fromkeys(("LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE"), Walk.merge),
    **dict.fromkeys(("CALL", "CALL_KW"), Walk.function_call),
    **dict.fromkeys(("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_ABSOLUTE"), Walk.jump),
    "LOAD_SUPER_ATTR": Walk.load_super,
    "STORE_ATTR": Walk.store_attribute,
    "STORE_SUBSCR": Walk.store_element,
    "PUSH_NULL": Walk.push_null,
    "COPY": Walk.copy,
    "SWAP": Walk.swap,
    "UNPACK_SEQUENCE": Walk.unpack,
    "SEND": Walk.awaited,
    **dict.fromkeys(("BEFORE_WITH", "BEFORE_ASYNC_WITH"), Walk.entered),
    "LOAD_SPECIAL": Walk.load_special,
    "KW_NAMES": Walk.keyword_names,
    "RETURN_VALUE": Walk.returned,
    "YIELD_VALUE": Walk.yielded,
}


def target_of(code: CodeType, offset: int, inside: int | None = None) -> Target | None:
    """Where the value that the instruction of `code` at `offset` yields is put; `inside`: it is in a tuple there."""
    return Walk(code, offset, inside).target()
