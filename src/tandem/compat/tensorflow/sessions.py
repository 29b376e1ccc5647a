"""TensorFlow 1's sessions as Keras scripts have them: settings, and something to hand to `K.set_session`.

What a script writes around Keras (memory settings, `get_default_graph().as_default()`) has nothing to steer here and
may stay; what would run a graph raises.
"""

import contextlib

from tandem.compat.tensorflow import devices
from tandem.core.errors import explain


class Settings:
    """Options of TensorFlow's runtime, which steer nothing here: memory is taken as it is needed."""

    def __init__(self, **options):
        self.__dict__.update(options)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        found = self.__dict__[name] = Settings()
        return found


class Graph:
    """What is the default graph: there is none, and nothing that depends on one."""

    @contextlib.contextmanager
    def as_default(self):
        """A scope that changes nothing."""
        yield self

    def finalize(self):
        """Nothing: there is no graph."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotImplementedError(
            explain(
                f"A graph's `{name}` is not there: code runs as it is written", hint="See keras.Model and its layers."
            )
        )


_GRAPH = Graph()


class Initializer:
    """What `global_variables_initializer` gives: variables are there from the beginning."""


class Session:
    """A session: it can be entered, closed and handed to `K.set_session`; `run` takes initializers only."""

    steers_nothing = True  # K.set_session takes it

    def __init__(self, target="", graph=None, config=None):
        self.graph = graph or _GRAPH

    def run(self, fetches, feed_dict=None, options=None, run_metadata=None):
        """Nothing for initializers. Raises NotImplementedError for what would run a graph."""
        wanted = fetches if isinstance(fetches, (list, tuple)) else [fetches]
        if not all(isinstance(one, Initializer) for one in wanted):
            raise NotImplementedError(
                explain(
                    "Session.run belongs to TensorFlow 1's graphs; Tandem has none: code runs as it is written",
                    given=repr(fetches)[:80],
                    hint="Call the function or model, or write K.function(inputs, outputs).",
                )
            )

    def as_default(self):
        """A scope that changes nothing."""
        return self

    def close(self):
        """Nothing: there is nothing open."""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def get_default_graph():
    """The default graph."""
    return _GRAPH


def get_default_session():
    """A session."""
    return Session()


def reset_default_graph():
    """Forget Keras's names, as `keras.backend.clear_session` does."""
    from tandem.keras import backend

    backend.clear_session()


def initializer(*args, **kwargs):
    """What a session's `run` takes: variables are there from the beginning."""
    return Initializer()


def disable_eager_execution():
    """Code runs as it is written all the same: models, and K.function and K.gradients, need no graph for it."""
    devices.LOGGER.info("Tandem has no graphs: code runs as it is written, and models' steps are replayed.")


# --- optimizers that Keras's `compile` took ------------------------------------------------------------------------


def _optimizers():
    from tandem.keras import optimizers

    def adam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08, use_locking=False, name="Adam"):
        return optimizers.Adam(learning_rate, beta_1=beta1, beta_2=beta2, epsilon=epsilon)

    def descent(learning_rate, use_locking=False, name="GradientDescent"):
        return optimizers.SGD(learning_rate)

    def momentum(learning_rate, momentum, use_locking=False, name="Momentum", use_nesterov=False):
        return optimizers.SGD(learning_rate, momentum=momentum, nesterov=use_nesterov)

    def rmsprop(
        learning_rate, decay=0.9, momentum=0.0, epsilon=1e-10, use_locking=False, centered=False, name="RMSProp"
    ):
        return optimizers.RMSprop(learning_rate, rho=decay, momentum=momentum, epsilon=epsilon, centered=centered)

    def adagrad(learning_rate, initial_accumulator_value=0.1, use_locking=False, name="Adagrad"):
        return optimizers.Adagrad(learning_rate, initial_accumulator_value=initial_accumulator_value)

    return {
        "AdagradOptimizer": adagrad,
        "AdamOptimizer": adam,
        "GradientDescentOptimizer": descent,
        "MomentumOptimizer": momentum,
        "RMSPropOptimizer": rmsprop,
    }


OPTIMIZERS = _optimizers()
NAMES = {
    "ConfigProto": Settings,
    "GPUOptions": Settings,
    "Graph": Graph,
    "InteractiveSession": Session,
    "OptimizerOptions": Settings,
    "RunOptions": Settings,
    "Session": Session,
    "disable_eager_execution": disable_eager_execution,
    "disable_v2_behavior": disable_eager_execution,
    "get_default_graph": get_default_graph,
    "get_default_session": get_default_session,
    "global_variables_initializer": initializer,
    "initialize_all_variables": initializer,
    "local_variables_initializer": initializer,
    "reset_default_graph": reset_default_graph,
    "tables_initializer": initializer,
    "variables_initializer": initializer,
}
