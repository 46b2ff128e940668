"""The contract between the rooms: pydantic models and names, without I/O.

Modules: `names` (labels, ports, child names), `base` (model configurations), `pods` (shared field types), `optimizer` and `server`
(the two custom resources), `status` (conditions and reasons), `config` (what the operator renders for the data plane), `stats` (what
the data plane reports back), `job` (the sandbox job protocol), `catalogue` (hash of a tool list). From the models to files: `cel`
(rules), `schema` (structural schemas), `yaml_text`, `crd` (crds/*.yaml), `reference` (docs/reference).
"""
