"""Every wall of a sandbox Pod is there, and everything that differs between two Pods derives from their names."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcp_operator.desired.sandbox_pod import MAX_WARM_SECONDS, PoolTemplate, idle_seconds, sandbox_pod, sandbox_pod_name, user_id
from mcp_operator.pool_pod import pool_pod
from mcp_optimizer_api.job import pod_token, token_digest
from mcp_optimizer_api.names import TEMPLATE_HASH_ANNOTATION
from mcp_optimizer_api.sandbox import Sandbox, SandboxSessions

SANDBOX_DOCKERFILE = Path(__file__).parents[3] / "sandbox" / "Dockerfile"
KEY = bytes(range(32))
NAMES = [f"team-sandbox-{number:08d}" for number in range(200)]


def template(**changes: Any) -> PoolTemplate:
    plain = PoolTemplate(
        namespace="apps",
        optimizer="team",
        optimizer_uid="u-1",
        sandbox=Sandbox(),
        image="localhost/mcp-sandbox:1",
        pull_policy="IfNotPresent",
        pool_key=KEY,
    )
    return replace(plain, **changes)


def pod(**changes: Any) -> dict[str, Any]:
    return sandbox_pod(template(**changes), pod_name="team-sandbox-abcdefgh")


def test_the_pod_passes_pod_security_restricted() -> None:
    spec = pod()["spec"]
    container = spec["containers"][0]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["terminationMessagePath"].startswith("/opt/closed/"), "a file of the node's disk that everybody may write to"
    assert {"name": "MCP_SANDBOX_TERMINATION_LOG", "value": container["terminationMessagePath"]} in container["env"], (
        "the agent looks whether it is closed"
    )
    assert "install -d -m 0700 /opt/closed" in SANDBOX_DOCKERFILE.read_text(), "the kubelet would make a folder that everybody may enter"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()


def test_the_pod_runs_once_and_cannot_outlive_its_longest_job() -> None:
    spec = pod(sandbox=Sandbox(timeout_seconds=600, sessions=SandboxSessions(max_sessions=0)))["spec"]
    assert spec["restartPolicy"] == "Never"
    assert MAX_WARM_SECONDS + 600 <= spec["activeDeadlineSeconds"] < MAX_WARM_SECONDS + 700
    kept = pod(sandbox=Sandbox(timeout_seconds=600, sessions=SandboxSessions(max_seconds=5000)))["spec"]
    assert MAX_WARM_SECONDS + 5000 <= kept["activeDeadlineSeconds"] < MAX_WARM_SECONDS + 5100
    assert spec["terminationGracePeriodSeconds"] == 1
    assert [pool_pod({"spec": each}).job_seconds for each in (spec, kept, {})] == [600, 5000, 0]


def test_the_pod_gets_no_identity_no_names_and_no_service_environment() -> None:
    spec = pod()["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["dnsPolicy"] == "None"
    assert spec["dnsConfig"]["nameservers"] == ["127.0.0.1"]
    assert spec["hostname"] == "sandbox"
    assert [volume["name"] for volume in spec["volumes"]] == ["work"]


def test_the_pod_holds_the_digest_of_its_token_and_neither_the_token_nor_the_key() -> None:
    manifest = pod()
    env = {entry["name"]: entry["value"] for entry in manifest["spec"]["containers"][0]["env"]}
    token = pod_token(KEY, "team-sandbox-abcdefgh")
    assert env["MCP_SANDBOX_TOKEN_SHA256"] == token_digest(token)
    text = json.dumps(manifest)
    assert token not in text
    assert KEY.hex() not in text


def test_scratch_space_is_memory_of_the_wanted_size() -> None:
    spec = pod(sandbox=Sandbox(disk_limit="10Mi"))["spec"]
    assert spec["volumes"] == [{"name": "work", "emptyDir": {"medium": "Memory", "sizeLimit": "10Mi"}}]
    assert spec["containers"][0]["volumeMounts"] == [{"name": "work", "mountPath": "/work"}]


def test_requests_are_those_of_the_spec() -> None:
    wanted = {"requests": {"cpu": "10m", "memory": "32Mi"}}
    resources = pod(sandbox=Sandbox.model_validate({"resources": wanted}))["spec"]["containers"][0]["resources"]
    assert resources["requests"] == wanted["requests"]


@pytest.mark.parametrize(
    ("limits", "requests"),
    [
        ({"cpu": "500m", "memory": "512Mi"}, {"cpu": "50m", "memory": "64Mi"}),
        ({"cpu": "1", "memory": "67108864"}, {"cpu": "50m", "memory": "64Mi"}),
    ],
)
def test_requests_are_small_unless_the_spec_says_otherwise(limits: dict[str, str], requests: dict[str, str]) -> None:
    resources = pod(sandbox=Sandbox.model_validate({"resources": limits}))["spec"]["containers"][0]["resources"]
    assert resources == {"requests": requests, "limits": limits}


def test_the_spec_decides_image_runtime_class_and_pull_secrets() -> None:
    spec = pod(sandbox=Sandbox(image="registry/x:2", runtime_class_name="gvisor"), pull_secrets=("regcred",))["spec"]
    assert spec["containers"][0]["image"] == "registry/x:2"
    assert spec["runtimeClassName"] == "gvisor"
    assert spec["imagePullSecrets"] == [{"name": "regcred"}]
    assert "runtimeClassName" not in pod()["spec"]


def test_the_pod_is_owned_by_its_optimizer() -> None:
    (owner,) = pod()["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("MCPOptimizer", "team", "u-1", True)


def test_pods_of_one_template_share_its_hash_and_any_change_of_the_template_changes_it() -> None:
    first, second = (sandbox_pod(template(), pod_name=name)["metadata"]["annotations"][TEMPLATE_HASH_ANNOTATION] for name in NAMES[:2])
    assert first == second == template().hash
    changed = [
        template(image="localhost/mcp-sandbox:2"),
        template(pool_key=bytes(32)),
        template(sandbox=Sandbox(timeout_seconds=3000)),
        template(optimizer_uid="u-2"),
        template(pull_secrets=("regcred",)),
    ]
    assert len({first, *(other.hash for other in changed)}) == 6


def test_pods_of_one_pool_do_not_expire_together() -> None:
    ages = [idle_seconds(name) for name in NAMES]
    assert len(set(ages)) > 100
    assert all(0.8 * MAX_WARM_SECONDS <= age <= MAX_WARM_SECONDS for age in ages)


def test_pods_of_one_node_do_not_share_a_process_limit() -> None:
    users = [user_id(name) for name in NAMES]
    assert len(set(users)) > 190
    assert all(20_000 <= user < 60_000 for user in users)


def test_names_stay_within_63_characters() -> None:
    assert sandbox_pod_name("team", "abcdefgh") == "team-sandbox-abcdefgh"
    assert len(sandbox_pod_name("x" * 63, "abcdefgh")) == 63


def test_the_pod_goes_where_the_spec_places_it_and_a_new_place_is_a_new_template() -> None:
    placed = Sandbox.model_validate(
        {
            "priorityClassName": "sandbox",
            "nodeSelector": {"example.com/pool": "untrusted"},
            "tolerations": [{"key": "untrusted", "operator": "Exists", "effect": "NoSchedule"}],
        }
    )
    spec = pod(sandbox=placed)["spec"]
    assert spec["priorityClassName"] == "sandbox"
    assert spec["nodeSelector"] == {"example.com/pool": "untrusted"}
    assert spec["tolerations"] == [{"key": "untrusted", "operator": "Exists", "effect": "NoSchedule"}]
    assert not {"priorityClassName", "nodeSelector", "tolerations"} & pod()["spec"].keys()
    assert template(sandbox=placed).hash != template().hash


def test_a_warm_pod_that_answers_late_is_not_taken_for_a_busy_one() -> None:
    probe = pod()["spec"]["containers"][0]["readinessProbe"]
    assert (probe["periodSeconds"], probe["timeoutSeconds"] * probe["failureThreshold"]) == (1, 12)
