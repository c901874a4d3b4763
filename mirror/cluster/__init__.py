"""Workers of a cluster that fetch for this process, on this machine or on others; the only package that knows Dask.

The client lists, plans and records: nobody else writes the manifest. Workers get addresses of pictures, and no more.
"""

from mirror.cluster.crew import Crew
from mirror.cluster.opening import ClusterWish, opened_crew, wish_of
from mirror.cluster.parcels import Setup
from mirror.cluster.seam import Duties

__all__ = ["ClusterWish", "Crew", "Duties", "Setup", "opened_crew", "wish_of"]
