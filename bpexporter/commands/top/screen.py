"""The terminal as a screen: verdict, table, filter; renewed once a second."""

from __future__ import annotations

import os
import time
from typing import Any, ClassVar

from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import DataTable, Footer, Input, Static

from bpexporter.commands.top import words
from bpexporter.commands.top.source import NoState

PERIOD_SECONDS = 1.0
SORTS = ("worst", "name", "utilization_ratio", "pressure", "blocked", "longest_block_seconds", "out_per_second")


class Top(App[None]):
    """The state of `source`, as it changes."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #verdict { height: auto; max-height: 40%; padding: 0 1; }
    #verdict.backpressure { background: $error 20%; }
    #verdict.healthy { background: $success 15%; }
    #stages { height: auto; max-height: 25%; padding: 0 1; color: $text-muted; }
    #filter { display: none; border: none; height: 1; }
    #filter.shown { display: block; }
    #status { height: 1; padding: 0 1; color: $text-muted; }
    #status.lost { color: $error; text-style: bold; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("slash", "filter", "Filter"),
        Binding("s", "sort", "Sort"),
        Binding("r", "reverse", "Reverse"),
        Binding("escape", "clear", "Clear", show=False),
    ]

    def __init__(self, source: Any) -> None:
        super().__init__()
        self.source = source
        self.state: dict[str, Any] | None = None
        self.answered: float | None = None
        self.failure = ""
        self.sorted_by = 0
        self.reversed = False
        self.text = ""

    def compose(self) -> ComposeResult:
        """Verdict, stages, table, filter, status and keys, from above."""
        with VerticalScroll(id="verdict"):
            yield Static(id="verdict-text", markup=False)
        yield Static(id="stages", markup=False)
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Input(id="filter", placeholder="name or kind", compact=True)
        yield Static(id="status", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to ask."""
        self.query_one(DataTable).focus()
        self.set_interval(PERIOD_SECONDS, self.ask)
        self.ask()

    @work(thread=True, exclusive=True)
    def ask(self) -> None:
        """Fetch the state off the screen's loop."""
        try:
            state = self.source.state()
        except NoState as error:
            self.call_from_thread(self.lost, str(error))
        else:
            self.call_from_thread(self.got, state)

    def got(self, state: dict[str, Any]) -> None:
        """There is an answer."""
        self.state, self.answered, self.failure = state, time.monotonic(), ""
        self.draw()

    def lost(self, failure: str) -> None:
        """There is none; what is shown stays, with its age."""
        self.failure = failure
        self.draw_status()

    def on_resize(self) -> None:
        """The name gets what the other columns leave."""
        if self.state is not None:
            self.draw()

    # Drawing ------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Show the state."""
        assert self.state is not None
        verdict = self.query_one("#verdict")
        kind = (self.state["verdict"] or {}).get("state", "unknown")
        verdict.set_classes([kind])
        self.query_one("#verdict-text", Static).update("\n".join(words.verdict_lines(self.state["verdict"])))
        stages = list(words.stage_lines(self.state["stages"], self.size.width - 3)) if self.state["stages"] else []
        self.query_one("#stages", Static).update("\n".join(stages))
        self.draw_table()
        self.draw_status()

    def draw_table(self) -> None:
        """Every resource that fits the filter, sorted; the row under the cursor stays under it."""
        assert self.state is not None
        table = self.query_one(DataTable)
        chosen = self.key_under_cursor(table)
        table.clear(columns=True)
        shown = words.COLUMNS[: words.columns(self.size.width - 4, gap=2)]
        name_width = self.size.width - 4 - sum(width + 2 for _, width, _ in shown)
        table.add_column("name", width=name_width)
        for title, width, _ in shown:
            table.add_column(title, width=width)
        for resource in self.resources():
            name, *rest = words.cells(resource)
            key = f"{resource['kind']}\0{resource['name']}"
            table.add_row(words.shortened(name, name_width), *rest[: len(shown)], key=key)
        if chosen in {row.value for row in table.rows}:
            table.move_cursor(row=table.get_row_index(str(chosen)))

    def key_under_cursor(self, table: DataTable[str]) -> str | None:
        """The resource of the row that the cursor is on."""
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def resources(self) -> list[dict[str, Any]]:
        """Those that fit the filter, sorted."""
        assert self.state is not None
        fitting = [
            one for one in self.state["resources"] if self.text.lower() in f"{one['kind']} {one['name']}".lower()
        ]
        field = SORTS[self.sorted_by]
        if field == "worst":
            return sorted(fitting, key=words.badness, reverse=self.reversed)
        if field == "name":
            return sorted(fitting, key=lambda one: str(one["name"]), reverse=self.reversed)
        return sorted(fitting, key=lambda one: one[field] or 0.0, reverse=not self.reversed)

    def draw_status(self) -> None:
        """Draws the status: the source, the order, and since when nobody answers."""
        status = self.query_one("#status", Static)
        status.set_class(bool(self.failure), "lost")
        if self.failure:
            late = "" if self.answered is None else f"no answer for {words.seconds(time.monotonic() - self.answered)}: "
            status.update(f"{late}{self.failure}")
            return
        count = len(self.state["resources"]) if self.state else 0
        order = f"{SORTS[self.sorted_by]}{', reversed' if self.reversed else ''}"
        status.update(
            f"{self.source.name}  {count} resources  sorted by {order}" + (f"  /{self.text}" * bool(self.text))
        )

    # Keys ---------------------------------------------------------------------------------------

    def action_sort(self) -> None:
        """Sort by the next column."""
        self.sorted_by = (self.sorted_by + 1) % len(SORTS)
        self.redraw()

    def action_reverse(self) -> None:
        """The other way round."""
        self.reversed = not self.reversed
        self.redraw()

    def action_filter(self) -> None:
        """Ask for a filter."""
        box = self.query_one("#filter", Input)
        box.add_class("shown")
        box.focus()

    def action_clear(self) -> None:
        """No filter any more."""
        self.query_one("#filter", Input).value = ""
        self.close_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is written."""
        self.text = event.value.strip()
        self.redraw()

    def on_input_submitted(self) -> None:
        """Back to the table; the filter stays."""
        self.close_filter()

    def close_filter(self) -> None:
        """Give the line back to the table."""
        self.query_one("#filter", Input).remove_class("shown")
        self.query_one(DataTable).focus()

    def redraw(self) -> None:
        """Show the same state in another way."""
        if self.state is not None:
            self.draw_table()
            self.draw_status()


def run(source: Any) -> int:
    """Show `source` until it is left; 0."""
    if os.environ.get("TERM") == "dumb":
        raise OSError("this terminal cannot show a screen; see --once")
    Top(source).run()
    return 0
