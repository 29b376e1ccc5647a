"""Executors of one symbol on several contexts, each with its slice of the batch and replicas of the parameters."""

import logging

from tandem.core.errors import explain
from tandem.mxnet import ndarray
from tandem.mxnet.context import Context, cpu
from tandem.mxnet.io.io import DataDesc
from tandem.mxnet.module.descriptions import described
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["DataParallelExecutorGroup"]

# How many sets of executors for other shapes are kept: their recordings are worth more than their memory.
_MOST_KEPT = 16


def _split_input_slice(batch_size, work_load_list):
    """A slice of a batch for each context, in proportion to its work load; the last one takes what is left over.

    Raises ValueError where one is empty.
    """
    total = sum(work_load_list)
    sizes = [round(load * batch_size / total) for load in work_load_list]
    if sum(sizes) < batch_size:
        sizes[-1] += batch_size - sum(sizes)
    slices, begin = [], 0
    for size in sizes:
        end = int(min(begin + size, batch_size))
        if begin >= end:
            raise ValueError("Too many slices. Some splits are empty.")
        slices.append(slice(int(begin), end))
        begin = end
    return slices


def _part(array, piece, axis):
    """The rows of a slice along an axis; all of it without an axis."""
    if axis < 0 or (piece.start == 0 and piece.stop == array.shape[axis]):
        return array
    if axis == 0:
        return array[piece]
    return ndarray.slice_axis(array, axis=axis, begin=piece.start, end=piece.stop)


def _fill(sources, targets, axes):
    """Copy arrays, each in its slices along its axis, to the contexts' arrays."""
    for source, places, axis in zip(sources, targets, axes):
        if isinstance(source, list):  # an array to each context
            for one, (_, target) in zip(source, places):
                one.copyto(target)
            continue
        for piece, target in places:
            _part(source, piece, axis).copyto(target)


def _fill_from(batch, name, targets, axes):
    """Fill arrays from a batch's attribute `name`, or from those of a list of batches, one to each context."""
    if isinstance(batch, list):
        _fill([list(arrays) for arrays in zip(*[getattr(one, name) for one in batch])], targets, axes)
    else:
        _fill(getattr(batch, name), targets, axes)


def _merged(outputs, axes):
    """Arrays of several contexts as one each, on the first context."""
    return [
        _joined(arrays, axis) if axis >= 0 and len(arrays) > 1 else arrays[0] for arrays, axis in zip(outputs, axes)
    ]


def _joined(arrays, axis):
    home = arrays[0].context
    return ndarray.concat(*[array.as_in_context(home) for array in arrays], dim=axis)


def _prepare_group2ctxs(group2ctxs, count):
    """A dict from names of groups to contexts for each of `count` executors.

    group2ctxs: None, a dict for all, a dict from names to lists of contexts, or a list of dicts.
    Raises AssertionError for another number of them, TypeError for something else.
    """
    if group2ctxs is None:
        return [None] * count
    if isinstance(group2ctxs, list):
        if len(group2ctxs) != count:
            raise AssertionError(f"length of group2ctxs should be {count}")
        return group2ctxs
    if not isinstance(group2ctxs, dict):
        raise TypeError(
            explain(
                "group2ctxs should be list of dict of str to context, or dict of str to context or list of context",
                given=type(group2ctxs).__name__,
            )
        )
    found = [{} for _ in range(count)]
    for group, contexts in group2ctxs.items():
        contexts = [contexts] if isinstance(contexts, Context) else list(contexts)
        if len(contexts) not in (1, count):
            raise AssertionError(f"length of group2ctxs[{group!r}] should be {count}")
        for place in range(count):
            found[place][group] = contexts[place % len(contexts)]
    return found


class DataParallelExecutorGroup:
    """Executors of a symbol, one to each context, that share the batch.

    symbol; contexts: a list; workload: numbers, in proportion to which the batch is sliced; data_shapes, label_shapes:
    lists of `DataDesc` (or of name and shape), the second may be None; param_names: which arguments are parameters;
    for_training; inputs_need_grad: whether there are gradients of the data; shared_group: a group whose memory is
    used; fixed_param_names: parameters without gradients; grad_req: 'write', 'add', 'null', a list or a dict of them;
    state_names: arguments that are neither data nor parameters; group2ctxs: see `Module`.
    """

    def __init__(
        self,
        symbol,
        contexts,
        workload,
        data_shapes,
        label_shapes,
        param_names,
        for_training,
        inputs_need_grad,
        shared_group=None,
        logger=logging,
        fixed_param_names=None,
        grad_req="write",
        state_names=None,
        group2ctxs=None,
    ):
        self.param_names = param_names
        self.arg_names = symbol.list_arguments()
        self.aux_names = symbol.list_auxiliary_states()
        self.symbol, self.contexts, self.workload = symbol, contexts, workload
        self.group2ctxs = _prepare_group2ctxs(group2ctxs, len(contexts))
        self.for_training, self.inputs_need_grad = for_training, inputs_need_grad
        self.logger = logger
        self._total_exec_bytes = 0
        self.fixed_param_names = [] if fixed_param_names is None else fixed_param_names
        self.state_names = [] if state_names is None else state_names
        data_shapes = described(data_shapes)
        label_shapes = None if label_shapes is None else described(label_shapes)
        self.grad_req = self._requests(grad_req, [one.name for one in data_shapes])
        self.shared_data_arrays = [{} for _ in contexts] if shared_group is None else shared_group.shared_data_arrays
        self.output_names = symbol.list_outputs()
        self.num_outputs = len(symbol.list_outputs())
        self.output_layouts = [
            DataDesc.get_batch_axis(symbol[place].attr("__layout__")) for place in range(self.num_outputs)
        ]
        self.batch_size = self.slices = self.execs = self._default_execs = None
        self.data_shapes = self.label_shapes = None
        self.data_names = self.label_names = self.data_layouts = self.label_layouts = None
        self.data_arrays = self.label_arrays = self.state_arrays = None
        self.param_arrays = self.grad_arrays = self.aux_arrays = self.input_grad_arrays = None
        self._kept = {}
        self.bind_exec(data_shapes, label_shapes, shared_group)

    def _requests(self, grad_req, data_names):
        """Name of an argument -> 'write', 'add' or 'null'."""
        if not isinstance(grad_req, (str, list, tuple, dict)):
            raise ValueError("grad_req must be one of str, list, tuple, or dict.")
        if not self.for_training:
            grad_req = "null"
        if isinstance(grad_req, (list, tuple)):
            if len(grad_req) != len(self.arg_names):
                raise AssertionError(
                    explain("One grad_req to each argument", expected=len(self.arg_names), given=len(grad_req))
                )
            return dict(zip(self.arg_names, grad_req))
        common = grad_req if isinstance(grad_req, str) else "write"
        found = {}
        for name in self.arg_names:
            learns = name in self.param_names and name not in self.fixed_param_names
            found[name] = common if learns or (name in data_names and self.inputs_need_grad) else "null"
        if isinstance(grad_req, dict):
            found.update(grad_req)
        return found

    # --- binding -----------------------------------------------------------------------------------------------------

    def decide_slices(self, data_shapes):
        """Which axis of each array is the batch's; sets `batch_size` and `slices`.

        Raises AssertionError where arrays differ in the size of the batch.
        """
        axes = [DataDesc.get_batch_axis(one.layout) for one in data_shapes]
        for (name, shape), axis in zip(data_shapes, axes):
            if axis < 0:
                continue
            size = shape[axis]
            if self.batch_size is None:
                self.batch_size, self.slices = size, _split_input_slice(size, self.workload)
            elif size != self.batch_size:
                raise AssertionError(
                    f"all data must have the same batch size: batch_size = {self.batch_size}, but {name} has shape"
                    f" {tuple(shape)}"
                )
        return axes

    def _sliced_shape(self, shapes, i, major_axis):
        """The shapes of the i-th context's arrays, as descriptions."""
        found = []
        for one, axis in zip(shapes, major_axis):
            shape = list(one.shape)
            if axis >= 0:
                shape[axis] = self.slices[i].stop - self.slices[i].start
            found.append(DataDesc(one.name, tuple(shape), one.dtype, one.layout))
        return found

    def bind_exec(self, data_shapes, label_shapes, shared_group=None, reshape=False):
        """Make the executors. reshape: from those that are there, for other shapes."""
        self.batch_size = None
        self.data_layouts = self.decide_slices(data_shapes)
        self.label_layouts = [] if label_shapes is None else self.decide_slices(label_shapes)
        if reshape:
            self.execs = self._reshaped(data_shapes, label_shapes)
        else:
            self.execs = [
                self._bind_ith_exec(place, data_shapes, label_shapes, shared_group)
                for place in range(len(self.contexts))
            ]
        self.data_shapes, self.label_shapes = data_shapes, label_shapes
        self.data_names = [one.name for one in data_shapes]
        self.label_names = [] if label_shapes is None else [one.name for one in label_shapes]
        self._collect_arrays()

    def _shapes_of(self, place, data_shapes, label_shapes):
        found = self._sliced_shape(data_shapes, place, self.data_layouts)
        if label_shapes is not None:
            found += self._sliced_shape(label_shapes, place, self.label_layouts)
        return found

    def _bind_ith_exec(self, i, data_shapes, label_shapes, shared_group):
        shapes = self._shapes_of(i, data_shapes, label_shapes)
        return self.symbol.simple_bind(
            ctx=self.contexts[i],
            grad_req=self.grad_req,
            type_dict={one.name: one.dtype for one in shapes},
            shared_arg_names=self.param_names,
            shared_exec=None if shared_group is None else shared_group.execs[i],
            group2ctx=self.group2ctxs[i],
            shared_buffer=self.shared_data_arrays[i],
            **{one.name: one.shape for one in shapes},
        )

    def _reshaped(self, data_shapes, label_shapes):
        """Executors for other shapes, with the same parameters and gradients; those of the last shapes are kept."""
        if self._default_execs is None:
            self._default_execs = list(self.execs)
            self._kept = {self._key(self.data_shapes, self.label_shapes): self._default_execs}
        key = self._key(data_shapes, label_shapes)
        known = self._kept.get(key)
        if known is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.pop(next(one for one in self._kept if self._kept[one] is not self._default_execs))
            known = self._kept[key] = [
                executor.reshape(allow_up_sizing=True, **self._input_shapes(place, data_shapes, label_shapes))
                for place, executor in enumerate(self._default_execs)
            ]
        return list(known)

    def _input_shapes(self, place, data_shapes, label_shapes):
        """Name -> shape of a context's inputs; labels that are not given follow the data."""
        found = {one.name: one.shape for one in self._shapes_of(place, data_shapes, label_shapes)}
        if label_shapes is None:
            inferred, _, _ = self.symbol.infer_shape_partial(**found)
            for name, shape in zip(self.arg_names, inferred or ()):
                if not (name in found or name in self.param_names or name in self.state_names) and shape:
                    found[name] = shape
        return found

    @staticmethod
    def _key(data_shapes, label_shapes):
        labels = None if label_shapes is None else tuple((one.name, tuple(one.shape)) for one in label_shapes)
        return tuple((one.name, tuple(one.shape)) for one in data_shapes), labels

    def reshape(self, data_shapes, label_shapes):
        """Go on with other shapes."""
        if data_shapes == self.data_shapes and label_shapes == self.label_shapes:
            return
        held = self.batch_size, self.slices, self.data_layouts, self.label_layouts
        try:
            self.bind_exec(data_shapes, label_shapes, reshape=True)
        except Exception:  # the shapes do not fit: go on with those that are there
            self.batch_size, self.slices, self.data_layouts, self.label_layouts = held
            raise

    def _collect_arrays(self):
        """Lists of arrays over the contexts, for each name."""
        execs, slices = self.execs, self.slices

        def places(names):
            held = [executor.arg_dict for executor in execs]
            return [[(slices[place], arrays[name]) for place, arrays in enumerate(held)] for name in names]

        self.data_arrays = places(self.data_names)
        self.label_arrays = None if self.label_shapes is None else places(self.label_names)
        self.state_arrays = [[executor.arg_dict[name] for executor in execs] for name in self.state_names]
        parameters = [place for place, name in enumerate(self.arg_names) if name in self.param_names]
        self.param_arrays = [[executor.arg_arrays[place] for executor in execs] for place in parameters]
        self.grad_arrays = (
            [[executor.grad_arrays[place] for executor in execs] for place in parameters] if self.for_training else None
        )
        self.input_grad_arrays = (
            [[executor.grad_dict[name] for executor in execs] for name in self.data_names if name in self.arg_names]
            if self.inputs_need_grad
            else None
        )
        self.aux_arrays = [[executor.aux_arrays[place] for executor in execs] for place in range(len(self.aux_names))]

    # --- parameters --------------------------------------------------------------------------------------------------

    def set_params(self, arg_params, aux_params, allow_extra=False):
        """Copy parameters to all contexts.

        Raises ValueError for a name that is none, unless `allow_extra`.
        """
        for executor in self.execs:
            executor.copy_params_from(arg_params, aux_params, allow_extra_params=allow_extra)

    def get_params(self, arg_params, aux_params):
        """Copy parameters, the mean over the contexts, to the arrays of two dicts."""
        for names, blocks, target in (
            (self.param_names, self.param_arrays, arg_params),
            (self.aux_names, self.aux_arrays, aux_params),
        ):
            for name, block in zip(names, blocks):
                array = block[0].as_in_context(cpu())
                if len(block) > 1:
                    array = sum([other.as_in_context(cpu()) for other in block[1:]], array) / len(block)
                array.astype(target[name].dtype, copy=False).copyto(target[name])

    # --- states ------------------------------------------------------------------------------------------------------

    def get_states(self, merge_multi_context=True):
        """The states, a list over the contexts for each.

        Raises AssertionError for merge_multi_context.
        """
        if merge_multi_context:
            raise AssertionError("merge_multi_context=True is not supported for get_states yet.")
        return self.state_arrays

    def set_states(self, states=None, value=None):
        """Set the states: from a list as `get_states` gives it, or all to a number."""
        if states is not None:
            if value is not None:
                raise AssertionError("Only one of states & value can be specified.")
            for sources, targets in zip(states, self.state_arrays):
                for source, target in zip(sources, targets):
                    source.copyto(target)
            return
        if value is None:
            raise AssertionError("At least one of states & value must be specified.")
        for targets in self.state_arrays:
            for target in targets:
                target[:] = value

    # --- computing ---------------------------------------------------------------------------------------------------

    def forward(self, data_batch, is_train=None):
        """Copy a batch's slices to the contexts and compute the outputs."""
        _fill_from(data_batch, "data", self.data_arrays, self.data_layouts)
        if is_train is None:
            is_train = self.for_training
        first = data_batch[0] if isinstance(data_batch, list) else data_batch
        if self.label_arrays is not None and getattr(first, "label", None):
            _fill_from(data_batch, "label", self.label_arrays, self.label_layouts)
        for executor in self.execs:
            executor.forward(is_train=is_train)

    def get_output_shapes(self):
        """(name, shape) of the outputs, of the whole batch."""
        found = []
        for place, (name, axis) in enumerate(zip(self.output_names, self.output_layouts)):
            shape = list(self.execs[0].outputs[place].shape)
            if axis >= 0:
                shape[axis] = self.batch_size
            found.append((name, tuple(shape)))
        return found

    def get_outputs(self, merge_multi_context=True, begin=0, end=None):
        """The outputs from `begin` to `end`; not merged, a list over the contexts for each."""
        stop = self.num_outputs if end is None else end
        found = [[executor.outputs[place] for executor in self.execs] for place in range(begin, stop)]
        return _merged(found, self.output_layouts[begin:stop]) if merge_multi_context else found

    def get_input_grads(self, merge_multi_context=True):
        """The gradients of the data.

        Raises AssertionError unless they were asked for.
        """
        if not self.inputs_need_grad:
            raise AssertionError(
                explain("There are no gradients of the data", expected="inputs_need_grad=True in bind()")
            )
        found = self.input_grad_arrays
        return _merged(found, self.data_layouts) if merge_multi_context else found

    def backward(self, out_grads=None):
        """Compute the gradients. out_grads: of the outputs, of the whole batch.

        Raises AssertionError unless the group was bound for training.
        """
        if not self.for_training:
            raise AssertionError("re-bind with for_training=True to run backward")
        grads = [] if out_grads is None else [out_grads] if isinstance(out_grads, NDArray) else out_grads
        for piece, executor, ctx in zip(self.slices, self.execs, self.contexts):
            executor.backward(
                out_grads=[
                    _part(grad, piece, axis).as_in_context(ctx) for grad, axis in zip(grads, self.output_layouts)
                ]
            )

    def update_metric(self, eval_metric, labels, pre_sliced=False):
        """Update a metric on each context's outputs. labels: of the whole batch, or pre_sliced, a list to each."""
        for place, (executor, piece) in enumerate(zip(self.execs, self.slices)):
            if pre_sliced:
                own = labels[place]
            else:
                own = [
                    _part(label, piece, axis) if len(self.execs) > 1 else label
                    for label, axis in zip(labels, self.label_layouts)
                ]
            eval_metric.update_dict(dict(zip(self.label_names, own)), dict(zip(self.output_names, executor.outputs)))

    def install_monitor(self, mon):
        """Have a `Monitor` look at the executors."""
        for executor in self.execs:
            mon.install(executor)
