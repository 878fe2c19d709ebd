"""A clock that stands still until a test moves it."""


class Clock:
    """Seconds that pass when the test says so; from a whole number, so that binary fractions add up exactly."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
