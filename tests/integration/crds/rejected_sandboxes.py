"""What `spec.sandbox` must not say; `test_rejected_optimizers` tries each of these."""

from tests.integration.crds.cases import Spec

SANDBOXES: dict[str, tuple[Spec, str, str]] = {
    "an unknown field deep down": ({"sandbox": {"pool": {"size": 3}}}, "spec.sandbox.pool.size", "unknown field"),
    "a pool with its bounds swapped": ({"sandbox": {"pool": {"min": 5, "max": 4}}}, "spec.sandbox.pool.min", "raise pool.max"),
    "a pool above the default maximum": ({"sandbox": {"pool": {"min": 21}}}, "spec.sandbox.pool.min", "lower pool.min"),
    "a pool without a warm Pod": ({"sandbox": {"pool": {"min": 0}}}, "spec.sandbox.pool.min", "write max: 0 to switch execute_code off"),
    "a switch in words": ({"sandbox": {"allowUnenforcedEgress": "yes"}}, "spec.sandbox.allowUnenforcedEgress", "boolean"),
    "a pool that is never refilled": (
        {"sandbox": {"pool": {"refillPerSecond": 0}}},
        "spec.sandbox.pool.refillPerSecond",
        "greater than or equal to 1",
    ),
    "a refill without bound": (
        {"sandbox": {"pool": {"refillPerSecond": 201}}},
        "spec.sandbox.pool.refillPerSecond",
        "less than or equal to 200",
    ),
    "a priority class in capitals": (
        {"sandbox": {"priorityClassName": "Low"}},
        "spec.sandbox.priorityClassName",
        "lower-case letters",
    ),
    "a node label without a key": (
        {"sandbox": {"nodeSelector": {"a b": "c"}}},
        "spec.sandbox.nodeSelector",
        "write for example pool",
    ),
    "too many node labels": (
        {"sandbox": {"nodeSelector": {f"l{n}": "" for n in range(17)}}},
        "spec.sandbox.nodeSelector",
        "must have at most 16",
    ),
    "too many tolerations": (
        {"sandbox": {"tolerations": [{"operator": "Exists"}] * 17}},
        "spec.sandbox.tolerations",
        "must have at most 16",
    ),
    "a toleration of any value with a value": (
        {"sandbox": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        "spec.sandbox.tolerations[0].value",
        "write operator: Equal",
    ),
    "a toleration of nothing": (
        {"sandbox": {"tolerations": [{"value": "b"}]}},
        "spec.sandbox.tolerations[0].key",
        "write operator: Exists",
    ),
    "a toleration for a while that evicts nobody": (
        {"sandbox": {"tolerations": [{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 5}]}},
        "spec.sandbox.tolerations[0].tolerationSeconds",
        "write effect: NoExecute",
    ),
    "a giant pool": ({"sandbox": {"pool": {"max": 1001}}}, "spec.sandbox.pool.max", "less than or equal to 1000"),
    "a job without time": ({"sandbox": {"timeoutSeconds": 0}}, "spec.sandbox.timeoutSeconds", "greater than or equal to 1"),
    "a job that never ends": ({"sandbox": {"timeoutSeconds": 3601}}, "spec.sandbox.timeoutSeconds", "less than or equal to 3600"),
    "a job without memory": (
        {"sandbox": {"resources": {"memory": "1Mi"}, "diskLimit": "1k"}},
        "spec.sandbox.resources.memory",
        "write 64Mi or more",
    ),
    "a job without CPU": ({"sandbox": {"resources": {"cpu": "1m"}}}, "spec.sandbox.resources.cpu", "write 50m or more"),
    "a sandbox that requests more CPU than it may use": (
        {"sandbox": {"resources": {"cpu": "100m", "requests": {"cpu": "200m"}}}},
        "spec.sandbox.resources.requests.cpu",
        "lower the request or raise cpu",
    ),
    "a sandbox that requests more memory than it may use": (
        {"sandbox": {"resources": {"requests": {"memory": "1Gi"}}}},
        "spec.sandbox.resources.requests.memory",
        "lower the request or raise memory",
    ),
    "a session that idles for longer than it lives": (
        {"sandbox": {"sessions": {"maxSeconds": 200}}},
        "spec.sandbox.sessions.idleSeconds",
        "lower sessions.idleSeconds or raise sessions.maxSeconds",
    ),
    "more sessions than peers can be asked about": (
        {"sandbox": {"sessions": {"maxSessions": 51}}},
        "spec.sandbox.sessions.maxSessions",
        "less than or equal to 50",
    ),
    "more sessions of one client than of all": (
        {"sandbox": {"sessions": {"maxSessionsPerClient": 5}}},
        "spec.sandbox.sessions.maxSessionsPerClient",
        "lower sessions.maxSessionsPerClient or raise sessions.maxSessions",
    ),
    "scratch space larger than memory": ({"sandbox": {"diskLimit": "1Gi"}}, "spec.sandbox.diskLimit", "raise sandbox.resources.memory"),
    "more jobs of one client than of all": (
        {"sandbox": {"maxConcurrent": 5, "maxConcurrentPerClient": 6}},
        "spec.sandbox.maxConcurrentPerClient",
        "lower sandbox.maxConcurrentPerClient or raise sandbox.maxConcurrent",
    ),
    "a disk limit in words": ({"sandbox": {"diskLimit": "much"}}, "spec.sandbox.diskLimit", "128Mi or 1Gi (memory)"),
    "a sandbox image with a scheme": ({"sandbox": {"image": "https://r.example/x"}}, "spec.sandbox.image", "without https://"),
    "a runtime class in capitals": ({"sandbox": {"runtimeClassName": "GVisor"}}, "spec.sandbox.runtimeClassName", "lower-case letters"),
    "too many processes": ({"sandbox": {"maxProcesses": 1001}}, "spec.sandbox.maxProcesses", "less than or equal to 1000"),
}
