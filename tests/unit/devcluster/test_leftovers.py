"""Finding what a dead cluster left, on made-up file systems."""

from pathlib import Path

from devcluster import leftovers
from devcluster.layout import Layout
from devcluster.node import cgroup_name

MOUNTINFO = """\
24 1 253:0 / / rw shared:1 - ext4 /dev/vda rw
90 24 253:0 /x /home/me/co/.devcluster/local/kubelet rw - ext4 /dev/vda rw
91 90 0:50 / /home/me/co/.devcluster/local/kubelet/pods/1/volumes/a\\040b rw - tmpfs tmpfs rw
92 24 0:51 / /run/mcp-devcluster/abc/containerd/rootfs rw - overlay overlay rw
93 24 0:52 / /home/me/co/.devcluster/local-2/kubelet rw - tmpfs tmpfs rw
"""


def v1(root: Path) -> Path:
    for name in ("cpu", "cpuset", "memory"):
        (root / name).mkdir(parents=True)
        (root / name / "cgroup.procs").write_text("1\n")
    (root / "cpuset" / "cpuset.cpus").write_text("0-1\n")
    (root / "not-a-hierarchy").mkdir()
    return root


def test_mounts_are_found_innermost_first_and_only_below_our_folders() -> None:
    folders = (Path("/home/me/co/.devcluster/local"), Path("/run/mcp-devcluster/abc"))
    assert leftovers.mounts_below(folders, MOUNTINFO) == [
        "/run/mcp-devcluster/abc/containerd/rootfs",
        "/home/me/co/.devcluster/local/kubelet/pods/1/volumes/a b",
        "/home/me/co/.devcluster/local/kubelet",
    ]


def test_cgroup_v1_has_one_hierarchy_per_controller_and_v2_has_one(tmp_path: Path) -> None:
    assert [path.name for path in leftovers.hierarchies(v1(tmp_path / "v1"))] == ["cpu", "cpuset", "memory"]
    (tmp_path / "v2").mkdir()
    (tmp_path / "v2" / "cgroup.controllers").write_text("cpu memory")
    assert leftovers.hierarchies(tmp_path / "v2") == [tmp_path / "v2"]


def test_members_are_found_in_every_nested_cgroup_of_this_cluster_only(tmp_path: Path) -> None:
    root, layout = v1(tmp_path / "v1"), Layout(tmp_path, "local")
    pod = root / "memory" / cgroup_name(layout) / "kubepods" / "pod1"
    pod.mkdir(parents=True)
    (pod / "cgroup.procs").write_text("4711\n4712\n")
    (root / "cpu" / "mcpdev-somebody").mkdir()
    (root / "cpu" / "mcpdev-somebody" / "cgroup.procs").write_text("1\n")
    folders = list(leftovers.cgroup_folders(layout, root))
    assert folders == [pod, pod.parent, pod.parent.parent]
    assert leftovers.members(folders) == {4711, 4712}


def test_root_cgroups_are_created_in_every_hierarchy(tmp_path: Path) -> None:
    root, layout = v1(tmp_path / "v1"), Layout(tmp_path, "local")
    leftovers.create_cgroups(layout, root)
    leftovers.create_cgroups(layout, root)
    assert all((root / name / cgroup_name(layout)).is_dir() for name in ("cpu", "cpuset", "memory"))


def test_cgroup_v2_delegates_every_controller(tmp_path: Path) -> None:
    root = tmp_path / "v2"
    root.mkdir()
    (root / "cgroup.controllers").write_text("cpu")
    leftovers.create_cgroups(Layout(tmp_path, "local"), root)
    assert (root / "cgroup.subtree_control").read_text() == "+cpu"
