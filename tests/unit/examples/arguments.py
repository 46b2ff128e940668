"""Makes valid arguments from a schema, so that every tool can be called."""

from typing import Any

# Values for identifiers: a row that exists and is in a state that allows most changes.
KNOWN: dict[str, Any] = {
    "customer_id": "CUS-1001",
    "contact_id": "CON-1002",
    "deal_id": "DEA-1001",
    "invoice_id": "INV-1002",
    "subscription_id": "SUB-1001",
    "issue_id": "TCK-1001",
    "target_issue_id": "TCK-1007",
    "event_id": "EVT-1005",
    "employee_id": "EMP-1002",
    "manager_id": "EMP-1001",
    "absence_id": "ABS-1004",
    "sku": "SKU-1001",
    "shipment_id": "SHP-1002",
    "deployment_id": "DPL-1002",
    "flag_id": "FLG-1001",
    "service": "checkout",
    "alert_id": "ALR-1001",
    "incident_id": "INC-1003",
    "page_id": "DOC-1003",
    "other_page_id": "DOC-1005",
    "message_id": "MSG-1001",
    "thread_id": "THR-1",
    "supplier_id": "SUP-1001",
    "order_id": "PO-1004",
    "report_id": "EXP-1003",
    "item_id": "ITM-1004",
    "campaign_id": "CMP-1002",
    "subscriber_id": "NWS-1001",
    "asset_id": "AST-1003",
    "job_id": "FIX-1003",
    "query": "the acme customer printer mira invoice error optix policy renewal scanner daily laptop payment spring",
    "day": "2026-06-20",
    "since_day": "2026-06-10",
    "start": "10:00",
    "end": "11:00",
    "earliest": "09:00",
    "latest": "17:00",
    "from_site": "rotterdam",
    "to_site": "porto",
    "first_day": "2026-09-01",
    "last_day": "2026-09-02",
    "starts_on": "2026-07-01",
    "ends_on": "2026-07-31",
    "counted": 50,
    "amount_cents": 1000,
    "budget_cents": 900000,
    "salary_from": 30000,
    "salary_to": 40000,
    "version": "3.15.0",
    "city": "Porto",
    "other_city": "London",
    "source": "USD",
    "target": "CHF",
    "code": "SEK",
}
# Tools whose subject has to be in another state than the usual one.
SPECIAL: dict[str, dict[str, Any]] = {
    "billing_add_invoice_line": {"invoice_id": "INV-1012"},
    "billing_issue_invoice": {"invoice_id": "INV-1012"},
    "tickets_reopen_issue": {"issue_id": "TCK-1006"},
    "deploy_deploy_version": {"environment": "production"},
    "docs_publish_page": {"page_id": "DOC-1007"},
    "mail_send_draft": {"message_id": "MSG-1008"},
    "procurement_place_order": {"order_id": "PO-1005"},
    "expenses_approve_report": {"report_id": "EXP-1002"},
    "expenses_reject_report": {"report_id": "EXP-1002"},
    "marketing_start_campaign": {"campaign_id": "CMP-1004"},
    "facilities_return_asset": {"asset_id": "AST-1001"},
}


def value(name: str, schema: dict[str, Any]) -> Any:
    """Any value that satisfies the schema."""
    if name in KNOWN:
        return KNOWN[name]
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "array":
        return [value("", schema["items"])]
    if schema["type"] == "object":
        return {key: value(key, part) for key, part in schema["properties"].items()}
    if schema["type"] == "boolean":
        return True
    if schema["type"] in ("integer", "number"):
        return schema.get("minimum", 0) + (1 if "maximum" not in schema or schema["maximum"] > schema.get("minimum", 0) else 0)
    formats = {"date": "2026-06-15", "email": "someone@acme.example"}
    return formats.get(schema.get("format", ""), "Some words for this." if "pattern" not in schema else "NL")


def required(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments for one tool: what is required and nothing else."""
    made = {key: value(key, schema["properties"][key]) for key in schema.get("required", ())}
    return {**made, **SPECIAL.get(name, {})}
