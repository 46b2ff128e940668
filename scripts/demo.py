"""`make demo`: the product's main job on a real cluster, as its user sees it. `make demo-down` removes everything again."""

import argparse
import asyncio
import json
import os
import time
from typing import Any

from mcp import Client
from mcp.types import CallToolResult
from scripts.stack import install, waiting
from scripts.stack.forward import forward
from scripts.stack.shell import CommandError, devcluster, get, kubeconfig, kubectl, step, tool
from scripts.stack.tokens import count_tokens

NAMESPACE = install.DEMO_NAMESPACE
SERVERS = ("acme", "everything", "weather")
CODE = """
customers = call("acme.crm_search_customers", query=params["query"])
invoices = call("acme.billing_list_invoices", status="open")
{"customers": len(customers["customers"]), "open_invoices": len(invoices["invoices"])}
"""


def set_up() -> None:
    """From nothing to Ready resources."""
    with step("Packages of the operating system"):
        devcluster("install-deps")
    with step("Cluster"):
        devcluster("up")
    with step("Images"):
        images = install.build_images()
        install.load_images(images)
    with step("Operator (helm upgrade --install)"):
        install.install_chart(images)
    with step("Resources (kubectl apply)"):
        kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
        for name in ("acme", "everything", "remote", "optimizer", "direct"):
            install.apply(install.example(name, images), NAMESPACE)
    with step("Ready"):
        for server in SERVERS:
            waiting.ready("mcps", server, NAMESPACE, seconds=180)
        for optimizer in ("demo", "demo-direct"):
            waiting.ready("mcpo", optimizer, NAMESPACE, seconds=180)
        waiting.until(
            "all tools behind the endpoint", lambda: _tools_behind("demo") > 150 and _tools_behind("demo-direct") > 150, seconds=60
        )


def _tools_behind(optimizer: str) -> int:
    found = get("mcpo", optimizer, NAMESPACE)
    return int(found.get("status", {}).get("totals", {}).get("tools", 0)) if found["status"]["totals"]["ready"] == len(SERVERS) else 0


def _text(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


def _list_size(listed: Any) -> str:
    text = json.dumps([tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in listed], separators=(",", ":"))
    tokens, method = count_tokens(text)
    return f"{len(listed):4d} tools {len(text.encode()):8,d} bytes {tokens:7,d} tokens ({method})"


async def _all_tools(client: Client) -> list[Any]:
    tools, cursor = [], None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return tools


async def tour(optimised: int, direct: int) -> None:
    """What an agent does: list, discover, call, run code."""
    async with Client(f"http://127.0.0.1:{direct}/mcp") as client:
        print(f"\ntools/list, direct     {_list_size(await _all_tools(client))}")
    async with Client(f"http://127.0.0.1:{optimised}/mcp") as client:
        print(f"tools/list, optimised  {_list_size(await _all_tools(client))}")
        print("\ndiscover(query='open invoices of a customer'):")
        print(_text(await client.call_tool("discover", {"query": "open invoices of a customer", "limit": 4})))
        print("\nexecute('acme.billing_list_invoices', status='open', limit=2):")
        print(
            _text(await client.call_tool("execute", {"tool": "acme.billing_list_invoices", "arguments": {"status": "open", "limit": 2}}))[
                :600
            ]
        )
        started = time.perf_counter()
        result = await client.call_tool("execute_code", {"code": CODE, "params": {"query": "a"}})
        took = (time.perf_counter() - started) * 1000
        print(f"\nexecute_code, two tool calls from a sandbox Pod of its own, {took:.1f} ms through kubectl port-forward:")
        print(_text(result)[:600])
        if result.is_error:
            raise SystemExit("the code job failed")


def show() -> None:
    """The tour, then the resources with what they report."""
    with forward("svc/demo-optimizer", 80, NAMESPACE) as optimised, forward("svc/demo-direct-optimizer", 80, NAMESPACE) as direct:
        asyncio.run(tour(optimised, direct))
    print("\nkubectl get mcpo,mcps")
    print(kubectl("-n", NAMESPACE, "get", "mcpo,mcps"))
    print("kubectl get pods -l mcp.optimizer.dev/component=sandbox")
    print(kubectl("-n", NAMESPACE, "get", "pods", "-l", "mcp.optimizer.dev/component=sandbox"))
    print(f"Look around: {tool('kubectl')} --kubeconfig {kubeconfig()} -n {NAMESPACE} get mcpo,mcps,pods\nRemove it all: make demo-down")


def tear_down() -> None:
    """The cluster, with everything in it; of somebody else's cluster, what the demo put there."""
    if os.environ.get("CLUSTER") == "existing":
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=180s", timeout=200)
        install.uninstall_chart()
        print("The definitions of MCPOptimizer and MCPServer stay, because others may use them: kubectl delete -f crds/ removes them")
    devcluster("down")


def main() -> None:
    """`python -m scripts.demo [--down]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--down", action="store_true", help="remove everything the demo made, the cluster included")
    down = parser.parse_args().down
    started = time.monotonic()
    try:
        if down:
            tear_down()
            return
        set_up()
        show()
    except (CommandError, AssertionError) as error:
        raise SystemExit(f"{'make demo-down' if down else 'make demo'} failed: {error}") from None
    print(f"\nDemo complete in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
