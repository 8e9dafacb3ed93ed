"""A real SLURM cluster of several nodes on this machine, all of them on 127.0.0.1."""

from tests.slurm.cluster import Cluster, is_installed

__all__ = ["Cluster", "is_installed"]
