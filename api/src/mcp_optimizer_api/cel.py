"""Rules the API server evaluates (CEL): how the models state them, so that shape and rules stay in one place.

A rule's message names the field, says what is wrong and what to write instead: it is what `kubectl apply` prints.
"""

from typing import Any, Final

VALIDATIONS: Final = "x-kubernetes-validations"
PATTERN_MESSAGE: Final = "x-pattern-message"
"""Marks a `pattern` that the CRD carries as a rule with this message: the API server's own message would only quote the pattern."""
DEFAULT_IN_CODE: Final = "x-default-in-code"
"""Marks a default that only programs apply: the stored object keeps the field unset, so that rules can tell whether it was written."""


def rule(expression: str, message: str, *, field: str | None = None) -> dict[str, str]:
    """One rule on the object that `self` is; `field` is the path below it that the error points at.

    No messageExpression: the API server cannot bound the text of a number, so that quoting one exceeds the cost budget of the whole CRD.
    """
    made = {"rule": expression, "message": message}
    if field is not None:
        made["fieldPath"] = f".{field}"
    return made


def rules(*stated: dict[str, str]) -> dict[str, Any]:
    """The `json_schema_extra` of a model or field with these rules."""
    return {VALIDATIONS: list(stated)}


def pattern_rule(pattern: str, message: str, *, int_or_string: bool = False) -> dict[str, str]:
    """The rule that replaces a `pattern`. The pattern is a raw CEL string, so it must not contain an apostrophe."""
    if "'" in pattern:
        raise ValueError(f"pattern {pattern!r} contains an apostrophe, which would end the CEL string: write it as \\x27")
    subject = "string(self)" if int_or_string else "self"
    return rule(f"{subject}.matches(r'{pattern}')", message)
