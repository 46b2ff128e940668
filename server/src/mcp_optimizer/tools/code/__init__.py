"""`execute_code`: jobs in sandboxes whose tool calls come back through the same door as everybody's."""

from .run import Aids, call_for_job
from .sessions import CodeSessions
from .take import Stores
from .tool import CodeTool

__all__ = ["Aids", "CodeSessions", "CodeTool", "Stores", "call_for_job"]
