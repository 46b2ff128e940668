"""Where agent-written code runs: claims warm Pods, talks to the agents in them. Public surface: `PodLane`."""

from .pod_lane import PodLane

__all__ = ["PodLane"]
