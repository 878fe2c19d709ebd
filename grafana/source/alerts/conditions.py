"""What several alerts ask of a series: how it mostly is, whether it grows, whether it was counted, who is known."""

from __future__ import annotations

from grafana.source import thresholds
from grafana.source.queries import find
from grafana.source.thresholds import LONG, RATE

# Of all labels that a target may have, those by which what belongs together is found again after a new deployment.
TOGETHER = "cluster, namespace, job"


def mostly(gauge: str, window: str = RATE, before: str = "") -> str:
    """The level that a gauge was at, or over, for three quarters of a window: a restart in it changes nothing."""
    return f"quantile_over_time({thresholds.MOSTLY}, {gauge}[{window}]{before})"


def usual(gauge: str, window: str = LONG, before: str = "") -> str:
    """The median of a window. For the age of a wait: half of how long such waits last, one after the other."""
    return f"quantile_over_time({thresholds.HALF}, {gauge}[{window}]{before})"


def grows(gauge: str) -> str:
    """Within minutes: each of three windows is above the one before it, the second all the time."""
    return (
        f"{usual(gauge, RATE)} > {thresholds.GROWN} * {usual(gauge, RATE, f' offset {RATE}')}\n"
        f"and {mostly(gauge, RATE, f' offset {RATE}')} > max_over_time({gauge}[{RATE}] offset {LONG})"
    )


def creeps(gauge: str) -> str:
    """Within half an hour, under bursts: each window is above the one before it, the last one all the time."""
    return (
        f"{usual(gauge, LONG)} > {thresholds.GROWN} * quantile_over_time(0.75, {gauge}[{LONG}] offset {LONG})\n"
        f"and {usual(gauge, LONG, f' offset {LONG}')} > {thresholds.GROWN} * {usual(gauge, LONG, ' offset 20m')}\n"
        f"and {mostly(gauge, LONG)} > max_over_time({gauge}[{LONG}] offset 20m)"
    )


def ahead(gauge: str) -> str:
    """Where a level will be that goes on as it went for ten minutes."""
    lag = 150  # half a window: so old is its median
    share = (thresholds.FULL_SOON_SECONDS.value + lag) / 600
    risen = f"{usual(gauge, RATE)} - {usual(gauge, RATE, f' offset {LONG}')}"
    return f"{usual(gauge, RATE)} + {share:g} * ({risen})"


def counted(counter: str) -> str:
    """Something was counted within ten minutes, or before the first scrape."""
    return f"""
increase({counter}[{LONG}]) > 0
# What was counted before the first scrape no increase shows.
or (
  max_over_time({counter}[{RATE}]) > 0
  unless present_over_time({counter}[{LONG}] offset {LONG})
)
"""


def known_targets(window: str) -> str:
    """The targets that had metrics of ours within a window, whatever the version."""
    own = ", ".join(find("itself", "build_info").labels)
    return f"group without ({own}) (present_over_time({{itself.build_info}}[{window}]))"


def known_jobs(window: str) -> str:
    """The jobs that had metrics of ours within a window."""
    return f"group by ({TOGETHER}) (present_over_time({{itself.build_info}}[{window}]))"
