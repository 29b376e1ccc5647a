"""The import hook, on a small front end made here: each test is a script in a process of its own."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

TABLE = """
import sys
from tandem.compat import hook, launch
from tandem.compat.names import FrontEnd
new = FrontEnd("Keras", "newkeras", "newkeras.table:ALIASES", "newkeras.table:PRIVATE")
mx = FrontEnd("MXNet", "newmx")
hook.install(
    {"keras": new, "tf_keras": new, "tensorflow.keras": new, "tensorflow.python.keras": new, "mxnet": mx},
    {"tensorflow": "2.16.1"},
)
launch.run_script(sys.argv[1], sys.argv[2:])
"""

FILES = {
    "newkeras/__init__.py": """
        from newkeras import layers
        from newkeras import models
        Layer = layers.Layer
        class Model: pass
        """,
    "newkeras/table.py": """
        ALIASES = {"api": "", "layers.core": "layers", "engine": "layers models", "engine.topology": "layers models",
                   "utils.np_utils": "utils", "backend.tensorflow_backend": "backend", "layers.gone": "not_written"}
        PRIVATE = {"src": "Write {old}.layers for {old}.src.layers."}
        """,
    "newkeras/layers/__init__.py": """
        from newkeras.layers.core import Dense
        class Layer: pass
        class Flatten: pass
        """,
    "newkeras/layers/core.py": "class Dense: pass\nclass OnlyHere: pass\n",
    "newkeras/models.py": "class Sequential: pass\n",
    "newkeras/utils.py": "def to_categorical(): return 'categories'\n",
    "newkeras/backend.py": "def set_session(): return 'session'\n",
    "newkeras/lazy.py": """
        def __getattr__(name):
            if name == "late": return "late"
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        """,
    "newkeras/speaking.py": """
        def __getattr__(name):
            raise AttributeError(f"{name} arrives next year")
        """,
    "newkeras/broken.py": "import a_library_that_is_not_here\n",
    "newmx/__init__.py": """
        import types
        nd = types.ModuleType("newmx.view_of_nd")
        nd.array = list
        nd.random = types.ModuleType("newmx.view_of_nd.random")
        nd.random.uniform = "uniform"
        __version__ = "1.9.1"
        """,
    "newmx/gluon/__init__.py": "",
    "newmx/gluon/nn.py": "class Block: pass\n",
    # A real framework beside them, which must not win.
    "keras/__init__.py": "real = True\n",
    "keras/layers.py": "real = True\n",
    "mxnet/__init__.py": "real = True\n",
    "tensorflow/__init__.py": "real = True\n",
    "tensorboard/__init__.py": "",
    "tensorboard/compat/__init__.py": """
        try:
            from tensorboard.compat import notf
            tf = "TensorBoard's own"
        except ImportError:
            import tensorflow as tf
        """,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("front_ends")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


@pytest.fixture
def script(folder, tmp_path, monkeypatch):
    """Runs a script under the hook and gives its output; fails where the script fails."""
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def run(text, status=0):
        path = Path(tmp_path / "script.py")
        path.write_text(textwrap.dedent(text))
        done = subprocess.run([sys.executable, "-c", TABLE, str(path)], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == status, done.stderr
        return done.stdout if status == 0 else done.stderr

    return run


@pytest.mark.parametrize(
    "line",
    [
        "import keras.layers; Dense = keras.layers.Dense",
        "import keras; Dense = keras.layers.Dense",
        "import keras.layers as L; Dense = L.Dense",
        "from keras import layers; Dense = layers.Dense",
        "from keras.layers import Dense",
        "from keras.layers import *",
        "from keras.layers.core import Dense",
        "from keras.layers.core import *",
        "import keras.layers.core; Dense = keras.layers.core.Dense",
        "import keras.layers.core as core; Dense = core.Dense",
        "from keras.layers import core; Dense = core.Dense",
        "import keras; Dense = keras.layers.core.Dense",
        "import tf_keras; Dense = tf_keras.layers.Dense",
        "from tensorflow import keras; Dense = keras.layers.Dense",
        "import tensorflow as tf; Dense = tf.keras.layers.Dense",
        "import tensorflow.keras as K; Dense = K.layers.Dense",
        "from tensorflow.keras.layers import Dense",
        "from tensorflow.python.keras.layers import Dense",
        "from tensorflow.python.keras.layers.core import Dense",
        "from keras.api.layers import Dense",
        "from keras.api.layers.core import Dense",
        "from keras.engine.topology import Dense",
        "import importlib; Dense = importlib.import_module('keras.layers.core').Dense",
        "Dense = __import__('keras.layers', fromlist=['Dense']).Dense",
    ],
)
def test_every_way_of_importing_gives_the_one_class(script, line):
    assert script(f"{line}\nimport newkeras\nprint(Dense is newkeras.layers.Dense)") == "True\n"


def test_modules_are_the_same_objects_and_stay_what_they_were(script):
    out = script("""
        import sys, importlib
        import newkeras.layers, newkeras.utils
        before = [(m.__name__, m.__spec__, m.__loader__, m.__package__, getattr(m, "__file__", None))
                  for m in (newkeras, newkeras.layers, newkeras.utils)]
        import keras, keras.layers, keras.utils, tensorflow.keras, tensorflow.python.keras.utils
        after = [(m.__name__, m.__spec__, m.__loader__, m.__package__, getattr(m, "__file__", None))
                 for m in (keras, keras.layers, keras.utils)]
        print(before == after, keras is newkeras, keras.layers is newkeras.layers, tensorflow.keras is newkeras)
        print(sys.modules["tensorflow.python.keras.utils"] is newkeras.utils, importlib.reload(keras) is newkeras)
        print([name for name in sys.modules if name.endswith(".layers")])
        import pickle
        print(pickle.loads(pickle.dumps(keras.layers.Dense)) is newkeras.layers.Dense)
    """)
    assert out == (
        "True True True True\nTrue True\n"
        "['newkeras.layers', 'keras.layers']\nTrue\n"
    )  # fmt: skip


def test_older_paths_offer_the_names_of_all_their_modules(script):
    out = script("""
        from keras.engine import Layer, Sequential
        from keras.layers.core import Flatten, OnlyHere
        import keras.utils
        print(keras.utils.np_utils.to_categorical())
        import keras.backend.tensorflow_backend as KTF
        print(KTF.set_session(), "Flatten" in dir(keras.layers.core))
        # the front end's own file of that name goes on working
        from newkeras.layers.core import OnlyHere as same
        print(same is OnlyHere)
    """)
    assert out == "categories\nsession True\nTrue\n"


def test_a_module_that_is_an_attribute_can_be_imported(script):
    out = script("""
        import mxnet as mx, newmx
        import mxnet.nd
        from mxnet.nd import array
        from mxnet.nd.random import uniform
        import mxnet.gluon.nn as nn
        from mxnet.gluon import nn as same
        print(mx.nd is newmx.nd, array is list, uniform, nn is same)
    """)
    assert out == "True True uniform True\n"


def test_real_frameworks_do_not_win_even_if_they_were_there_before(script, folder, tmp_path):
    out = script("""
        import keras, mxnet, tensorflow
        print([hasattr(module, "real") for module in (keras, keras.layers, mxnet, tensorflow)], tensorflow.__version__)
    """)
    assert out == "[False, False, False, False] 2.16.1\n"
    code = "import keras, keras.layers; assert keras.real;" + TABLE
    path = tmp_path / "late.py"
    path.write_text("import keras, newkeras; print(keras is newkeras, keras.layers is newkeras.layers)")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.stdout == "True True\n", done.stderr


def test_tensorboard_does_not_take_the_stand_in_for_tensorflow(script):
    assert script("import tensorflow\nfrom tensorboard.compat import tf\nprint(tf)") == "TensorBoard's own\n"


MISSING = [
    ("import keras; keras.nosuch", "AttributeError", "module 'keras' has no name 'nosuch'"),
    ("import keras; keras.layers.Dens", "AttributeError", "Did you mean 'Dense'? dir(keras.layers)"),
    ("from keras.layers import Dens", "ImportError", "module 'keras.layers' has no name 'Dens'"),
    ("from keras.models import Sequentiel", "ImportError", "Did you mean 'Sequential'?"),
    ("from keras.layers.core import Dens", "ImportError", "module 'keras.layers.core' has no name 'Dens'"),
    ("from keras.lazy import early", "ImportError", "module 'keras.lazy' has no name 'early'"),
    ("from keras.speaking import it", "ImportError", "it arrives next year"),
    ("import keras.speaking; keras.speaking.it", "AttributeError", "it arrives next year"),
    ("import keras.nosuch", "ModuleNotFoundError", "No module named 'keras.nosuch'"),
    ("import tensorflow.keras.layer", "ModuleNotFoundError", "Did you mean 'layers'?"),
    ("import keras.layers.core.dense", "ModuleNotFoundError", "No module named 'keras.layers.core.dense'"),
    ("import keras.layers.gone", "ModuleNotFoundError", "No module named 'keras.layers.gone'"),
    ("import keras.utils.nosuch", "ModuleNotFoundError", "No module named 'keras.utils.nosuch'"),
    ("from keras.src.layers import Dense", "ModuleNotFoundError", "Write keras.layers for keras.src.layers."),
    ("import mxnet; mxnet.nosuch", "AttributeError", "Tandem's MXNet does not have it"),
    ("import tensorflow as tf; tf.data", "AttributeError", "tensorflow.data is not supported: Tandem runs Keras"),
    ("from tensorflow import data", "ImportError", "tensorflow.data is not supported: Tandem runs Keras"),
    ("import tensorflow.compat.v1 as tf", "ModuleNotFoundError", "tensorflow.compat is not supported"),
    ("import keras.broken", "ModuleNotFoundError", "No module named 'a_library_that_is_not_here'"),
]


@pytest.mark.parametrize(("line", "kind", "message"), MISSING, ids=[case[0] for case in MISSING])
def test_a_missing_name_is_explained(script, line, kind, message):
    lines = script(f"\n{line}\n", status=1).splitlines()
    assert lines[-1].startswith(f"{kind}: ")
    assert message in lines[-1]
    assert lines[-1].count("Did you mean") <= 1
    # The script's own line is shown, and none of the hook's.
    assert line.split("; ")[-1] in lines[2]
    assert not [line for line in lines if "tandem" in line and "File" in line]


def test_asking_whether_a_name_is_there_is_answered_as_ever(script):
    out = script("""
        import importlib.util, keras, tensorflow
        print(hasattr(keras, "nosuch"), getattr(keras.layers, "nosuch", 3), hasattr(tensorflow, "data"))
        print(hasattr(keras, "__wrapped__"), keras.lazy.late if hasattr(keras, "lazy") else None)
        try:
            from keras.layers import Nosuch
        except ImportError:
            print("caught")
        print(importlib.util.find_spec("keras").name, importlib.util.find_spec("keras.utils").origin)
    """)
    lines = out.splitlines()
    assert lines[:3] == ["False 3 False", "False None", "caught"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_processes_have_the_names_too(script, method):
    out = script(f"""
        import multiprocessing, sys
        from concurrent.futures import ProcessPoolExecutor
        import keras

        class Mine(keras.layers.Layer):
            pass

        def work(thing):
            from keras.layers.core import Dense
            import tensorflow.keras.models, mxnet
            return Dense, isinstance(thing, keras.Layer), hasattr(mxnet, "real"), sys.argv[1:], type(thing).__module__

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            if {method!r} == "forkserver":
                context.set_forkserver_preload(["__main__", "keras"])
            with ProcessPoolExecutor(1, mp_context=context) as pool:
                Dense, *rest = pool.submit(work, Mine()).result()
            print(Dense is keras.layers.Dense, *rest)
    """)
    module = "__main__" if method == "fork" else "__mp_main__"
    assert out == f"True True False [] {module}\n"


def test_joblib_processes_have_the_names_too(script):
    pytest.importorskip("joblib")
    out = script("""
        from joblib import Parallel, delayed
        import keras

        def work(thing):
            from keras.layers.core import Dense
            return isinstance(thing, Dense)

        print(Parallel(n_jobs=2)(delayed(work)(keras.layers.Dense()) for _ in range(2)))
    """)
    assert out == "[True, True]\n"


def test_a_module_run_with_m_and_its_workers(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(folder))
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "inside.py").write_text("value = 3\n")
    (tmp_path / "package" / "main.py").write_text(
        textwrap.dedent("""
        import multiprocessing
        from keras.layers.core import Dense
        from .inside import value

        def work(number):
            return number + value, Dense.__name__

        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(work, [1]), __package__, __spec__.name)
        """)
    )
    code = TABLE.replace("launch.run_script(", "launch.run_module(")
    done = subprocess.run(
        [sys.executable, "-c", code, "package.main"], capture_output=True, text=True, cwd=tmp_path
    )  # fmt: skip
    assert done.stdout == "[(4, 'Dense')] package package.main\n", done.stderr
