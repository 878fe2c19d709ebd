"""The target to which the value of an instruction is put: read from the bytecode that follows it.

No source is needed, nothing is run, and what is found is the same in each run. The instructions after the
one at hand are gone through with a stack of texts on which the value is marked, until it is stored, returned or
lost. What has been put on the stack since the beginning of the statement is known as well, so that the receiver of
``self.queues.append(...)`` is.
"""

from __future__ import annotations

import dis
from types import CodeType

from bpexporter.naming.handlers import HANDLERS
from bpexporter.naming.machine import Machine
from bpexporter.naming.targets import UNKNOWN, VALUE, Target, placed, text_of

MOST_STEPS = 120
# Instructions after which a new statement begins.
ENDS = ("STORE_", "POP_TOP", "RETURN_", "RESUME", "DELETE_", "RAISE_", "IMPORT_")
NOTHING = {"CACHE", "EXTENDED_ARG", "NOP", "NOT_TAKEN", "PRECALL", "RESUME", "MAKE_CELL", "COPY_FREE_VARS", "END_SEND"}
# Entries that a call takes besides its arguments.
CALLS = {"CALL": 2, "CALL_KW": 3}
LAST = {"RETURN_VALUE", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "RETURN_CONST"}


class Walk(Machine):
    """The way of one value through the instructions of `code`."""

    def target(self) -> Target | None:
        """Returns the target of the value; ``None`` where that cannot be told."""
        found = self._begin()
        for _ in range(MOST_STEPS):
            if found is not None or self.gave_up or self.at >= len(self.instructions):
                break
            found = self._step()
        return found._replace(key=found.key or self.key) if found is not None else None

    # The statement so far -----------------------------------------------------------------------

    def _begin(self) -> Target | None:
        yielding = self.instructions[self.at]
        before, self.at = self.at, self._statement()
        while self.at < before and not self.gave_up:
            self._approach(before)
        self.at = before
        owner = text_of(self.entry(2))
        self._yield(yielding)
        if yielding.opname == "SEND":
            self.jump_to(yielding.argval)
        else:
            self.at += 1
        subscript = yielding.opname == "BINARY_SUBSCR" or yielding.argrepr == "[]"
        return placed(owner, "") if subscript and owner != UNKNOWN else None

    def _yield(self, instruction: dis.Instruction) -> None:
        if instruction.opname in CALLS:
            self.pop(CALLS[instruction.opname] + (instruction.arg or 0))
        elif instruction.opname == "SEND":
            self.awaited()
        else:
            self.pop(2 if instruction.opname.startswith("BINARY_") else 1)
        self.gave_up, self.names = False, ()
        self.stack.append(VALUE)

    def _statement(self) -> int:
        at = self.at
        while at and not self.instructions[at - 1].opname.startswith(ENDS):
            at -= 1
        return at

    def _approach(self, end: int) -> None:
        instruction = self.instructions[self.at]
        jump = self.index_of(instruction)
        if jump is None:
            self._step()
        elif jump > end and instruction.opname not in LAST:  # not taken, or we were not here
            self.consume(instruction)
            self.at += 1
        elif jump > self.at and self.instructions[jump - 1].opname in LAST:
            self.consume(instruction)
            self.at = jump
        else:
            self.stack.clear()
            self.at += 1

    def _step(self) -> Target | None:
        instruction = self.instructions[self.at]
        self.at += 1
        if instruction.opname in NOTHING:
            return None
        handler = HANDLERS.get(instruction.opname)
        if handler is not None:
            return handler(self, instruction)
        self.consume(instruction)
        return None


def target_of(code: CodeType, offset: int, inside: int | None = None) -> Target | None:
    """Returns the target of the value that the instruction of `code` at `offset` yields; `inside`: in a tuple there."""
    return Walk(code, offset, inside).target()
