"""`Trainer`: an optimizer applied to a set of parameters."""

import os
import weakref

from tandem.core.errors import explain
from tandem.formats.saving import atomic_write
from tandem.mxnet import kvstore as stores
from tandem.mxnet import optimizer as optimizers
from tandem.mxnet.gluon import extensions, sparse_weights
from tandem.mxnet.gluon.parameter import Parameter, ParameterDict
from tandem.mxnet.gradients import hook_of, variable
from tandem.mxnet.kvstore.compression import Compression
from tandem.mxnet.ndarray.ndarray import NDArray

__all__ = ["Trainer"]


class Trainer:
    """Updates parameters from their gradients: `step(batch_size)` after each `backward()`.

    params: what `collect_params()` answers, or a dict or list of parameters; optimizer: its name or an Optimizer;
    optimizer_params: its arguments; kvstore: how replicas on several contexts are summed ('device', 'local', a
    KVStore, or None: each replica goes its own way), and with 'dist_sync' over several processes; compression_params:
    see `KVStore.set_gradient_compression`, for more than one replica; update_on_kvstore: whether one copy is updated
    and sent to all replicas (by default, with several of them, unless the environment has MXNET_UPDATE_ON_KVSTORE=0),
    or each replica by itself.
    Parameters that come into being later (a Keras layer's, at its first call) are taken up when they are there.
    Raises ValueError for what are no parameters or an unknown optimizer.
    """

    def __init__(
        self,
        params,
        optimizer,
        optimizer_params=None,
        kvstore="device",
        compression_params=None,
        update_on_kvstore=None,
    ):
        self._block = getattr(params, "_block", None)
        self._growing = list(getattr(params, "_growing", ()))
        if isinstance(params, (dict, ParameterDict)):
            params = [params[key] for key in sorted(params.keys())]
        if not isinstance(params, (list, tuple)):
            raise ValueError(
                explain(
                    "First argument must be a list or dict of Parameters",
                    given=str(type(params)),
                    hint="net.collect_params() gives one.",
                )
            )
        if compression_params:
            Compression(compression_params)  # what is wrong with them is said here
        self._compression_params = compression_params
        self._params, self._param2idx = [], {}
        for parameter in params:
            self._take(parameter)
        self._init_optimizer(optimizer, optimizer_params)
        self._scale = self._optimizer.rescale_grad
        self._kvstore_params = {"kvstore": kvstore, "update_on_kvstore": update_on_kvstore}
        self._kvstore, self._update_on_kvstore, self._contexts = None, None, None
        self._kv_initialized = False

    def _take(self, parameter):
        if not isinstance(parameter, Parameter):
            raise ValueError(
                explain("First argument must be a list or dict of Parameters", given=f"list of {type(parameter)}")
            )
        if parameter.stype != "default":
            sparse_weights.check_trainer(parameter, self)
        parameter._keeper = weakref.ref(self)
        self._param2idx[parameter.name] = len(self._params)
        self._params.append(parameter)

    def _init_optimizer(self, optimizer, optimizer_params):
        param_dict = dict(enumerate(self._params))
        if isinstance(optimizer, optimizers.Optimizer):
            if optimizer_params:
                raise AssertionError(
                    explain("optimizer_params must be None if optimizer is an instance of Optimizer instead of str")
                )
            self._optimizer = optimizer
            optimizer.param_dict = param_dict
        else:
            self._optimizer = optimizers.create(optimizer, param_dict=param_dict, **(optimizer_params or {}))
        self._updaters = [optimizers.get_updater(self._optimizer)]

    def _grow(self):
        """Take up parameters that came into being since the last time."""
        for block in list(self._growing):
            for parameter in block.params.values():
                if parameter.name not in self._param2idx:
                    self._take(parameter)
                    self._optimizer.param_dict[len(self._params) - 1] = parameter
                    if self._kv_initialized:
                        self._store(len(self._params) - 1, parameter)
            if not block.params._growing:
                self._growing.remove(block)

    def _init_kvstore(self):
        """Find the contexts and how replicas are brought together.

        Raises AssertionError where parameters are on different contexts.
        """
        contexts, first = None, None
        for parameter in self._params:
            ctx = parameter.list_ctx()
            if contexts is not None and contexts != ctx:
                raise AssertionError(
                    explain(
                        "All Parameters must be initialized on the same set of contexts",
                        expected=f"{contexts}, as {first}",
                        given=f"{ctx}, for {parameter.name}",
                    )
                )
            contexts, first = ctx, first or parameter.name
        contexts = contexts or []
        store, on_store = self._kvstore_params["kvstore"], self._kvstore_params["update_on_kvstore"]
        if any(parameter.stype != "default" for parameter in self._params):
            store = sparse_weights.store_for(self._params, store, on_store)
        if store is not None and not isinstance(store, (str, stores.KVStoreBase)):
            raise TypeError(explain("kvstore must be KVStore, str or None", given=repr(store)))
        if isinstance(store, str):
            store = stores.create(store) if len(contexts) > 1 or "dist" in store else None
        if on_store and store is None:
            raise ValueError(
                explain(
                    "update_on_kvstore=True needs a kvstore",
                    expected="kvstore='device' and parameters on several contexts",
                    given=f"kvstore={self._kvstore_params['kvstore']!r}, contexts {contexts}",
                )
            )
        if store is not None and self._compression_params:
            store.set_gradient_compression(self._compression_params)
        if on_store is False and "async" in getattr(store, "type", ""):
            raise ValueError(explain("Please set update_on_kvstore=True when training in async mode."))
        self._contexts, self._kvstore = contexts, store
        sparse_grads = any(parameter.grad_stype != "default" for parameter in self._params)
        sparse_data = any(parameter.stype != "default" for parameter in self._params)
        if on_store is None and sparse_grads and not sparse_data:
            on_store = False  # as in MXNet on one machine
        if on_store is None and not sparse_data and os.environ.get("MXNET_UPDATE_ON_KVSTORE", "1") == "0":
            on_store = False
        if on_store is None and store is not None and not store.is_capable(stores.KVStoreBase.OPTIMIZER):
            on_store = False
        self._update_on_kvstore = store is not None and on_store is not False
        if self._update_on_kvstore:
            store.set_optimizer(self._optimizer)
            self._updaters = [store._updater]
        while len(self._updaters) < len(contexts) and not self._update_on_kvstore:
            self._updaters.append(optimizers.get_updater(self._optimizer))
        self._kv_initialized = True
        for index, parameter in enumerate(self._params):
            self._store(index, parameter)

    def _store(self, index, parameter):
        """Give a parameter to the kvstore: all replicas are the first one from then on."""
        if self._kvstore is not None and parameter.stype != "default":
            self._kvstore.init(index, parameter._reduce())
        elif self._kvstore is not None:
            data = parameter.list_data()
            self._kvstore.broadcast(index, data[0], data)

    def _row_sparse_pull(self, parameter, out, row_id):
        """Put rows of a row_sparse parameter into arrays."""
        if not self._kv_initialized:
            self._init_kvstore()
        index = self._param2idx[parameter.name]
        self._kvstore.row_sparse_pull([index], out=[out], row_ids=[row_id])

    def _keep(self, parameter, data):
        """Take note of new values of a parameter where the store updates it.

        As in MXNet the store is made anew in the next step, and forgets its optimizer's states; unless it has rows of
        sparse parameters, which are nowhere else.
        """
        if not self._kv_initialized or not self._update_on_kvstore:
            return
        if any(parameter.stype != "default" for parameter in self._params):
            stored = self._stored(parameter)
            if stored is not None:
                stored[:] = data
            return
        self._kvstore, self._update_on_kvstore, self._kv_initialized = None, None, False

    def _stored(self, parameter):
        """The kvstore's array of a parameter, of a row_sparse one with all rows; None where there is none (yet)."""
        if not self._kv_initialized or not isinstance(self._kvstore, stores.KVStore):
            return None
        return self._kvstore._stored.get(self._param2idx[parameter.name])

    # --- settings --------------------------------------------------------------------------------------------------

    @property
    def optimizer(self):
        """The optimizer."""
        return self._optimizer

    @property
    def learning_rate(self):
        """The current learning rate."""
        return self._optimizer.learning_rate

    def set_learning_rate(self, lr):
        """Set the learning rate.

        Raises UserWarning where a scheduler sets it.
        """
        self._optimizer.set_learning_rate(lr)

    # --- steps -----------------------------------------------------------------------------------------------------

    def step(self, batch_size, ignore_stale_grad=False):
        """Sum the gradients of all replicas, divide them by `batch_size` and update the parameters.

        ignore_stale_grad: leave out parameters that the last backward did not reach.
        Raises UserWarning where there are such and ignore_stale_grad is False.
        """
        self._before_step(batch_size)
        if self._update_on_kvstore:
            self._check_fresh(ignore_stale_grad)
            self._update_on_store()
            return
        self._allreduce_grads()
        self._update(ignore_stale_grad)

    def allreduce_grads(self):
        """Sum the gradients of all replicas into each of them.

        Raises AssertionError where the kvstore updates.
        """
        if not self._kv_initialized:
            self._init_kvstore()
        self._refuse_on_store("allreduce_grads()")
        self._allreduce_grads()

    def update(self, batch_size, ignore_stale_grad=False):
        """Update the parameters from gradients that `allreduce_grads` has summed; else as `step`.

        Raises AssertionError where the kvstore updates.
        """
        self._before_step(batch_size)
        self._refuse_on_store("update()")
        self._update(ignore_stale_grad)

    def _before_step(self, batch_size):
        extensions.tell()
        if self._growing:
            self._grow()
        if not self._kv_initialized:
            self._init_kvstore()
        if type(batch_size) is not int and isinstance(batch_size, NDArray):
            batch_size = batch_size._tensor.item()  # the number of tokens, say
        self._optimizer.rescale_grad = self._scale / batch_size

    def _refuse_on_store(self, what):
        if self._update_on_kvstore:
            raise AssertionError(
                explain(
                    f"{what} when parameters are updated on kvstore is not supported",
                    hint="Try setting `update_on_kvstore` to False when creating trainer.",
                )
            )

    def _trained(self):
        return [(index, parameter) for index, parameter in enumerate(self._params) if parameter.learns]

    def _check_fresh(self, ignore_stale_grad):
        if ignore_stale_grad:
            return
        for _, parameter in self._trained():
            for data in parameter._check_and_get(parameter._data, list):
                if not _is_fresh(data):
                    raise self._stale(parameter, data)

    def _stale(self, parameter, data):
        """What to raise where no backward pass has reached a parameter: that others wait for a forward comes first."""
        for _, one in self._trained():
            one._check_and_get(one._data, list)
        return _stale(parameter, data)

    def _allreduce_grads(self):
        """Sum the gradients of all replicas into each; derived trainers (Horovod's) have their own way."""
        if self._kvstore is None:
            return
        trained = [(index, parameter.list_grad()) for index, parameter in self._trained()]
        if not isinstance(self._kvstore, stores.KVStore):
            for index, grads in trained:
                self._kvstore.pushpull(index, grads)
        elif trained:
            # All at once: between processes they travel in a few large pieces.
            indices, grads = map(list, zip(*trained))
            self._kvstore.push(indices, grads)
            self._kvstore.pull(indices, grads, ignore_sparse=False)

    def _update_on_store(self):
        # All of them: as in MXNet, what no backward pass has reached goes with the gradient that it has.
        indices, grads, targets = [], [], []
        for index, parameter in self._trained():
            indices.append(index)
            grads.append(parameter.list_grad())
            targets.append(parameter._data)
        if indices:
            self._kvstore.push(indices, grads)
            dense = [place for place, data in enumerate(targets) if data[0].stype == "default"]
            self._kvstore.pull([indices[place] for place in dense], [targets[place] for place in dense])
        for data in targets:
            for array in data:
                hook = hook_of(variable(array))
                if hook is not None:
                    hook.fresh = False

    def _update(self, ignore_stale_grad):
        """One call to each replica's updater, with all parameters."""
        found = [([], [], []) for _ in self._updaters]
        hooks = []
        for index, parameter in self._trained():
            for (indices, grads, weights), weight in zip(found, parameter.list_data()):
                hook = hook_of(weight._tensor)
                if hook is None or not hook.fresh:
                    if ignore_stale_grad:
                        continue
                    raise self._stale(parameter, weight)
                hooks.append(hook)
                indices.append(index)
                weights.append(weight)
                grads.append(weight._grad)
        for hook in hooks:
            hook.fresh = False
        for device, (updater, (indices, grads, weights)) in enumerate(zip(self._updaters, found)):
            if len(self._updaters) > 1:
                self._optimizer._set_current_context(device)
            if indices:
                updater(indices, grads, weights)

    # --- files -----------------------------------------------------------------------------------------------------

    def save_states(self, fname):
        """Write the optimizer's states, settings and counts to a file that holds numbers and names only."""
        if not self._kv_initialized:
            self._init_kvstore()
        with atomic_write(fname) as file:
            file.write(self._updaters[0].get_states(dump_optimizer=True))

    def load_states(self, fname):
        """Read what `save_states` wrote.

        Raises ValueError for other files.
        """
        if not self._kv_initialized:
            self._init_kvstore()
        with open(fname, "rb") as file:
            states = file.read()
        for updater in self._updaters:
            updater.set_states(states)
            updater.optimizer = self._updaters[0].optimizer
        self._optimizer = self._updaters[0].optimizer
        self._optimizer.param_dict = dict(enumerate(self._params))

    # --- what listings use beyond MXNet --------------------------------------------------------------------------

    def backward(self, loss):
        """Not MXNet's: gradients of a loss (`loss.backward()`)."""
        extensions.backward(loss)

    def fit(self, x, y, batch_size=32, loss=None, shuffle=True):
        """Not MXNet's: one epoch over arrays; answers the mean loss. See `gluon.extensions`."""
        return extensions.fit(self, x, y, batch_size, loss, shuffle)


def _stale(parameter, data):
    return UserWarning(
        f"Gradient of Parameter `{parameter.name}` on context {data.context} has not been updated by backward since"
        " last `step`. This could mean a bug in your model that made it only use a subset of the Parameters (Blocks)"
        " for this iteration. If you are intentionally only using a subset, call step with ignore_stale_grad=True to"
        " suppress this warning and skip updating of Parameters with stale gradient"
    )


def _is_fresh(data):
    """Whether a backward pass has reached an array since the last step."""
    hook = hook_of(variable(data))
    return hook is not None and hook.fresh
