"""The machine and the software that gave a run its figures."""

from __future__ import annotations

from reports.record.model import Data


class Environment(Data):
    """The machine and the software that gave the figures."""

    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    system: str
    virtualization: str = ""
    python: str
    packages: dict[str, str] = {}
    pinning: str
    """What was done about CPU pinning, in words."""
    cpus: dict[str, list[int]] = {}
    """Role to the CPUs that it was pinned to; empty when nothing was pinned."""
    data_folder_filesystem: str = ""
    fsync_p50_us: float | None = None
    clock: str = "CLOCK_MONOTONIC"

    @property
    def label(self) -> str:
        """One line for captions."""
        gib = self.memory_bytes / 2**30
        virtual = f", {self.virtualization}" if self.virtualization else ""
        return f"{self.cpu}, {self.cores} cores, {gib:.0f} GiB{virtual}, {self.system}, Python {self.python}"
