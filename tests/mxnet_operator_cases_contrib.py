"""Cases (see `mxnet_operator_cases`) of `contrib`, custom operators, densities, quantization and updates."""

import tandem.mxnet as mx
from mxnet_operator_cases import case


class _Doubled(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] * 2)

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], out_grad[0] * 2)


@mx.operator.register("doubled_in_the_cases")
class _DoubledProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, in_shapes, in_dtypes):
        return _Doubled()


case("Custom", (2, 3), op_type="doubled_in_the_cases", _oracle=False)  # tests/mxnet/test_operator_custom.py asks it
