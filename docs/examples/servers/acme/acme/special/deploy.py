"""Versions on their way from staging to production."""

from acme.records import TODAY, Records, Refused, Row


def live(records: Records, service: str, environment: str) -> Row | None:
    """The deployment that serves users."""
    rows = [row for row in records["deployments"].rows.values() if row["service"] == service and row["environment"] == environment]
    return next((row for row in reversed(rows) if row["status"] == "live"), None)


def live_version(records: Records, arguments: Row) -> Row:
    """What runs where."""
    names = [arguments["environment"]] if "environment" in arguments else ["staging", "production"]
    found = {name: live(records, arguments["service"], name) for name in names}
    return {
        "service": arguments["service"],
        "live": {name: row and {"version": row["version"], "since": row["deployed_on"]} for name, row in found.items()},
    }


def deploy(records: Records, arguments: Row) -> Row:
    """A new version; production follows staging."""
    service, environment, version = arguments["service"], arguments["environment"], arguments["version"]
    current, staged = live(records, service, environment), live(records, service, "staging")
    if current and current["version"] == version:
        raise Refused(f"version: {version} of {service} is already live in {environment}")
    if environment == "production" and (staged is None or staged["version"] != version):
        raise Refused(f"version: {version} of {service} is not live in staging; there it is {staged['version'] if staged else 'nothing'}")
    if current:
        current["status"] = "superseded"
    duration = current["duration_seconds"] if current else 60
    return {
        "deployment": records["deployments"].add(
            {**arguments, "status": "live", "deployed_on": TODAY.isoformat(), "duration_seconds": duration}
        )
    }


def rollback(records: Records, arguments: Row) -> Row:
    """Back to the version before."""
    service, environment = arguments["service"], arguments["environment"]
    current = live(records, service, environment)
    rows = [row for row in records["deployments"].rows.values() if row["service"] == service and row["environment"] == environment]
    before = next((row for row in reversed(rows) if row["status"] == "superseded"), None)
    if current is None or before is None:
        raise Refused(f"environment: there is no earlier version of {service} in {environment} to go back to")
    current.update(status="rolled_back", reason=arguments["reason"])
    before["status"] = "live"
    return {"rolled_back": current, "live": before}


def compare(records: Records, arguments: Row) -> Row:
    """Staging and production side by side."""
    found = []
    for service in records["services"].rows.values():
        if arguments.get("team") in (None, service["team"]):
            staging, production = (live(records, service["service"], name) for name in ("staging", "production"))
            waiting = staging is not None and (production is None or staging["version"] != production["version"])
            found.append(
                {
                    "service": service["service"],
                    "staging": staging and staging["version"],
                    "production": production and production["version"],
                    "waiting": waiting,
                }
            )
    return {"services": found, "waiting": sum(row["waiting"] for row in found)}


def failure_rate(records: Records, arguments: Row) -> Row:
    """Failed and rolled-back deployments in percent."""
    counts: dict[str, list[int]] = {}
    for row in records["deployments"].rows.values():
        if arguments.get("environment") in (None, row["environment"]) and row["deployed_on"] >= arguments.get("deployed_after", ""):
            count = counts.setdefault(row["service"], [0, 0])
            count[0] += 1
            count[1] += row["status"] in ("failed", "rolled_back")
    return {
        "services": {
            name: {"deployments": all_, "failed": bad, "failure_percent": round(100 * bad / all_, 1)}
            for name, (all_, bad) in sorted(counts.items())
        }
    }


FUNCTIONS = (live_version, deploy, rollback, compare, failure_rate)
