"""Workers that fetch for this process: helpers forked from it, or a cluster's; the only package that knows Dask.

The client lists, plans and records: nobody else writes the manifest. Workers get addresses of pictures, and no more.
"""

from typing import TYPE_CHECKING

from mirror.faces import lazy_face

if TYPE_CHECKING:
    from mirror.cluster.crew import Crew
    from mirror.cluster.heeding import heed_news
    from mirror.cluster.helpers import forked_helpers, helpers_of_itself
    from mirror.cluster.host_table import HostTable
    from mirror.cluster.opening import ClusterWish, opened_crew, wish_of
    from mirror.cluster.parcels import Setup
    from mirror.cluster.seam import Duties

__all__ = [
    "ClusterWish",
    "Crew",
    "Duties",
    "HostTable",
    "Setup",
    "forked_helpers",
    "heed_news",
    "helpers_of_itself",
    "opened_crew",
    "wish_of",
]

__getattr__ = lazy_face(
    __name__,
    {
        "crew": "Crew",
        "heeding": "heed_news",
        "helpers": "forked_helpers helpers_of_itself",
        "host_table": "HostTable",
        "opening": "ClusterWish opened_crew wish_of",
        "parcels": "Setup",
        "seam": "Duties",
    },
)
