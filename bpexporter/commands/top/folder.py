"""The state of a folder in which programs publish, made here: no sidecar is needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bpexporter.commands.top.source import NoState
from bpexporter.export.json import judged
from bpexporter.publishing.folder import Folder
from bpexporter.server.served import Served
from bpexporter.server.state import StateKeeper


class FolderSource:
    """The state of the programs that publish in a folder, read here; who else serves them goes on."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise NoState(f"{path} is no folder")
        self.name = str(path)
        self._served = Served(Folder(path))
        self._keeper = StateKeeper(
            self._served.folder.snapshot, judge=judged, processes=self._served.processes, unseen=self._served.unseen
        )

    def state(self) -> dict[str, Any]:
        """The state now. Raises `NoState` where the folder cannot be read."""
        try:
            self._keeper.keep()
            state: dict[str, Any] = json.loads(self._keeper.state())
        except OSError as error:
            raise NoState(f"{self.name} gives no state: {error}") from None
        return state

    def close(self) -> None:
        """Let go of the folder."""
        self._served.folder.close()
