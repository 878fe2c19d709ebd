"""The effects of instructions on the way of a value: a function for each kind, in a table by name."""

from __future__ import annotations

import dis
from collections.abc import Callable

from bpexporter.naming.machine import Machine
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

ENTER = "__enter__"  # the function on the stack that begins a ``with``


def load(machine: Machine, instruction: dis.Instruction) -> None:
    """A name."""
    names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    machine.stack += names
    if instruction.opname == "LOAD_GLOBAL" and instruction.arg is not None and instruction.arg & 1:
        machine.stack.append(NULL)


def load_constant(machine: Machine, instruction: dis.Instruction) -> None:
    """A constant."""
    machine.stack.append(Constant(instruction.argval))


def load_attribute(machine: Machine, instruction: dis.Instruction) -> None:
    """An attribute, or a method and what it is bound to."""
    owner = machine.pop()[0]
    if owner is VALUE:
        machine.gave_up = True
        return
    machine.stack.append(f"{text_of(owner)}.{instruction.argval}")
    is_method = instruction.opname == "LOAD_METHOD" or "NULL|self" in instruction.argrepr
    if is_method:
        machine.stack.append(text_of(owner))


def load_super(machine: Machine, instruction: dis.Instruction) -> None:
    """An attribute of ``super()``, or a method and what it is bound to."""
    machine.pop(3)
    machine.stack.append(f"{UNKNOWN}.{instruction.argval}")
    if "NULL|self" in instruction.argrepr:
        machine.stack.append(UNKNOWN)


def push_null(machine: Machine, instruction: dis.Instruction) -> None:
    """The mark of a call that is bound to nothing."""
    machine.stack.append(NULL)


def store(machine: Machine, instruction: dis.Instruction) -> Target | None:
    """One name, or two."""
    names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    if machine.pop()[0] is VALUE:
        how = "global" if instruction.opname == "STORE_GLOBAL" else "name"
        return Target(how, names[0])
    if instruction.opname == "STORE_FAST_LOAD_FAST":
        machine.stack.append(names[1])
    elif len(names) == 2 and machine.pop()[0] is VALUE:
        return Target("name", names[1])
    return None


def store_attribute(machine: Machine, instruction: dis.Instruction) -> Target | None:
    """An attribute."""
    value, owner = machine.pop(2)
    return Target("attribute", instruction.argval, text_of(owner)) if value is VALUE else None


def store_element(machine: Machine, instruction: dis.Instruction) -> Target | None:
    """An element of a container."""
    value, owner, key = machine.pop(3)
    return placed(text_of(owner), key_of(key)) if value is VALUE else None


def copy(machine: Machine, instruction: dis.Instruction) -> None:
    """An entry once more."""
    machine.stack.append(machine.entry(instruction.arg or 1))


def swap(machine: Machine, instruction: dis.Instruction) -> None:
    """Two entries change places."""
    entries = machine.pop(instruction.arg or 1)
    entries[0], entries[-1] = entries[-1], entries[0]
    machine.stack += entries


def build(machine: Machine, instruction: dis.Instruction) -> None:
    """A list, a tuple or a set: what holds the value goes on as the value."""
    entries = machine.pop(instruction.arg or 0)
    if VALUE in entries and instruction.opname == "BUILD_TUPLE" and len(entries) > 1:
        machine.inside = entries.index(VALUE)
    machine.stack.append(VALUE if VALUE in entries else UNKNOWN)


def build_map(machine: Machine, instruction: dis.Instruction) -> None:
    """A mapping; a constant key tells its values apart."""
    count = instruction.arg or 0
    if instruction.opname == "BUILD_MAP":
        entries = machine.pop(2 * count)
        keys, values = entries[::2], entries[1::2]
    else:
        names = machine.pop()[0]
        keys = [Constant(name) for name in names.value] if isinstance(names, Constant) else []
        values = machine.pop(count)
    if VALUE in values and len(keys) == len(values):
        machine.key = key_of(keys[values.index(VALUE)])
    machine.stack.append(VALUE if VALUE in values else UNKNOWN)


def insert(machine: Machine, instruction: dis.Instruction) -> None:
    """An element more, in a display or in a comprehension, whose end is looked for."""
    entries = machine.pop(2 if instruction.opname == "MAP_ADD" else 1)
    if VALUE not in entries:
        return
    machine.stack = [VALUE]
    if instruction.arg != 1:
        later = range(machine.at, len(machine.instructions))
        machine.at = next((n for n in later if machine.instructions[n].opname.startswith("JUMP_BACKWARD")), machine.at)


def merge(machine: Machine, instruction: dis.Instruction) -> None:
    """All elements of one container into another."""
    if machine.pop()[0] is VALUE:
        machine.pop(instruction.arg or 1)
        machine.stack.append(VALUE)


def unpack(machine: Machine, instruction: dis.Instruction) -> None:
    """The elements of a tuple, the first uppermost."""
    count = instruction.arg or 0
    held = machine.pop()[0] is VALUE
    machine.gave_up |= held and machine.inside is None
    machine.stack += [VALUE if held and number == machine.inside else UNKNOWN for number in reversed(range(count))]
    machine.inside = None if held else machine.inside


def keyword_names(machine: Machine, instruction: dis.Instruction) -> None:
    """The names of the last arguments of the call that follows."""
    machine.names = machine.code.co_consts[instruction.arg or 0]


def function_call(machine: Machine, instruction: dis.Instruction) -> Target | None:
    """A call: a keyword argument names the value, a method of a container puts it there."""
    count = instruction.arg or 0
    if instruction.opname == "CALL_KW":
        names = machine.pop()[0]
        machine.names = names.value if isinstance(names, Constant) else ()
    (first, second, *arguments), names = machine.call(count + 2), machine.names
    machine.names = ()
    if first == ENTER:
        machine.stack[-1] = second
    if VALUE not in arguments:
        return None
    function, bound = (second, NULL) if first == NULL else (first, second)
    if text_of(function).rpartition(".")[2] in PASSING and (not names or function == "dict"):
        machine.key = dict(zip(reversed(arguments), reversed(names), strict=False)).get(VALUE, machine.key)
        machine.stack[-1] = VALUE
        return None
    machine.gave_up = True
    return argument_of(text_of(function), text_of(bound), arguments, names)


def returned(machine: Machine, instruction: dis.Instruction) -> Target | None:
    """The end of the function."""
    if machine.pop()[0] is VALUE:
        return Target("returned", inside=machine.inside)
    machine.gave_up = True
    return None


def yielded(machine: Machine, instruction: dis.Instruction) -> Target | None:
    """An element of a generator expression; what other generators yield is anybody's."""
    machine.gave_up = machine.code.co_name != "<genexpr>"
    return returned(machine, instruction) if not machine.gave_up else None


def awaited(machine: Machine, instruction: dis.Instruction) -> None:
    """Something else is awaited on the way, as the end of ``async with`` is."""
    taken = machine.awaited()
    machine.gave_up |= VALUE in taken and not machine.entering
    machine.stack.append(VALUE if VALUE in taken else UNKNOWN)
    machine.entering = False
    machine.jump_to(instruction.argval)


def entered(machine: Machine, instruction: dis.Instruction) -> None:
    """``with`` or ``async with``: what it gives is taken to be the manager itself, as clients and pools do."""
    manager = machine.pop()[0]
    machine.stack += [UNKNOWN, manager]
    machine.entering = manager is VALUE and "ASYNC" in instruction.opname


def load_special(machine: Machine, instruction: dis.Instruction) -> None:
    """The same from 3.14 on: the methods that begin and end it, each with the manager to which it is bound."""
    manager = machine.pop()[0]
    enters = "enter" in instruction.argrepr
    machine.stack += [ENTER if enters else UNKNOWN, manager if enters else UNKNOWN]
    machine.entering |= manager is VALUE and "aenter" in instruction.argrepr


def jump(machine: Machine, instruction: dis.Instruction) -> None:
    """On; at the end of a loop, out of it."""
    machine.jump_to(instruction.argval)
    here = machine.instructions[machine.at]
    if here.opname == "FOR_ITER":
        machine.jump_to(here.argval)
        _leave(machine)


def _leave(machine: Machine) -> None:
    names = [instruction.opname for instruction in machine.instructions[machine.at - 1 :]]
    while names[1] in ("END_FOR", "POP_ITER") or names[:2] == ["END_FOR", "POP_TOP"]:
        machine.at += 1
        del names[0]


HANDLERS: dict[str, Callable[[Machine, dis.Instruction], Target | None]] = {
    **dict.fromkeys(("LOAD_FAST", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF", "LOAD_FAST_CHECK"), load),
    **dict.fromkeys(("LOAD_CLASSDEREF", "LOAD_FAST_AND_CLEAR", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW"), load),
    **dict.fromkeys(("LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_CLOSURE"), load),
    **dict.fromkeys(("LOAD_CONST", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT"), load_constant),
    **dict.fromkeys(("LOAD_ATTR", "LOAD_METHOD"), load_attribute),
    **dict.fromkeys(("STORE_NAME", "STORE_FAST", "STORE_GLOBAL", "STORE_DEREF"), store),
    **dict.fromkeys(("STORE_FAST_LOAD_FAST", "STORE_FAST_STORE_FAST"), store),
    **dict.fromkeys(("BUILD_LIST", "BUILD_TUPLE", "BUILD_SET"), build),
    **dict.fromkeys(("BUILD_MAP", "BUILD_CONST_KEY_MAP"), build_map),
    **dict.fromkeys(("LIST_APPEND", "SET_ADD", "MAP_ADD"), insert),
    **dict.fromkeys(("LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE"), merge),
    **dict.fromkeys(("CALL", "CALL_KW"), function_call),
    **dict.fromkeys(("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_ABSOLUTE"), jump),
    "LOAD_SUPER_ATTR": load_super,
    "STORE_ATTR": store_attribute,
    "STORE_SUBSCR": store_element,
    "PUSH_NULL": push_null,
    "COPY": copy,
    "SWAP": swap,
    "UNPACK_SEQUENCE": unpack,
    "SEND": awaited,
    **dict.fromkeys(("BEFORE_WITH", "BEFORE_ASYNC_WITH"), entered),
    "LOAD_SPECIAL": load_special,
    "KW_NAMES": keyword_names,
    "RETURN_VALUE": returned,
    "YIELD_VALUE": yielded,
}
