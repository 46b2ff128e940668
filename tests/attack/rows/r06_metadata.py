"""Row 6: a job asks the cloud's metadata address for the node's credentials.

Test clusters have no such service, so the stage makes one: a Service with these addresses, answered by the witness.
"""

from tests.attack.network import reach
from tests.attack.removals import NO_POLICY, NO_VERDICT
from tests.attack.stage import METADATA
from tests.attack.vocabulary import Control, Row, Target


async def metadata(target: Target) -> str | None:
    """The addresses of the large clouds, IPv6 included, and what some of them have besides."""
    targets = [(f"metadata at {ip}", "tcp", ip, 80) for ip in (*METADATA, "fd00:ec2::254", "168.63.129.16", "192.0.0.192", "169.254.170.2")]
    return await reach(target, targets)


ROW = Row(
    number=6,
    name="metadata addresses",
    attacks=(metadata,),
    controls=(Control(name="NetworkPolicy without egress", off=NO_POLICY, others=(NO_VERDICT,)),),
)
