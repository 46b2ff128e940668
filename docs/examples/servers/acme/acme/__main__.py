"""`python -m acme`: ACME_FAMILIES chooses tool families (comma-separated), PORT and HOST the address."""

import os

import uvicorn

from acme.catalogue import load
from acme.endpoint import application

if __name__ == "__main__":
    chosen = [name.strip() for name in os.environ.get("ACME_FAMILIES", "").split(",") if name.strip()]
    uvicorn.run(
        application(load(chosen)),
        host=os.environ.get("HOST", "0.0.0.0"),
        port=int(os.environ.get("PORT", "8080")),
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
