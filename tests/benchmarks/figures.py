"""What is not measured against the bare object, operation by operation."""

from collections.abc import Callable

from .connections import connecting
from .idling import idling
from .importing import importing
from .lag import lagging
from .memory import churning, remembering
from .publishing import merge, publish
from .scale import Scale
from .scraping import scraping
from .serving import serving
from .starting import starting
from .tables import Figures

HEADER = ("figure", "measured", "beside", "target")

FIGURES: dict[str, Callable[[Scale], Figures]] = {
    "import": importing,
    "memory": remembering,
    "scrape": scraping,
    "writers": connecting,
    "lag": lagging,
    "churn": churning,
    "loop": idling,
    "publish": publish,
    "merge": merge,
    "run": starting,
    "service": serving,
}


def measure(name: str, scale: Scale) -> list[tuple[str, ...]]:
    """The lines of one figure; one line that says why where a package is not there."""
    try:
        return list(FIGURES[name](scale))
    except ImportError as error:
        return [(name, "n/a", str(error), "")]
