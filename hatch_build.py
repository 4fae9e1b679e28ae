"""A built wheel carries the samples and the network, so that it works without a checkout.

As a hook and not as ``force-include`` in pyproject.toml, because that holds for editable
installs too: those need no copy, and must work before a network was trained.
"""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIED = (
    "data/samples",
    "results/model/my_own_model.tflite",
    "results/model/my_own_model.json",
    "results/style/features.keras",
    "results/style/features.json",
)


class CarryProject(BuildHookInterface):
    def initialize(self, version: str, build_data: dict) -> None:
        if version == "standard":
            build_data["force_include"].update({path: f"fernb/_project/{path}" for path in CARRIED})
