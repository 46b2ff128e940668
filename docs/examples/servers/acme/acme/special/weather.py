"""Weather that is invented from climate, city and day, and therefore the same for everybody who asks."""

import datetime
import hashlib
import math

from acme.records import Records, Refused, Row

SKIES = ((70, "rain"), (45, "showers"), (25, "cloudy"), (0, "sunny"))


def chance(*parts: str) -> float:
    """A stable number between 0 and 1."""
    return int(hashlib.sha256("/".join(parts).encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


def station(records: Records, city: str) -> Row:
    """The city's station, however its name is capitalised."""
    return records["stations"].get(city.strip().title())


def degrees(celsius: float, unit: str) -> float:
    """In the unit that was asked for."""
    return round(celsius * 9 / 5 + 32 if unit == "fahrenheit" else celsius, 1)


def weather(place: Row, day: datetime.date, unit: str) -> Row:
    """One day in one city."""
    season = -math.cos((day.timetuple().tm_yday - 15) / 365.25 * 2 * math.pi)
    mean = place["mean_celsius"] + place["swing_celsius"] * season + (chance(place["city"], str(day), "warm") - 0.5) * 8
    rain = min(100, round(place["rain_percent"] * 2 * chance(place["city"], str(day), "rain")))
    return {
        "day": day.isoformat(),
        "low": degrees(mean - 4, unit),
        "high": degrees(mean + 4, unit),
        "rain_percent": rain,
        "wind_kmh": round(5 + 35 * chance(place["city"], str(day), "wind")),
        "sky": next(sky for least, sky in SKIES if rain >= least),
    }


def days_of(records: Records, arguments: Row) -> list[Row]:
    """The days that were asked for."""
    first = datetime.date.fromisoformat(arguments["day"])
    place, unit = station(records, arguments["city"]), arguments.get("unit", "celsius")
    if first.year > 9990:
        raise Refused(f"day: {first} is too far away")
    return [weather(place, first + datetime.timedelta(days=number), unit) for number in range(arguments.get("days", 5))]


def forecast(records: Records, arguments: Row) -> Row:
    """Some days in one city."""
    return {
        "city": station(records, arguments["city"])["city"],
        "unit": arguments.get("unit", "celsius"),
        "days": days_of(records, arguments),
    }


def compare(records: Records, arguments: Row) -> Row:
    """One day in two cities."""
    first, second = (days_of(records, {**arguments, "city": arguments[name], "days": 1})[0] for name in ("city", "other_city"))
    return {arguments["city"]: first, arguments["other_city"]: second, "difference_of_highs": round(first["high"] - second["high"], 1)}


def best_day(records: Records, arguments: Row) -> Row:
    """The day to be outside."""
    limit = arguments.get("max_rain_percent", 30)
    dry = [day for day in days_of(records, arguments) if day["rain_percent"] <= limit]
    return {"best": min(dry, key=lambda day: (day["rain_percent"], -day["high"])) if dry else None, "dry_days": len(dry)}


FUNCTIONS = (forecast, compare, best_day)
