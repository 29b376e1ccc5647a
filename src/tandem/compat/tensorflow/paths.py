"""Paths of TensorFlow's own files that scripts import, and where their names are here."""

ALIASES = {
    "python.client": "",
    "python.client.device_lib": "devices",
    "python.client.session": "sessions",
    "python.eager": "",
    "python.eager.context": "",
    "python.framework": "",
    "python.framework.constant_op": "",
    "python.framework.dtypes": "",
    "python.framework.ops": ". sessions",
    "python.framework.random_seed": "",
    "python.framework.tensor_shape": "",
    "python.framework.tensor_spec": "",
    "python.ops": "",
    "python.ops.array_ops": "",
    "python.ops.control_flow_ops": "",
    "python.ops.gen_array_ops": "",
    "python.ops.math_ops": "",
    "python.ops.variables": "",
    "python.platform": "",
}
