"""What replicas tell each other about the isolation of sandboxes, so that one probe is enough for all."""

from pydantic import ValidationError

from mcp_optimizer.errors import BAD_GATEWAY, CallFailure
from mcp_optimizer.state.address import Address
from mcp_optimizer.state.peers import Answer, Peers, Question
from mcp_optimizer_api.stats import IsolationReport

from .prober import Ask, Prober
from .replicas import Replica

OPERATION = "isolation"


def asking(peers: Peers) -> Ask:
    """Asks one replica for the report of its own probe; None when it has none yet. Raises `CallFailure`."""

    async def ask(replica: Replica, template: str) -> IsolationReport | None:
        fields, _ = await peers.ask(Address(replica.ip, replica.port), OPERATION, {"template": template})
        if fields.get("report") is None:
            return None
        try:
            return IsolationReport.model_validate(fields["report"])
        except ValidationError:
            raise CallFailure(BAD_GATEWAY, f"replica {replica.name} answered with no report") from None

    return ask


def answer_with(prober: Prober, peers: Peers) -> None:
    """From now on others get this replica's own word."""

    async def answer(question: Question) -> Answer:
        report = prober.own_report(str(question.get("template")))
        return {"report": report.model_dump(by_alias=True) if report is not None else None}, b""

    peers.offer(OPERATION, answer)


async def nobody(replica: Replica, template: str) -> None:
    """In place of `asking` where there are no peers."""
