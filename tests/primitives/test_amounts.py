"""Numbers as the host means them."""

from decimal import Decimal
from fractions import Fraction

import pytest

from bpexporter.primitives.amounts import amount


class Loud(int):
    """An integer that must not be asked to become another number."""

    def __int__(self):
        raise AssertionError

    __float__ = __index__ = __int__


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (3, 3), (True, 1), (2.5, 2.5), (2.0, 2), (Loud(7), 7), (Decimal("2.5"), 2.5), (Decimal(3), 3),
        (Fraction(7, 2), 3.5),
        (float("nan"), None), (float("inf"), None), (Decimal("inf"), None), ("3", None), (None, None), (object(), None),
    ],
)  # fmt: skip
def test_what_counts_as_a_number(value, found):
    """Whole numbers, floats, decimals and fractions do; what is not finite, or no number, is unknown."""
    assert amount(value) == found
    assert type(amount(value)) in (int, float, type(None))


def test_numbers_of_numpy():
    """Integers and floats of numpy count."""
    numpy = pytest.importorskip("numpy")
    assert [amount(numpy.int64(3)), amount(numpy.float32(2.5)), amount(numpy.float64("nan"))] == [3, 2.5, None]
