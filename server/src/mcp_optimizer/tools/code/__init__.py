"""`execute_code`: a job in a sandbox whose tool calls come back through the same door as everybody's."""

from .run import Aids, call_for_job, execute_code
from .take import Stores

__all__ = ["Aids", "Stores", "call_for_job", "execute_code"]
