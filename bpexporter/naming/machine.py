"""The stack of texts and the place in the code while the way of one value is followed."""

from __future__ import annotations

import dis
from bisect import bisect_right
from functools import lru_cache
from types import CodeType
from typing import Any

from bpexporter.naming.targets import NULL, UNKNOWN, VALUE

# The place at which a coroutine waits: from 3.13 on after the instruction that has yielded.
WAITS = (("RESUME", "YIELD_VALUE"), ("YIELD_VALUE", "SEND"))


@lru_cache(maxsize=8)
def instructions_of(code: CodeType) -> tuple[list[dis.Instruction], list[int]]:
    """The instructions of `code`, and at which offset each is; kept, for a long function may make many objects."""
    instructions = list(dis.get_instructions(code))
    return instructions, [instruction.offset for instruction in instructions]


class Machine:
    """The place in the instructions of `code`, and what is known of its stack there."""

    def __init__(self, code: CodeType, offset: int, inside: int | None) -> None:
        self.code = code
        self.instructions, self.offsets = instructions_of(code)
        self.at = self._index_at(offset)
        for waits, before in WAITS:
            if self.instructions[self.at].opname == waits and self.instructions[self.at - 1].opname == before:
                self.at -= 1
        self.stack: list[Any] = []
        self.inside = inside  # the index of the value in the tuple that is followed
        self.key = ""  # the constant under which a mapping has the value
        self.names: tuple[str, ...] = ()  # of the last arguments of the call that follows
        self.entering = False  # the value is about to be awaited, and gives itself
        self.gave_up = False  # the value has gone where nothing can be told of it

    def consume(self, instruction: dis.Instruction) -> None:
        """Go through an instruction without a handler: its effect on the stack is all that counts here."""
        argument = instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None
        effect = dis.stack_effect(instruction.opcode, argument, jump=False)
        if effect >= 0:
            self.stack += [UNKNOWN] * effect
        else:
            self.gave_up |= VALUE in self.pop(-effect)

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

    def awaited(self) -> list[Any]:
        """Take what is awaited, and what is sent to it; from 3.15 on there is an entry between the two."""
        return self.pop(3 if self.entry(2) == NULL else 2)

    def entry(self, depth: int) -> Any:
        """The entry at `depth`, 1 being the uppermost."""
        return self.stack[-depth] if depth <= len(self.stack) else UNKNOWN

    def jump_to(self, offset: int) -> None:
        """Go on at the instruction at `offset`."""
        self.at = self._index_at(offset)

    def index_of(self, instruction: dis.Instruction) -> int | None:
        """The index to which an instruction may jump; ``None`` where it does not."""
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            return self._index_at(instruction.argval)
        return None

    def _index_at(self, offset: int) -> int:
        return max(0, bisect_right(self.offsets, offset) - 1)
